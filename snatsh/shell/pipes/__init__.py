# SPDX-License-Identifier: Apache-2.0
"""Pipes: what happens to an answer on its way to the screen."""
