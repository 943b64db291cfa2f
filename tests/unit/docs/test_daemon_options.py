# SPDX-License-Identifier: Apache-2.0
"""The page of the daemon lists every option."""

from __future__ import annotations

import re

import pytest

from snatsh.daemon.main import main
from tests.unit.docs.markdown import ROOT, Page

PAGE = Page(ROOT / "docs" / "snatd.md")
STANDARD = {"--help", "--version"}


def test_documented_options_match_snatd(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    accepted = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - STANDARD
    assert set(re.findall(r"^\| `(--[a-z-]+)", PAGE.text, re.MULTILINE)) == accepted
