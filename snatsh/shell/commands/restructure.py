# SPDX-License-Identifier: Apache-2.0
"""`rename`, `copy`, `insert`, `replace pattern` and `wildcard delete`.

Each is computed from the current candidate and sent as statements, so that edits by others stay.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from typing import Any

from snatsh.api.configuration import Statement
from snatsh.model.document.types import Document
from snatsh.model.errors import ProfileError
from snatsh.shell.commands.loading import become
from snatsh.shell.core.answers import Answer, Message, ShellError
from snatsh.shell.core.command import Command, CommandSet
from snatsh.shell.core.grammar import Call, Choice, State, Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.statements import StatementScope, Words, entry_key, statement
from snatsh.shell.core.values import number
from snatsh.shell.render.problems import problem_lines

CONFIGURE = CommandSet()


_MOST_RULES = 1_000_000


def commands(edit: Words) -> list[Command]:
    """Return the commands, with the schema below the edit path as their grammar."""

    def command(words: str, help_: str, start: Callable[[], State]) -> Command:
        return Command(tuple(words.split()), help_, rename, start=start)

    return [
        command("rename", "Rename an entry", lambda: _entry(edit, _to(rename))),
        command("copy", "Copy an entry", lambda: _entry(edit, _to(copy))),
        command("insert", "Insert a rule before or after another", lambda: _entry(edit, _beside)),
        command(
            "wildcard delete",
            "Delete entries that match a pattern, such as rules 1*",
            lambda: _wildcard(edit),
        ),
    ]


def _entry(edit: Words, then: Callable[[Words], State]) -> State:
    """Return the grammar of a statement that ends with a list entry. then: what follows it."""

    def finish(path: Words) -> Call:
        return Call(rename, {"path": path})

    return statement(edit, StatementScope(finish, containers_only=True, at_start=False, then=then))


def _to(run: Callable[..., Answer]) -> Callable[[Words], State]:
    def follow(path: Words) -> State:
        value = entry_key(path[:-1], existing=False)

        def end(name: Any) -> State:
            return State((), Call(run, {"path": path, "name": str(name)}))

        named = State((Choice(value.hint, "New name", end, value),))
        return State((Choice("to", "Specify the new name", lambda _: named),))

    return follow


def _beside(path: Words) -> State:
    def place(word: str) -> Choice:
        value = entry_key(path[:-1], existing=True)

        def end(name: Any) -> State:
            return State((), Call(insert, {"path": path, "place": word, "other": str(name)}))

        def target(_: Any) -> State:
            # Junos repeats the name of the list here; both forms are accepted.
            named = State((Choice(value.hint, "Rule number", end, value),))
            return State((*named.choices, Choice(path[-2], "", lambda _: named)))

        return Choice(word, f"Insert {word} a rule", target)

    return State((place("before"), place("after")))


def rename(session: Session, path: Words, name: str = "") -> Answer:
    document = _copied(session, path, name)
    return _become(session, _without(document, path))


def copy(session: Session, path: Words, name: str) -> Answer:
    return _become(session, _copied(session, path, name))


def _copied(session: Session, path: Words, name: str) -> Document:
    from snatsh.model.document import marks

    document: Document = session.client.candidate().document
    *above, key = path
    entries = _at(document, tuple(above))
    if key not in entries:
        raise ShellError(f"{' '.join(path)}: not found")
    if name in entries:
        raise ShellError(f"{' '.join([*above, name])}: already exists")
    copied = _with(document, (*above, name), entries[key])
    moved = marks.moved(document, path, (*above, name))
    return {**copied, marks.MARKS: moved} if moved else copied


def insert(session: Session, path: Words, place: str, other: str) -> Answer:
    """Move a rule. Rules are ordered by number, so the rule is renumbered."""
    if path[:-1] != ("rules",):
        raise ShellError(f"{' '.join(path[:-1])}: insert: expected rules, the only ordered list")
    rules = _at(session.client.candidate().document, ("rules",))
    if other not in rules:
        raise ShellError(f"rules {other}: not found")
    low, high = _gap(sorted(int(key) for key in rules if key != path[-1]), int(other), place)
    if high - low < 2:
        raise ShellError(f"no free rule number between {low} and {high}; rename one of them first")
    new = str(low + min(10, (high - low) // 2))
    if low < int(path[-1]) < high:
        return Message("")
    rename(session, path, new)
    return Message(f"rule {path[-1]} renamed to {new}")


def _gap(numbers: list[int], other: int, place: str) -> tuple[int, int]:
    """Return the numbers that the new one must lie between."""
    at = numbers.index(other)
    if place == "before":
        return (numbers[at - 1] if at else 0), other
    return other, (numbers[at + 1] if at + 1 < len(numbers) else _MOST_RULES + 1)


def _wildcard(edit: Words) -> State:
    def finish(path: Words) -> Call:
        return Call(wildcard_delete, {"path": path})

    return statement(edit, StatementScope(finish, at_start=False, patterns=True))


def wildcard_delete(session: Session, path: Words) -> Answer:
    document = session.client.candidate().document
    found = list(_matching(document, path))
    if not found:
        raise ShellError(f"{' '.join(path)}: no statement matches")
    listed = "\n".join(f"  matched: {' '.join(words)}" for words in found)
    if not session.terminal.confirm(f"{listed}\nDelete {len(found)} objects?", default=False):
        raise ShellError("delete cancelled; nothing was deleted")
    session.client.edit([Statement("delete", words) for words in found])
    return Message("")


def _matching(held: Any, path: Words, above: Words = ()) -> Iterator[Words]:
    if not path:
        yield above
        return
    pattern, *rest = path
    if isinstance(held, dict):
        for name, inner in held.items():
            if fnmatch.fnmatchcase(name, pattern):
                yield from _matching(inner, tuple(rest), (*above, name))
    elif not rest:
        values = held if isinstance(held, list) else [held]
        yield from ((*above, str(value)) for value in values if fnmatch.fnmatchcase(str(value), pattern))


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from None


def _replace_state() -> State:
    """Return the grammar of `replace pattern OLD with NEW [upto N]`."""

    def upto(bound: dict[str, Any]) -> State:
        def end(most: int) -> State:
            return State((), Call(replace_pattern, {**bound, "upto": most}))

        most = number(1, 1_000_000)
        state = State((Choice(most.hint, "Maximum number of replacements", end, most),))
        return State(
            (Choice("upto", "Limit the number of replacements", lambda _: state),),
            Call(replace_pattern, bound),
        )

    def with_(pattern: re.Pattern[str]) -> State:
        def new(text: str) -> State:
            return upto({"pattern": pattern, "text": text})

        state = State((Choice("<text>", "Replacement text", new, Value("<text>")),))
        return State((Choice("with", "Specify the replacement", lambda _: state),))

    value = Value("<pattern>", _pattern)
    return State((Choice(value.hint, "Regular expression to search for", with_, value),))


CONFIGURE.add(
    Command(
        ("replace", "pattern"),
        "Replace text in names and values below the edit path",
        lambda *_: None,
        start=_replace_state,
    )
)


def replace_pattern(session: Session, pattern: re.Pattern[str], text: str, upto: int = 0) -> Answer:
    document = session.client.candidate().document
    try:
        changed = _replaced(_at(document, session.edit), pattern, text, _Counter(upto))
    except (re.error, IndexError) as error:
        raise ShellError(f"with {text}: {error}") from None
    return _become(session, _with(document, session.edit, changed) if session.edit else changed)


class _Counter:
    """Replacements left; negative for unlimited."""

    def __init__(self, most: int) -> None:
        self.left = most or -1


def _replaced(held: Any, pattern: re.Pattern[str], text: str, counter: _Counter) -> Any:
    if isinstance(held, dict):
        return {
            _replaced(name, pattern, text, counter): _replaced(inner, pattern, text, counter)
            for name, inner in held.items()
        }
    if isinstance(held, list):
        return [_replaced(value, pattern, text, counter) for value in held]
    old = str(held)
    if not pattern.search(old) or counter.left == 0:
        return held
    counter.left -= 1
    return pattern.sub(text, old)


def _become(session: Session, document: Document) -> Answer:
    from snatsh.model.document.document import validate_shape

    try:
        become(session, validate_shape(document))
    except ProfileError as error:
        raise ShellError("nothing was changed", problem_lines(error.problems)) from None
    return Message("")


def _at(document: Document, path: Words) -> Document:
    for word in path:
        inner = document.get(word)
        document = inner if isinstance(inner, dict) else {}
    return document


def _with(document: Document, path: Words, held: Any) -> Document:
    word, *rest = path
    inner = document.get(word, {})
    return {**document, word: _with(inner, tuple(rest), held) if rest else held}


def _without(document: Document, path: Words) -> Document:
    word, *rest = path
    if rest:
        return {**document, word: _without(document[word], tuple(rest))}
    return {name: inner for name, inner in document.items() if name != word}
