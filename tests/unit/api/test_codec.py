# SPDX-License-Identifier: Apache-2.0
"""Models as JSON: malformed input, and what no encoding can write."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from snatsh.api import codec, rules
from snatsh.api.codec import Malformed, decode, encode
from snatsh.api.fields import FieldTable, Unit
from snatsh.api.flows import FLOW_FIELDS, GROUP_FIELDS, FlowState
from snatsh.api.links import LINK_FIELDS
from snatsh.api.pools import POOL_FIELDS
from snatsh.api.rules import RULE_FIELDS, LiveRule, RuleRow
from snatsh.api.subscribers import SUBSCRIBER_FIELDS
from snatsh.api.system import FileRow, LogMessages
from snatsh.model.schema.profile import Profile, Rule
from snatsh.model.vocabulary import FLOW_STATES


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "truncated"),
        (b"<html>", "malformed"),
        (b"[1]", "Expected `object`"),
        (b'{"name": "a", "size": 1}', "`changed`"),
        (b'{"name": "a", "size": "1", "changed": ""}', "Expected `int`"),
        (b'{"name": "\xff", "size": 1, "changed": ""}', "utf-8"),
    ],
)
def test_malformed_json_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        decode(raw, FileRow)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(Malformed):
        decode(b'{"lines": ' + b"[" * 100_000, LogMessages)


def test_unknown_fields_are_ignored() -> None:
    assert decode(b'{"lines": ["a"], "more": {}}', LogMessages) == LogMessages(["a"])


def test_a_lone_surrogate_is_replaced() -> None:
    assert json.loads(encode(LogMessages(["a\ud800b"]))) == {"lines": ["a?b"]}


def test_rule_rows_have_every_field_of_a_rule() -> None:
    names = {info.alias or name for name, info in Rule.model_fields.items()}
    assert "rules" in Profile.model_fields
    assert names <= set(RuleRow.__struct_encode_fields__)


def test_match_fields_are_fields_of_a_rule() -> None:
    assert set(rules.MATCH_FIELDS) <= set(LiveRule.__struct_encode_fields__)


def test_flow_states_match_the_datapath() -> None:
    assert get_args(FlowState) == FLOW_STATES


@pytest.mark.parametrize(
    "table", [FLOW_FIELDS, GROUP_FIELDS, SUBSCRIBER_FIELDS, POOL_FIELDS, RULE_FIELDS, LINK_FIELDS]
)
def test_quantities_sort_descending_and_names_ascending(table: FieldTable) -> None:
    """The one exception: the pool that is full soonest comes first."""
    for field in table:
        if field.sortable:
            assert field.rising == (field.unit in (None, Unit.ORDINAL) or field.name == "forecast"), (
                field.name
            )
            assert table.is_descending(field.name) != table.is_descending(field.name, reversed_=True)


def test_builtins_use_json_field_names() -> None:
    row = rules.FailedOver("isp-a", "isp-b", "b", None, None)
    assert codec.builtins(row) == json.loads(encode(row))
    assert codec.from_builtins(codec.builtins(row), rules.FailedOver) == row
