# SPDX-License-Identifier: Apache-2.0
"""Documents change by valid statements only."""

from __future__ import annotations

import copy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from snatsh.model.document.document import (
    Document,
    Draft,
    delete,
    from_profile,
    get,
    set_,
    to_profile,
    validate_shape,
)
from snatsh.model.errors import ProfileError, StatementError
from snatsh.model.forms.set_form import render, statements
from tests.unit.model.strategies import documents, profiles

EXAMPLE: Document = {
    "interfaces": {"eth0": {}},
    "links": {"isp-a": {"monitor": {"icmp": {"target": ["8.8.8.8"]}}}},
    "pools": {"a": {"address": ["1.1.2.100", "1.1.2.102"]}},
    "rules": {"10": {"source": "10.0.0.0/8", "failover": {"isp-a": {"pool": "b"}}}},
    "timeouts": {"tcp": {"syn": 20}},
}


def tokens_of(document: Document) -> list[list[str]]:
    return [list(statement.tokens) for statement in statements(render(document))]


@given(documents())
def test_set_statements_rebuild_the_document(document: Document) -> None:
    built: Document = {}
    for tokens in tokens_of(document):
        built = set_(built, tokens)
    assert built == document


@given(documents(), documents())
def test_arguments_are_not_modified(document: Document, other: Document) -> None:
    before = copy.deepcopy(document)
    for tokens in tokens_of(other):
        set_(document, tokens)
    for tokens in tokens_of(document):
        delete(document, tokens)
    assert document == before


@given(documents(), st.data())
def test_delete_removes_only_its_statement(document: Document, data: st.DataObject) -> None:
    given_tokens = tokens_of(document)
    assume(given_tokens)
    tokens = data.draw(st.sampled_from(given_tokens))
    assert get(document, tokens) is not None
    less = delete(document, tokens)
    assert get(less, tokens) is None
    with pytest.raises(StatementError, match="not found"):
        delete(less, tokens)
    left = [other for other in given_tokens if other != tokens]
    assert all(get(less, other) is not None for other in left)


@given(documents(), documents())
def test_draft_equals_single_statements(document: Document, other: Document) -> None:
    draft, single = Draft(document), document
    for tokens in tokens_of(other):
        draft.set(tokens)
        single = set_(single, tokens)
    for tokens in tokens_of(single)[::2]:
        draft.delete(tokens)
        single = delete(single, tokens)
    assert draft.finish() == single


def test_set_copies_only_its_path() -> None:
    after = set_(EXAMPLE, ["rules", "10", "pool", "a"])
    assert after["rules"]["10"] is not EXAMPLE["rules"]["10"]
    assert after["pools"] is EXAMPLE["pools"]
    assert after["rules"]["10"]["failover"] is EXAMPLE["rules"]["10"]["failover"]


def test_set_canonicalizes_values() -> None:
    statement = "pools a address 1.1.1.0-1.1.1.255"
    assert set_({}, statement.split()) == {"pools": {"a": {"address": ["1.1.1.0/24"]}}}
    assert set_({}, ["rules", "5", "source", "10.1.1.1"]) == {"rules": {"5": {"source": "10.1.1.1/32"}}}
    assert set_({}, ["timeouts", "tcp", "syn", "25"]) == {"timeouts": {"tcp": {"syn": 25}}}


def test_leaf_lists_keep_order_without_duplicates() -> None:
    document = set_({}, ["pools", "a", "address", "[", "2.2.2.2", "1.1.1.1", "2.2.2.2", "]"])
    assert set_(document, ["pools", "a", "address", "2.2.2.2"]) == document
    assert get(document, ["pools", "a", "address"]) == ["2.2.2.2", "1.1.1.1"]


@pytest.mark.parametrize(
    ("statement", "index", "message", "expected"),
    [
        ("rule 10", 0, "did you mean rules?", "rules"),
        ("", 0, "is not complete; expected one of: system, interfaces", "pools"),
        ("system", 1, "is not complete; expected one of: host-name", "host-name"),
        ("rules", 1, "rules: is not complete; expected <1..1000000>", "<1..1000000>"),
        ("rules x", 1, "rules: x: expected a whole number", "<1..1000000>"),
        ("rules 10 source", 3, "expected <prefix>", "<prefix>"),
        ("rules 10 source 10.0.0.1/8", 3, "rules 10 source: 10.0.0.1/8: has host bits set", "<prefix>"),
        ("rules 10 action deny", 3, "deny: expected one of: translate", "exempt"),
        ("rules 10 pool a b", 4, "b: expected the end of the statement", None),
        ("pools a address [ 1.1.1.1", 5, "a closing ]", "]"),
        ("pools a address [ ]", 5, "a closing ]", "]"),
        ("pools a address [ 1.1.1.1 x ]", 5, "x: expected an address", "<address|range|prefix>"),
        ("interfaces a/b", 1, "expected an interface name", "<interface>"),
    ],
)
def test_invalid_statements_name_the_offending_token(
    statement: str, index: int, message: str, expected: str
) -> None:
    with pytest.raises(StatementError) as caught:
        set_(EXAMPLE, statement.split())
    assert caught.value.index == index
    assert message in str(caught.value)
    assert expected is None or expected in caught.value.expected
    assert caught.value.names_expected == any(word in str(caught.value) for word in caught.value.expected)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("system", 0),
        ("rules 20", 1),
        ("rules 10 pool", 2),
        ("rules 10 source 10.0.0.0/16", 3),
        ("pools a address 1.1.2.101", 3),
        ("pools a address [ 1.1.2.100 1.1.2.101 ]", 5),
    ],
)
def test_deleting_missing_statements_fails(statement: str, index: int) -> None:
    with pytest.raises(StatementError, match="not found") as caught:
        delete(EXAMPLE, statement.split())
    assert caught.value.index == index


def test_delete_prunes_empty_containers_but_not_list_entries() -> None:
    less = delete(EXAMPLE, ["links", "isp-a", "monitor", "icmp", "target", "8.8.8.8"])
    assert less["links"] == {"isp-a": {}}
    less = delete(less, ["rules", "10", "failover", "isp-a", "pool"])
    assert less["rules"]["10"]["failover"] == {"isp-a": {}}
    less = delete(delete(less, ["rules", "10", "failover", "isp-a"]), ["timeouts", "tcp", "syn", "20"])
    assert less["rules"] == {"10": {"source": "10.0.0.0/8"}}
    assert "timeouts" not in less
    assert "rules" not in delete(less, ["rules", "10"])
    assert delete(EXAMPLE, []) == {}


def test_get() -> None:
    assert get(EXAMPLE, ["rules", "10", "source"]) == "10.0.0.0/8"
    assert get(EXAMPLE, ["rules", "10", "source", "11.0.0.0/8"]) is None
    assert get(EXAMPLE, ["rules", "11"]) is None
    assert get(EXAMPLE, []) == EXAMPLE
    with pytest.raises(StatementError):
        get(EXAMPLE, ["rules", "10", "sauce"])


@given(documents())
def test_validation_keeps_valid_documents(document: Document) -> None:
    assert validate_shape(document) == document


@given(profiles())
def test_profiles_round_trip_through_documents(document: Document) -> None:
    assert from_profile(to_profile(document)) == document


def test_shape_accepts_numeric_strings_and_single_values_for_lists() -> None:
    given_object = {
        "rules": {10: None},
        "timeouts": {"tcp": {"syn": "20"}, "udp": None},
        "pools": {"a": {"address": "1.1.1.1-1.1.1.1", "exclude": []}},
    }
    assert validate_shape(given_object) == {
        "rules": {"10": {}},
        "timeouts": {"tcp": {"syn": 20}},
        "pools": {"a": {"address": ["1.1.1.1"]}},
    }


@pytest.mark.parametrize(
    ("given_object", "problems"),
    [
        ([], ["profile: a list of values: expected a set of statements"]),
        ("x", ["profile: x: expected a set of statements"]),
        ({"rulez": {}, 3: 4}, ["profile: rulez: unknown; did you mean rules?", "profile: 3: unknown; exp"]),
        ({"rules": {"10": {}, 10: {}}}, ["rules: 10: is given twice"]),
        ({"rules": {True: {}}}, ["rules: True: expected <1..1000000>"]),
        ({"rules": {(1, 2): {}}}, ["rules: a list of values: expected <1..1000000>"]),
        ({"rules": {10: {"action": False}}}, ["rules 10 action: False: expected one of: translate"]),
        ({"rules": {10: {"source": None}}}, ["rules 10 source: expected <prefix>"]),
        ({"timeouts": {"tcp": {"syn": 20.0}}}, ["timeouts tcp syn: 20.0: expected <5..86400>"]),
        ({"pools": {"a": {"address": ["1.1.1.1", "1.1.1.1/32"]}}}, ["a address: 1.1.1.1/32: is given twice"]),
        ({"pools": {"a": {"address": [["1.1.1.1"]]}}}, ["pools a address: a list of values: expected <addr"]),
        ({"system": {"host-name": b"\xff"}}, ["system host-name: b'\\xff': expected <name>"]),
        ({"system": {"host-name": "a\x1b[31m"}}, ["system host-name: a\\x1b[31m: expected a host name"]),
        (
            {"rules": {10: {"source": "10.0.0.1/8", "pool": "-"}}},
            ["10.0.0.0/8?", "10 pool: -: exp"],
        ),
    ],
)
def test_shape_errors_name_path_value_and_reason(given_object: object, problems: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        validate_shape(given_object)
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == len(problems)
    assert all(part in text for part, text in zip(problems, found, strict=True))


def test_shape_errors_are_bounded() -> None:
    with pytest.raises(ProfileError) as caught:
        validate_shape({f"key {number}": number for number in range(100_000)})
    assert len(caught.value.problems) == 1000


def test_shape_does_not_descend_below_the_schema() -> None:
    deep: Document = {}
    for _ in range(100_000):
        deep = {"rules": deep}
    with pytest.raises(ProfileError, match="rules: rules: expected a whole number"):
        validate_shape(deep)


def test_mandatory_statements_are_required() -> None:
    with pytest.raises(ProfileError) as caught:
        to_profile({"interfaces": {"eth0": {}}, "links": {"a": {"next-hop": "1.1.2.1"}}})
    assert [str(problem) for problem in caught.value.problems] == [
        "interfaces eth0 role: is mandatory; expected one of: inside, outside",
        "links a interface: is mandatory; expected <interface>",
    ]
