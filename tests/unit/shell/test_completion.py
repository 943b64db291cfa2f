# SPDX-License-Identifier: Apache-2.0
"""Completion and help, on the grammar that ships."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snatsh.model.document.document import Document, Draft
from snatsh.model.forms import set_form
from snatsh.model.schema.tokenizer import quote
from snatsh.model.schema.tree import ValueType, root
from snatsh.shell.commands import configuration_mode, operational_mode
from snatsh.shell.core.complete import Completion, asks_help, complete, help_text
from snatsh.shell.core.grammar import parse
from snatsh.shell.core.lexer import lex
from snatsh.shell.core.statements import node_at
from snatsh.shell.pipes import filters
from tests.unit.model.strategies import documents, marked, profiles

LIVE = {
    ("live", "pool"): ["a", "b"],
    ("live", "rule"): ["10", "100", "20"],
    ("live", "interface"): ["eth0", "eth1"],
    ("candidate", "rules"): ["10", "20"],
    ("candidate", "pools"): ["isp-a", "isp-b"],
    ("candidate", "links"): ["east", "west"],
    ("candidate", "rules", "10", "failover"): ["west"],
    ("candidate", "pools", "isp-a", "address"): ["10.0.0.1", "10.0.0.9"],
}


def look_up(source: tuple[str, ...]) -> Sequence[str]:
    return LIVE.get(source, ())


def offered(text: str, edit: tuple[str, ...] | None = None) -> Completion:
    state = operational_mode.grammar() if edit is None else configuration_mode.grammar(edit)
    return complete(text, state, filters.grammar, look_up)


def test_keywords_are_offered() -> None:
    assert offered("cle").words == ["clear"]
    assert offered("show sys").words == ["system"]
    assert "flows" in offered("show ").words


def test_tab_completes_a_unique_word_and_a_blank() -> None:
    assert offered("sh").extension("sh") == "ow "
    assert offered("c").extension("c") == ""
    assert offered("show pools ").extension("show pools ") == ""


def test_tab_completes_the_common_prefix() -> None:
    line = "set pools is"
    assert offered(line, edit=()).extension(line) == "p-"


def test_live_values_are_offered_with_a_hint() -> None:
    completion = offered("show flows rule 1")
    assert completion.words == ["10", "100"]
    shown = [candidate.shown for candidate in offered("show flows rule ").candidates]
    assert shown == ["<1..1000000>", "10", "100", "20"]


def test_references_complete_from_candidate_and_host() -> None:
    assert offered("set rules 10 pool ", edit=()).words == ["isp-a", "isp-b"]
    assert offered("set interfaces ", edit=()).words == ["eth0", "eth1"]
    assert offered("delete pools isp-a address ", edit=()).words == ["10.0.0.1", "10.0.0.9"]
    assert offered("set rules 10 failover ", edit=()).words == ["west", "east"]
    assert offered("delete rules 10 failover ", edit=()).words == ["west"]


def test_help_shows_enter_only_for_complete_commands() -> None:
    assert "<[Enter]>" in help_text(offered("show flows "))
    assert "<[Enter]>" not in help_text(offered("show flows source "))
    assert "  |  " in help_text(offered("show flows "))
    assert "  |  " not in help_text(offered("configure "))


def test_help_shows_defaults_and_bounds() -> None:
    text = help_text(offered("set timeouts tcp established ", edit=()))
    assert "<5..86400>" in text
    assert "default 7440" in text


def test_only_applicable_pipes_are_offered() -> None:
    assert "compare" in offered("show | ", edit=()).words
    assert "compare" not in offered("show flows | ").words
    assert offered("show configuration | display ").words == [
        "inheritance", "iptables", "ipvsadm", "json", "keepalived", "nft", "set", "yaml",
    ]  # fmt: skip


def test_an_earlier_syntax_error_is_reported_instead_of_completions() -> None:
    completion = offered("show flowz ")
    assert completion.candidates == ()
    assert "did you mean flows?" in help_text(completion)


@pytest.mark.parametrize("text", ["", "show flows |", "set", '"', "show flows | match x |", "| |"])
def test_completion_of_random_text_never_fails(text: str) -> None:
    offered(text)
    offered(text, edit=())


@given(st.text(max_size=40))
def test_parsing_of_random_text_raises_only_command_errors(text: str) -> None:
    from snatsh.shell.core.grammar import CommandError

    offered(text)
    try:
        parse(text, configuration_mode.grammar(()), filters.grammar)
    except CommandError as error:
        assert 0 <= error.column <= len(text) + 1


def test_quoted_question_mark_is_not_help() -> None:
    assert asks_help("show ?")
    assert not asks_help('set rules 10 description "why?')
    assert not asks_help('set rules 10 description "why?"')


def path_of(line: str, edit: tuple[str, ...]) -> object:
    return parse(line, configuration_mode.grammar(edit), filters.grammar).call.arguments["path"]


VALUES = {
    "integer": "100",
    "address": "192.0.2.1",
    "prefix": "192.0.2.0/24",
    "address-range": "192.0.2.1-192.0.2.9",
    "port-range": "1024-2047",
    "name": "isp-a",
    "string": "free text",
}


@st.composite
def statements(draw: st.DrawFn) -> list[str]:
    """A random statement of the schema."""
    node, words = root(), []
    while node.children:
        node = node.children[
            draw(st.sampled_from(sorted(n for n, child in node.children.items() if not child.hidden)))
        ]
        words.append(node.name)
        if node.key is not None:
            words.append(VALUES[node.key.kind])
            if draw(st.booleans()):
                return words
    assert node.value
    words.append(draw(st.sampled_from(node.value.choices)) if node.value.choices else value_of(node.value))
    return words


def value_of(kind: ValueType) -> str:
    """What any place of this kind takes; a number may have to be larger, a name a path."""
    if kind.kind == "integer":
        bound = re.search(r"\d+", kind.hint)
        assert bound
        return bound[0]
    try:
        kind.parse(VALUES[kind.kind])
    except ValueError:
        return f"/{VALUES[kind.kind]}"
    return VALUES[kind.kind]


@given(statements(), st.integers(0, 6))
def test_schema_statements_parse_and_complete_under_every_edit_path(words: list[str], depth: int) -> None:
    typed = ["set", *map(quote, words)]
    call = parse(" ".join(typed), configuration_mode.grammar(()), filters.grammar).call
    assert call.arguments["path"] == tuple(words)
    for place in range(1, len(typed)):
        completion = offered(" ".join(typed[:place]) + " ", edit=())
        hints = [c for c in completion.candidates if not c.word]
        assert typed[place] in completion.words or hints
    edit = tuple(words[:depth])
    node, inside = node_at(edit) if depth < len(words) else (root(), False)
    if inside and node.children:
        rest = " ".join(["set", *map(quote, words[depth:])])
        assert path_of(rest, edit) == tuple(words)


@settings(max_examples=60, deadline=None)
@given((documents() | profiles()).flatmap(marked), st.data())
def test_statements_of_random_profiles_parse_and_complete(document: Document, data: st.DataObject) -> None:
    text = set_form.render(document)
    draft = Draft({})
    for line in text.splitlines():
        call = parse(line, configuration_mode.grammar(()), filters.grammar).call
        if line.startswith("set "):
            draft.set(call.arguments["path"])
    bare = {name: held for name, held in document.items() if name != "marks"}
    assert draft.finish() == bare
    lines = text.splitlines()
    for line in data.draw(st.lists(st.sampled_from(lines), max_size=4)) if lines else []:
        tokens = lex(line).tokens
        for token in tokens[1:]:
            for end in range(token.start, token.end + 1):
                completion = offered(line[:end], edit=())
                assert completion.error is None
                fits = any(word.startswith(line[token.start : end].strip('"')) for word in completion.words)
                assert fits or any(not candidate.word for candidate in completion.candidates)
