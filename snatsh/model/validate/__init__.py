# SPDX-License-Identifier: Apache-2.0
"""Validation of a whole profile, a module per subject."""
