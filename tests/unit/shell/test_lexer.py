# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snatsh.model.schema.tokenizer import quote
from snatsh.shell.core.lexer import lex

lines = st.text(alphabet='ab "|\\?[ \t', max_size=30)


def texts(line: str) -> list[str]:
    return [token.text for token in lex(line).tokens]


def test_words_pipes_and_quotes() -> None:
    assert texts('set rules 10 description "a | b \\" \\\\"|count') == [
        "set", "rules", "10", "description", 'a | b " \\', "|", "count",
    ]  # fmt: skip


def test_quoted_pipe_is_text() -> None:
    assert [token.is_pipe for token in lex('"|" |').tokens] == [False, True]


def test_unclosed_quote_is_reported_at_its_start() -> None:
    line = lex('set description "half')
    assert line.open_quote == 16
    assert line.tokens[-1].text == "half"
    assert not line.at_new_word


def test_empty_quotes_are_an_empty_word() -> None:
    assert texts('commit comment ""') == ["commit", "comment", ""]


@given(lines)
def test_token_positions_are_ordered_and_within_the_line(line: str) -> None:
    end = 0
    for token in lex(line).tokens:
        assert end <= token.start < token.end <= len(line)
        end = token.end


@given(st.lists(st.text(max_size=12), max_size=6))
def test_quoted_words_lex_back(words: list[str]) -> None:
    assert texts(" ".join(quote(word) for word in words)) == words
