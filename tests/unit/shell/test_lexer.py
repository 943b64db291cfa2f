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


def test_a_quoted_pipe_is_no_pipe() -> None:
    assert [token.is_pipe for token in lex('"|" |').tokens] == [False, True]


def test_open_quote_is_reported_where_it_starts() -> None:
    line = lex('set description "half')
    assert line.open_quote == 16
    assert line.tokens[-1].text == "half"
    assert not line.at_new_word


def test_empty_quotes_are_a_word() -> None:
    assert texts('commit comment ""') == ["commit", "comment", ""]


@given(lines)
def test_tokens_lie_in_order_and_within_the_line(line: str) -> None:
    end = 0
    for token in lex(line).tokens:
        assert end <= token.start < token.end <= len(line)
        end = token.end


@given(st.lists(st.text(max_size=12), max_size=6))
def test_what_is_quoted_lexes_back(words: list[str]) -> None:
    assert texts(" ".join(quote(word) for word in words)) == words
