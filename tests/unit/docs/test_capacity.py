# SPDX-License-Identifier: Apache-2.0
"""The bounds on the page of capacity are those of the code."""

from __future__ import annotations

import pytest

from snatsh.compile.image import MAX_INTERFACES, MAX_OWN, MAX_POOLS, MAX_RANGES, MAX_RULES
from snatsh.daemon.audit import FILE_LIMIT as AUDIT_LIMIT
from snatsh.engine.config.history import KEPT
from snatsh.engine.storage.user_files import FILE_LIMIT, FILES
from snatsh.model.validate.pools import MAX_ADDRESSES, MAX_POOL_ADDRESSES
from tests.unit.docs.markdown import ROOT, Page

PAGE = Page(ROOT / "docs" / "capacity.md")


@pytest.mark.parametrize(
    ("what", "bound"),
    [
        ("rules; a rule with a group", f"{MAX_RULES:,}"),
        ("pools", f"{MAX_POOLS:,}"),
        ("address ranges in all pools", f"{MAX_RANGES:,}"),
        ("addresses in one pool; in all pools", f"{MAX_POOL_ADDRESSES:,}; {MAX_ADDRESSES:,}"),
        ("interfaces with a role", f"{MAX_INTERFACES:,}"),
        ("addresses of the gateway", f"{MAX_OWN:,}"),
        ("history", f"{KEPT} commits"),
        ("files of a user", f"{FILES}, {FILE_LIMIT >> 20} MiB each"),
        ("audit log", f"{AUDIT_LIMIT >> 20} MiB"),
    ],
)
def test_documented_bounds_match_the_code(what: str, bound: str) -> None:
    lines = [line for line in PAGE.text.splitlines() if line.startswith(f"| {what}")]
    assert [line for line in lines if f"| {bound}" in line], lines
