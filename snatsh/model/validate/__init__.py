# SPDX-License-Identifier: Apache-2.0
"""Checks of a whole profile, one module per subject."""
