# SPDX-License-Identifier: Apache-2.0
"""Widgets of the screens."""
