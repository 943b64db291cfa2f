# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.shell.render.text import Column, duration, json_text, printable, size, table


def test_tables_fit_their_content_without_trailing_blanks() -> None:
    text = table([Column("Name"), Column("Flows", right=True)], [["isp-a", 7], [None, 1234]])
    assert text == "Name   Flows\nisp-a      7\n-       1234\n"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\x9bc\x7f\u202ed\rx") == "a\\x1b[31mb\\x9bc\\x7f\\u202ed\\x0dx"
    assert printable("öäü €\n\tx") == "öäü €\n\tx"


def test_table_cells_stay_on_one_line() -> None:
    assert table([Column("A")], [["x\ny"]]) == "A\nx\\ny\n"


@given(st.text())
def test_json_output_encodes_any_text(text: str) -> None:
    rendered = json_text({"value": text})
    assert printable(rendered) == rendered
    assert json.loads(rendered) == {"value": text}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1500, "1.5K"),
        (9960, "10K"),
        (999_600, "1.0M"),
        (20_000_000, "20M"),
        (3e18, "3.0E"),
    ],
)
def test_sizes(number: float, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-1, "0s"), (59.4, "59s"), (723, "12m03s"), (11_100, "3h05m"), (187_200, "2d04h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
