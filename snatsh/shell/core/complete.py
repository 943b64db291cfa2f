# SPDX-License-Identifier: Apache-2.0
"""Completion and `?` at the end of an incomplete line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from snatsh.model.schema.tokenizer import quote
from snatsh.shell.core.grammar import (
    Choice,
    CommandError,
    PipeGrammar,
    Source,
    State,
    Value,
    split,
    step,
    walk,
)
from snatsh.shell.core.lexer import Token, lex

Suggestions = Sequence[str] | Mapping[str, str]
"""Words, or words with a description of each."""

Lookup = Callable[[Source], Suggestions]
"""Returns suggestions from a source; never raises, empty when snatd cannot be reached."""

ENTER = "<[Enter]>"
_ROWS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class CompletionItem:
    """word: the text to insert, empty for a hint such as `<address>`. shown: how it is listed."""

    word: str
    shown: str
    help: str


@dataclass(frozen=True, slots=True)
class Completion:
    """start: column of the candidates. error: the error of a line that is not valid."""

    start: int
    candidates: tuple[CompletionItem, ...]
    error: CommandError | None = None

    @property
    def words(self) -> list[str]:
        return [candidate.word for candidate in self.candidates if candidate.word]

    def extension(self, line: str) -> str:
        """Return what Tab inserts: the rest of a unique word and a blank, or the common prefix."""
        typed = line[self.start :]
        if len(self.words) == 1 and len(self.candidates) == 1:
            return self.words[0][len(typed) :] + " "
        return _common_prefix(self.words)[len(typed) :]


def _common_prefix(words: Sequence[str]) -> str:
    """Return the common prefix; first and last in sort order determine it."""
    first, last = min(words, default=""), max(words, default="")
    agreed = 0
    while agreed < min(len(first), len(last)) and first[agreed] == last[agreed]:
        agreed += 1
    return first[:agreed]


def complete(text: str, start: State, pipes: PipeGrammar, lookup: Lookup) -> Completion:
    """Return the completion at the end of `text`."""
    line = lex(text)
    parts = split(line)
    half = None if line.at_new_word else parts[-1][-1]
    place = len(text) if half is None else half.start
    try:
        state, piping = _state_at(parts, half, start, pipes)
    except CommandError as error:
        return Completion(place, (), error)
    candidates = list(_offers(state, half, lookup))
    if half is None:
        candidates += _endings(state, pipes, piping)
    return Completion(place, tuple(candidates))


def _state_at(
    parts: list[list[Token]], half: Token | None, start: State, pipes: PipeGrammar
) -> tuple[State, State]:
    """Return the state of the incomplete word, and the state at the end of the command."""
    done = parts[-1] if half is None else parts[-1][:-1]
    if len(parts) == 1:
        state = walk(start, done)
        return state, state
    command = walk(start, parts[0])
    grammar = State(()) if command.call is None else pipes(command.call)
    return walk(grammar, done[1:]), command


def rest_of_keyword(text: str, start: State, pipes: PipeGrammar) -> str:
    """Return the rest of an unambiguous keyword at the end, for completion by Space."""
    line = lex(text)
    if line.at_new_word or line.open_quote is not None or not line.tokens:
        return ""
    parts = split(line)
    half = parts[-1][-1]
    try:
        state, _ = _state_at(parts, half, start, pipes)
        meant = step(state, half)
    except CommandError:
        return ""
    if half.quoted or meant is None:
        return ""
    fitting = [choice.name for choice in state.keywords if choice.name.startswith(half.text)]
    taken = any(_takes(value, half.text) for _, value in state.values)
    return fitting[0][len(half.text) :] if len(fitting) == 1 and not taken else ""


def _takes(value: Value, text: str) -> bool:
    try:
        value.parse(text)
    except ValueError:
        return False
    return True


def _offers(state: State, half: Token | None, lookup: Lookup) -> list[CompletionItem]:
    typed = "" if half is None else half.text
    offers = []
    for choice in state.choices:
        if choice.value is not None:
            offers += _value_offers(choice, choice.value, half, lookup)
        elif choice.name.startswith(typed) and not (half and half.quoted):
            offers.append(CompletionItem(choice.name, choice.name, choice.help))
    return offers


def _value_offers(choice: Choice, value: Value, half: Token | None, lookup: Lookup) -> list[CompletionItem]:
    """Return the known values that match, after the hint."""
    typed = "" if half is None else half.text
    known: dict[str, str] = {}
    for source in value.sources:
        found = lookup(source)
        known.update(found if isinstance(found, Mapping) else dict.fromkeys(found, ""))
    fitting = [word for word in known if word.startswith(typed)]
    offers = [CompletionItem(quote(word), word, known[word]) for word in fitting]
    if not typed or not fitting:
        offers.insert(0, CompletionItem("", value.hint, choice.help))
    return offers


def _endings(state: State, pipes: PipeGrammar, command: State) -> list[CompletionItem]:
    """Return Enter and the pipe, where the command may end."""
    if state.call is None:
        return []
    endings = [CompletionItem("", ENTER, "Execute this command")]
    if command.call is not None and pipes(command.call).choices:
        endings.append(CompletionItem("", "|", "Pipe through a command"))
    return endings


def help_text(completion: Completion) -> str:
    """Return the output of `?`."""
    if completion.error is not None:
        return f"{completion.error}\n"
    if not completion.candidates:
        return "No valid completions\n"
    ordered = sorted(completion.candidates, key=lambda candidate: candidate.shown != ENTER)
    width = max(20, *(len(candidate.shown) for candidate in ordered[:_ROWS_SHOWN])) + 1
    rows = [f"  {one.shown:<{width}}{one.help}".rstrip() for one in ordered[:_ROWS_SHOWN]]
    if len(ordered) > _ROWS_SHOWN:
        rows.append(f"  … {len(ordered) - _ROWS_SHOWN:,} more")
    return "Possible completions:\n" + "\n".join(rows) + "\n"


def asks_help(text: str) -> bool:
    """Whether the line ends in a `?` outside quotes."""
    return text.endswith("?") and lex(text[:-1]).open_quote is None
