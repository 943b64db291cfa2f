# SPDX-License-Identifier: Apache-2.0
"""Hypothesis without deadlines: other work runs on the same cores."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
