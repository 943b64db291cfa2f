# SPDX-License-Identifier: Apache-2.0
"""Changes as statements and as `show | compare`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.model.changes.diff import Change, apply, diff, graft, render_curly, render_set
from snatsh.model.document.document import Document, delete, get, set_
from snatsh.model.errors import StatementError
from snatsh.model.forms import set_form
from tests.unit.model.strategies import documents, profiles


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Document, Document]:
    """A document, and another that has something in common with it."""
    old, other = draw(documents()), draw(documents())
    new = old
    for tokens in some_statements(draw, other):
        new = set_(new, tokens)
    for tokens in some_statements(draw, old):
        with suppress(StatementError):
            new = delete(new, tokens[: draw(lengths(len(tokens)))])
    return old, new


def some_statements(draw: st.DrawFn, document: Document) -> Iterator[tuple[str, ...]]:
    """The tokens of about half the statements. One draw decides about eight: each draw is costly."""
    found = list(set_form.statements(set_form.render(document)))
    size = len(found) // 8 + 1
    chosen = int.from_bytes(draw(st.binary(min_size=size, max_size=size)), "little")
    return (statement.tokens for at, statement in enumerate(found) if chosen >> at & 1)


@cache
def lengths(longest: int) -> st.SearchStrategy[int]:
    return st.integers(1, longest)


pairs = neighbours() | st.tuples(documents(), documents()) | st.tuples(profiles(), profiles())


@given(pairs)
def test_applying_the_changes_to_the_old_gives_the_new(pair: tuple[Document, Document]) -> None:
    old, new = pair
    kept = copy.deepcopy(old)
    assert apply(old, diff(old, new)) == new
    assert old == kept


def containers(held: Document, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of everything that holds something by name."""
    for name, inner in held.items():
        if isinstance(inner, dict):
            yield (*above, name)
            yield from containers(inner, (*above, name))


@given(pairs, st.data())
def test_graft_replaces_one_subtree(pair: tuple[Document, Document], data: st.DataObject) -> None:
    old, new = pair
    path = data.draw(st.sampled_from([*containers(old), *containers(new), ("rules", "1")]))
    part = get(new, path)
    for name in reversed(path if part is not None else ()):
        part = {name: part}
    grafted = graft(old, part or {}, path)
    assert get(grafted, path) == get(new, path)
    for change in diff(old, grafted):
        assert change.path[: len(path)] == path or path[: len(change.path)] == change.path


def test_graft_copies_marks_below_its_path() -> None:
    marks = {"rules 10": {"inactive": "yes"}, "rules 10 pool": {"comment": "old"}}
    document = {"rules": {"10": {"pool": "a"}, "20": {"pool": "b"}}, "marks": marks}
    other = {"rules": {"10": {"pool": "c"}}, "marks": {"rules 10 pool": {"protect": "yes"}}}
    assert graft(document, other, ("rules", "10")) == {
        "rules": {"10": {"pool": "c"}, "20": {"pool": "b"}},
        "marks": {"rules 10": {"inactive": "yes"}, "rules 10 pool": {"protect": "yes"}},
    }


@given(pairs)
def test_every_change_has_an_effect(pair: tuple[Document, Document]) -> None:
    old, new = pair
    at = old
    for change in diff(old, new):
        after = apply(at, [change])
        assert after != at
        at = after


@given(pairs)
def test_rendered_changes_round_trip(pair: tuple[Document, Document]) -> None:
    changes = diff(*pair)
    read = [Change(line.verb, line.tokens) for line in set_form.statements(render_set(changes))]
    assert read == changes


@given(pairs)
def test_compare_is_empty_only_without_changes(pair: tuple[Document, Document]) -> None:
    old, new = pair
    assert bool(render_curly(old, new)) == (old != new) == bool(diff(old, new))
    assert all(line[:1] in "[+-" for line in render_curly(old, new).splitlines() if line)


@given(st.permutations(["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"]), st.integers(1, 4))
def test_reordering_a_leaf_list_is_a_change(order: list[str], kept: int) -> None:
    old = {"pools": {"a": {"address": ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"]}}}
    new = {"pools": {"a": {"address": order[:kept]}}}
    assert apply(old, diff(old, new)) == new


OLD = {
    "interfaces": {"eth0": {"role": "inside"}},
    "pools": {"a": {"address": ["1.1.1.1"]}},
    "rules": {
        "9": {"source": "10.0.0.0/8", "pool": "a"},
        "10": {"pool": "a", "failover": {"isp": {"pool": "b"}}},
    },
}
NEW = {
    "interfaces": {"eth0": {"role": "inside"}},
    "pools": {"a": {"address": ["1.1.1.1", "2.2.2.2"]}},
    "rules": {"9": {"pool": "a"}, "20": {"source": "10.0.0.0/8", "description": "new one"}},
    "timeouts": {"tcp": {"syn": 20}},
}


def test_changes_are_in_schema_order() -> None:
    assert render_set(diff(OLD, NEW)) == (
        "set pools a address 2.2.2.2\n"
        "delete rules 9 source\n"
        "delete rules 10\n"
        "set rules 20 source 10.0.0.0/8\n"
        'set rules 20 description "new one"\n'
        "set timeouts tcp syn 20\n"
    )


def test_compare_has_the_format_of_junos() -> None:
    assert render_curly(OLD, NEW) == (
        "[edit]\n"
        "+   timeouts {\n"
        "+       tcp {\n"
        "+           syn 20;\n"
        "+       }\n"
        "+   }\n"
        "[edit pools a]\n"
        "-   address 1.1.1.1;\n"
        "+   address [ 1.1.1.1 2.2.2.2 ];\n"
        "[edit rules]\n"
        "-   10 {\n"
        "-       pool a;\n"
        "-       failover {\n"
        "-           isp {\n"
        "-               pool b;\n"
        "-           }\n"
        "-       }\n"
        "-   }\n"
        "+   20 {\n"
        "+       source 10.0.0.0/8;\n"
        '+       description "new one";\n'
        "+   }\n"
        "[edit rules 9]\n"
        "-   source 10.0.0.0/8;\n"
    )


def test_patch_for_another_configuration_is_refused() -> None:
    with pytest.raises(StatementError, match="not found"):
        apply({}, diff(OLD, {}))
