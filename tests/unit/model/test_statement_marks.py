# SPDX-License-Identifier: Apache-2.0
"""Marks on statements: what is inactive does not count, and every form and comparison takes marks along."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snatsh.model.changes import patch
from snatsh.model.changes.diff import Change, apply, diff, render_curly, render_set
from snatsh.model.changes.merge import merge
from snatsh.model.document import marks
from snatsh.model.document.document import Document, delete, set_, to_profile, validate_shape
from snatsh.model.errors import ProfileError, StatementError
from snatsh.model.forms import curly_form, json_form, set_form, yaml_form
from tests.unit.model.strategies import documents, marked

few = settings(max_examples=40)
any_marked = documents().flatmap(marked)

DOCUMENT = validate_shape(
    {
        "pools": {"a": {"address": ["192.0.2.1"]}},
        "rules": {"10": {"source": "10.0.0.0/8", "pool": "a"}, "20": {"action": "drop"}},
        "marks": {
            "rules 10": {"inactive": "yes", "comment": "until monday"},
            "rules 20 action": {"protect": "yes"},
            "rules 99": {"inactive": "yes"},
        },
    }
)

SET = """\
set pools a address 192.0.2.1
set rules 10 source 10.0.0.0/8
set rules 10 pool a
set rules 20 action drop
deactivate rules 10
annotate rules 10 "until monday"
protect rules 20 action
"""

CURLY = """\
pools {
    a {
        address 192.0.2.1;
    }
}
rules {
    /* until monday */
    inactive: 10 {
        source 10.0.0.0/8;
        pool a;
    }
    20 {
        protect: action drop;
    }
}
"""


def test_marks_of_missing_statements_are_dropped() -> None:
    assert set(DOCUMENT["marks"]) == {"rules 10", "rules 20 action"}


def test_forms_show_marks_at_their_statement() -> None:
    assert set_form.render(DOCUMENT) == SET
    assert curly_form.render(DOCUMENT) == CURLY
    assert curly_form.render(DOCUMENT, ("rules", "10")).startswith("## inactive: rules 10\n")
    assert set_form.render(DOCUMENT, ("rules", "20")) == "set rules 20 action drop\nprotect rules 20 action\n"


@pytest.mark.parametrize("form", [set_form, curly_form, yaml_form, json_form])
@few
@given(document=any_marked)
def test_marked_documents_round_trip_in_every_form(form: ModuleType, document: Document) -> None:
    assert form.parse(form.render(document)) == document


def test_inactive_statements_have_no_effect() -> None:
    profile = to_profile(DOCUMENT)
    assert set(profile.rules) == {20}
    whole = to_profile(set_(DOCUMENT, ["marks", "rules", "inactive", "yes"]))
    assert not whole.rules
    assert whole.pools


@few
@given(any_marked)
def test_inactive_statements_compile_as_if_deleted(document: Document) -> None:
    left = {name: held for name, held in document.items() if name != "marks"}
    for path, mark in sorted(marks.of(document).items(), reverse=True):
        if "inactive" in mark:
            with suppress(StatementError):  # went with what was around it
                left = delete(left, path)
    assert marks.active(document) == left


@few
@given(any_marked, any_marked)
def test_applying_the_changes_of_marked_documents_gives_the_new(old: Document, new: Document) -> None:
    assert apply(old, diff(old, new)) == new


@few
@given(documents(), st.data())
def test_comparisons_of_marked_documents_apply_as_patches(document: Document, data: st.DataObject) -> None:
    old, new = data.draw(marked(document)), data.draw(marked(document))
    assert patch.patch(old, render_curly(old, new)) == new
    read = old
    for statement in set_form.statements(render_set(diff(old, new))):
        read = apply(read, [statement_change(statement)])
    assert read == new


def statement_change(statement: set_form.SetLine) -> Change:
    return Change(statement.verb, statement.tokens)


def test_comparisons_show_deactivated_statements() -> None:
    new = set_(delete(DOCUMENT, ["marks", "rules 10"]), ["marks", "rules 20", "inactive", "yes"])
    assert render_curly(DOCUMENT, new) == (
        '[edit rules]\n!   active: 10 { ... }\n[edit rules]\n!   annotate: 10 "";\n'
        "[edit rules]\n!   inactive: 20 { ... }\n"
    )
    assert render_set(diff(DOCUMENT, new)) == 'activate rules 10\nannotate rules 10 ""\ndeactivate rules 20\n'


def test_marks_go_with_their_statement() -> None:
    assert "marks" not in delete(delete(DOCUMENT, ["rules", "10"]), ["rules", "20"])


def test_statement_marked_here_and_deleted_there_is_deleted() -> None:
    ours = set_(DOCUMENT, ["marks", "rules 20", "inactive", "yes"])
    theirs = delete(DOCUMENT, ["rules", "20"])
    assert merge(DOCUMENT, ours, theirs) == theirs


@pytest.mark.parametrize(
    "name", ["", "rules 10 pool a", "rulez 10", 'rules "10', "marks", "rules 10 pool x y"]
)
def test_marks_of_invalid_statements_are_refused(name: str) -> None:
    with pytest.raises((StatementError, ProfileError)):
        set_(DOCUMENT, ["marks", name, "inactive", "yes"])
    with pytest.raises(ProfileError):
        validate_shape({**DOCUMENT, "marks": {name: {"inactive": "yes"}}})


def test_marking_missing_statements_fails() -> None:
    with pytest.raises(StatementError, match="30: not found"):
        set_(DOCUMENT, ["marks", "rules 30", "inactive", "yes"])
