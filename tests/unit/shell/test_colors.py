# SPDX-License-Identifier: Apache-2.0
"""Colors of answers on an interactive terminal."""

from __future__ import annotations

import re

import pytest

from snatsh.shell.render.paint import paint

DIFFERENCE = "[edit rules 10]\n-   pool a;\n+   pool c;\n!   inactive: 20 { ... }\n    as it was\n"


def test_differences_are_green_and_red() -> None:
    assert paint(DIFFERENCE, "difference").splitlines() == [
        "\x1b[1m[edit rules 10]\x1b[m",
        "\x1b[31m-   pool a;\x1b[m",
        "\x1b[32m+   pool c;\x1b[m",
        "\x1b[33m!   inactive: 20 { ... }\x1b[m",
        "    as it was",
    ]


def test_errors_are_red_and_warnings_yellow() -> None:
    assert paint("error: no\n", "error") == "\x1b[31merror: no\x1b[m\n"
    assert paint("warning: x\ncommit complete\n", "") == "\x1b[33mwarning: x\x1b[m\ncommit complete\n"


@pytest.mark.parametrize("kind", ["", "difference", "error"])
def test_coloured_text_is_otherwise_unchanged(kind: str) -> None:
    text = f"{DIFFERENCE}\nwarning: x\nno newline"
    assert re.sub(r"\x1b\[[0-9;]*m", "", paint(text, kind)) == text
