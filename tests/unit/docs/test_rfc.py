# SPDX-License-Identifier: Apache-2.0
"""The page of RFCs has every requirement, and the tests that it names exist."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.markdown import ROOT, Page

PAGE = Page(ROOT / "docs" / "rfc.md")
TABLES = {heading.split()[1]: PAGE.section(heading) for level, heading in PAGE.headings if level == 2}
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for table in TABLES.values()
    for line in table.splitlines()
    if line.startswith("| ") and not line.startswith("| requirement")
]
NAMED = sorted({row[-1].strip("`") for row in ROWS if row[-1]})


def test_rows_are_complete() -> None:
    assert {len(row) for row in ROWS} == {5}
    assert {row[1] for row in ROWS} == {"yes", "no", "partly", "optional"}


@pytest.mark.parametrize(("rfc", "last"), [("4787", 14), ("5382", 10), ("5508", 11), ("6888", 15)])
def test_every_requirement_is_listed(rfc: str, last: int) -> None:
    listed = {int(number) for number in re.findall(r"^\| REQ-(\d+)", TABLES[rfc], re.MULTILINE)}
    assert listed == set(range(1, last + 1))


@pytest.mark.parametrize("test", NAMED)
def test_tests_that_show_it_exist(test: str) -> None:
    file, _, names = test.partition(" -k ")
    text = (ROOT / "tests" / file).read_text("utf-8")
    tests = re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    for name in names.split(" or "):
        assert [found for found in tests if name in found], name
