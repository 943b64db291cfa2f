# SPDX-License-Identifier: Apache-2.0
"""Limits that apply before a parser library's own."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from snatsh.engine.storage.json_record import Record
from snatsh.interop import nft
from snatsh.interop.dialect import Dialect
from snatsh.interop.dialects import DIALECTS
from snatsh.model.errors import FormError
from snatsh.model.forms import yaml_reader
from snatsh.model.limits import MAX_DEPTH, check_json_depth, load_json
from snatsh.tui.keymap import KeymapError, load


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "text", ["[]", nested(MAX_DEPTH), '{"a": "' + "[" * 100 + '"}', '["\\"[[{", {}]', "1"]
)
def test_json_within_the_depth_limit_is_read(text: str) -> None:
    assert load_json(text) == load_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (nested(MAX_DEPTH + 1), MAX_DEPTH + 1),
        ("[" * 1_000_000, MAX_DEPTH + 1),
        ('["\\"]]]",' + "[" * MAX_DEPTH, 9 + MAX_DEPTH),
        ('{"a":' * (MAX_DEPTH + 1), 5 * MAX_DEPTH + 1),
    ],
)
def test_json_beyond_the_depth_limit_is_refused_with_its_position(text: str, column: int) -> None:
    with pytest.raises(json.JSONDecodeError, match="nested more than 32 levels deep") as caught:
        load_json(text)
    assert (caught.value.lineno, caught.value.colno) == (1, column)


@pytest.mark.parametrize("unit", ['"', '\\"', '"\\', "[]", '"a",', "\\"])
def test_depth_check_of_a_long_text_is_fast(unit: str) -> None:
    text = "[" * 30 + "[]" * 10 + '"' + unit * (4_000_000 // len(unit))
    start = time.process_time()
    check_json_depth(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("unit", ["'", '"', '\\"', "[]", "'a',"])
def test_yaml_error_at_the_end_of_a_long_text_is_found_fast(quote: str, unit: str) -> None:
    start = time.process_time()
    with pytest.raises(FormError):
        yaml_reader.read("a: [" + quote + unit * (400_000 // len(unit)) + "\n]]")
    assert time.process_time() - start < 5


def test_nft_json_beyond_the_depth_limit_is_refused() -> None:
    with pytest.raises(FormError, match="column 45: invalid JSON: nested more than 32 levels deep"):
        nft.read('{"nftables": [' + "[" * 100_000, {})


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("text", ["{" * 100_000, "[" * 100_000, "a {\n" * 20_000 + "}\n" * 20_000])
def test_deeply_nested_imports_do_not_exhaust_the_stack(dialect: Dialect, text: str) -> None:
    try:
        dialect.read(text, {})
    except FormError as error:
        assert "recursion" not in str(error)


def test_deeply_nested_state_record_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record = Record(tmp_path / "confirm.json", dict[str, object], "what it kept")
    record.path.write_text('{"a": ' + nested(100_000) + "}")
    assert record.read(lambda content: content) is None
    assert (tmp_path / "confirm.json.damaged").exists()
    assert "nested more than 32 levels deep" in caplog.text


def test_deeply_nested_keys_file_is_refused(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text("screen.flows: " + nested(100_000))
    with pytest.raises(KeymapError, match="nested more than 32 levels deep"):
        load(keys, ["screen.flows"])
