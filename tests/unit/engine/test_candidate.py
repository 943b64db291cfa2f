# SPDX-License-Identifier: Apache-2.0
"""Edits of the candidate apply completely or not at all."""

from __future__ import annotations

import pytest

from snatsh.engine.config.candidate import Candidate, EditStatement
from snatsh.engine.errors import StatementFailed
from snatsh.model.document.document import Document
from snatsh.model.errors import ProfileError

RUNNING: Document = {
    "pools": {"a": {"address": ["192.0.2.1"], "ports": "2000-3000"}},
    "rules": {"10": {"pool": "a"}},
}


def statement(text: str) -> EditStatement:
    verb, *path = text.split()
    return EditStatement("set" if verb == "set" else "delete", tuple(path))


def test_statements_apply_in_order() -> None:
    candidate = Candidate(RUNNING)
    candidate.edit([statement("set rules 20 pool a"), statement("delete rules 10")])
    assert candidate.changed
    assert list(candidate.document["rules"]) == ["20"]
    assert "10" in RUNNING["rules"]


def test_an_invalid_statement_leaves_the_candidate_unchanged() -> None:
    candidate = Candidate(RUNNING)
    with pytest.raises(StatementFailed) as caught:
        candidate.edit([statement("set rules 20 pool a"), statement("set rules 20 protocol gre")])
    assert (caught.value.statement, caught.value.index) == (1, 3)
    assert "tcp" in caught.value.expected
    assert candidate.document == RUNNING
    assert not candidate.changed


def test_deleting_a_missing_statement_fails() -> None:
    candidate = Candidate(RUNNING)
    with pytest.raises(StatementFailed, match="not found"):
        candidate.edit([statement("delete rules 11")])


def test_reverting_a_change_by_hand_leaves_the_candidate_unchanged() -> None:
    candidate = Candidate(RUNNING)
    candidate.edit([statement("set rules 20 pool a")])
    candidate.edit([statement("delete rules 20")])
    assert not candidate.changed


def test_merge_adds_to_leaf_lists_and_replaces_leaves() -> None:
    candidate = Candidate(RUNNING)
    candidate.merge({"pools": {"a": {"address": ["192.0.2.1", "192.0.2.9"], "ports": "5000"}, "b": {}}})
    pools = candidate.document["pools"]
    assert pools["a"] == {"address": ["192.0.2.1", "192.0.2.9"], "ports": "5000"}
    assert "b" in pools
    assert "10" in candidate.document["rules"]
    assert RUNNING["pools"]["a"]["ports"] == "2000-3000"


def test_replace_refuses_an_invalid_document() -> None:
    candidate = Candidate(RUNNING)
    with pytest.raises(ProfileError, match="poolz"):
        candidate.replace({"poolz": {}})
    assert candidate.document == RUNNING


def test_edits_made_during_a_commit_are_kept() -> None:
    candidate = Candidate(RUNNING)
    candidate.edit([statement("set rules 20 pool a")])
    committed = candidate.document
    candidate.edit([statement("set rules 30 pool a")])
    candidate.committed(committed, followed=False)
    assert candidate.changed
    candidate.discard()
    assert candidate.document == committed
