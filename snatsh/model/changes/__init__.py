# SPDX-License-Identifier: Apache-2.0
"""Differences between documents: diff, merge and patch."""
