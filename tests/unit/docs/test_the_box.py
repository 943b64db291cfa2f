# SPDX-License-Identifier: Apache-2.0
"""The table of what the host does to packets is complete, and the tests that it names exist."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.markdown import ROOT, Page

PAGE = Page(ROOT / "docs" / "the-box.md")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.section("What is followed").splitlines()
    if line.startswith("| ") and not line.startswith("| what")
]


def test_rows_are_complete() -> None:
    assert len(ROWS) > 20
    assert {len(row) for row in ROWS} == {5}
    assert {row[3] for row in ROWS} == {"", "major", "minor"}


@pytest.mark.parametrize("test", sorted({row[-1].strip("`") for row in ROWS}))
def test_tests_that_show_it_exist(test: str) -> None:
    file, _, name = test.partition("-k ")
    text = (ROOT / "tests" / "e2e" / (file.strip() or "test_box.py")).read_text("utf-8")
    assert [found for found in re.findall(r"^def (test_\w+)", text, re.MULTILINE) if name in found], test
