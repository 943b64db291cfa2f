# SPDX-License-Identifier: Apache-2.0
"""Every reason that a packet is dropped or passed to the stack for has its section, with what to do."""

from __future__ import annotations

import pytest

from snatsh.datapath.reasons import DROP_REASONS, PASS_REASONS
from tests.unit.docs.markdown import ROOT, Page

PAGE = Page(ROOT / "docs" / "troubleshooting.md")
DROPPED, PASSED = "Dropped packets", "Packets passed to the stack"
PARTS = ("Symptom", "Cause", "Check", "Do")


def title(part: str, reason: str) -> str:
    return f"{reason} (passed)" if part == PASSED and reason in DROP_REASONS else reason


def sections(part: str) -> list[str]:
    below = Page(PAGE.path).headings
    start = below.index((2, part)) + 1
    found = []
    for level, text in below[start:]:
        if level < 3:
            break
        found.append(text)
    return found


@pytest.mark.parametrize(("part", "reasons"), [(DROPPED, DROP_REASONS), (PASSED, PASS_REASONS)])
def test_every_reason_has_a_section(part: str, reasons: dict[str, str]) -> None:
    assert sections(part) == [title(part, reason) for reason in reasons]


@pytest.mark.parametrize("section", sections(DROPPED) + sections(PASSED))
def test_sections_have_symptom_cause_check_and_remedy(section: str) -> None:
    text = PAGE.section(section)
    assert [part for part in PARTS if f"**{part}.**" not in text] == []
    assert "@gw1> " in text, "no command to check with"
