# SPDX-License-Identifier: Apache-2.0
"""The type of documents."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
"""A profile, or a part of one, as nested dicts of canonical values."""
