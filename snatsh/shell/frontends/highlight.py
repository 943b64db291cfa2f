# SPDX-License-Identifier: Apache-2.0
"""Syntax highlighting of the input line: keywords, values and errors."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from snatsh.shell.core.grammar import CommandError, State, step
from snatsh.shell.core.lexer import Token, lex
from snatsh.shell.core.session import Session

STYLE = Style.from_dict({"keyword": "bold", "value": "ansicyan", "pipe": "ansimagenta", "wrong": "ansired"})


class Colours(Lexer):
    """Colours by the grammar; red is what Enter would reject."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        return lambda number: self._line(document.lines[number])

    def _line(self, text: str) -> StyleAndTextTuples:
        coloured: StyleAndTextTuples = []
        at = 0
        line = lex(text)
        half_typed = None if line.at_new_word or not line.tokens else line.tokens[-1]
        for token, style in _styles(line.tokens, half_typed, self._session):
            coloured += [("", text[at : token.start]), (style, text[token.start : token.end])]
            at = token.end
        return [*coloured, ("", text[at:])]


def _styles(tokens: tuple[Token, ...], half_typed: Token | None, session: Session) -> list[tuple[Token, str]]:
    start = session.grammar()
    styles: list[tuple[Token, str]] = []
    state: State | None = start
    command = start
    for token in tokens:
        if state is None:
            styles.append((token, ""))
        elif token.is_pipe:
            styles.append((token, "class:pipe"))
            command = state if command is start else command
            state = session.pipes(command.call) if command.call is not None else None
        else:
            style, state = _word(state, token, half_typed)
            styles.append((token, style))
    return styles


def _word(state: State, token: Token, half_typed: Token | None) -> tuple[str, State | None]:
    try:
        after = step(state, token)
    except CommandError:
        fits = token is half_typed and any(choice.name.startswith(token.text) for choice in state.choices)
        return ("" if fits or (token is half_typed and state.values) else "class:wrong"), None
    is_keyword = not token.quoted and any(choice.name.startswith(token.text) for choice in state.keywords)
    return ("class:keyword" if is_keyword else "class:value"), after
