# SPDX-License-Identifier: Apache-2.0
"""Every page is linked from the index, and what pages link to and name exists."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.markdown import ROOT, Page, pages

INDEX = Page(ROOT / "docs" / "README.md")
FILE_NAME = re.compile(r"(bpf|docs|packaging|profiles|snatsh|tests|tools)/[\w./-]+")


def test_every_page_is_linked_from_the_index() -> None:
    linked = {(INDEX.path.parent / link.partition("#")[0]).resolve() for link in INDEX.links}
    assert set((ROOT / "docs").glob("*.md")) - linked == {INDEX.path}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.name)
def test_links_resolve(page: Page) -> None:
    for link in page.links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, fragment = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.exists(), link
        if fragment:
            assert fragment in Page(target).anchors, link


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.name)
def test_files_named_in_text_exist(page: Page) -> None:
    missing = [code for code in page.code if FILE_NAME.fullmatch(code) and not (ROOT / code).exists()]
    assert missing == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.name)
def test_pages_start_with_their_only_title(page: Page) -> None:
    assert [level for level, _ in page.headings].index(1) == 0
    assert sum(level == 1 for level, _ in page.headings) == 1
