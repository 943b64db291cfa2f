# SPDX-License-Identifier: Apache-2.0
"""docs/cli.md agrees with the grammar."""

from __future__ import annotations

from pathlib import Path

from snatsh.shell.reference import reference

FILE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_cli_reference_is_current() -> None:
    assert FILE.read_text() == reference(), "run make docs"
