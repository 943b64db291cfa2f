# SPDX-License-Identifier: Apache-2.0
"""`deactivate`, `activate`, `protect`, `unprotect` and `annotate`."""

from __future__ import annotations

from snatsh.api.configuration import Statement
from snatsh.shell.core.answers import Answer, Message
from snatsh.shell.core.command import Command
from snatsh.shell.core.grammar import Call, Choice, State, Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.statements import StatementScope, Words, statement

_HELP = {
    "deactivate": "Deactivate a statement; a commit ignores it",
    "activate": "Activate a deactivated statement",
    "protect": "Protect a statement from changes",
    "unprotect": "Remove the protection of a statement",
}


def commands(edit: Words) -> list[Command]:
    """Return the commands, with the schema below the edit path as their grammar."""
    found = [_command(verb, help_, edit) for verb, help_ in _HELP.items()]
    annotate = Command(
        ("annotate",), "Annotate a statement with a comment", mark, start=lambda: _annotate(edit)
    )
    return [*found, annotate]


def _command(verb: str, help_: str, edit: Words) -> Command:
    def finish(path: Words) -> Call:
        return Call(mark, {"verb": verb, "path": path})

    reach = StatementScope(finish, with_values=False, at_start=False)
    return Command((verb,), help_, mark, start=lambda: statement(edit, reach))


def _annotate(edit: Words) -> State:
    """Return the grammar: a statement, then its comment; an empty one removes it."""

    def comment(path: Words) -> tuple[Choice, ...]:
        def end(text: str) -> State:
            return State((), Call(mark, {"verb": "annotate", "path": path, "comment": text}))

        return (Choice(_COMMENT.hint, 'Text of the comment; "" removes it', end, _COMMENT),)

    return statement(edit, StatementScope(_unfinished, with_values=False, at_start=False, end=comment))


def _unfinished(path: Words) -> None:
    """Require a comment."""


def _text(text: str) -> str:
    from snatsh.model.schema.tree import root

    comment = root().children["marks"].children["comment"].value
    assert comment is not None
    return str(comment.parse(text))


_COMMENT = Value("<comment>", _text, text=True)


def mark(session: Session, verb: str, path: Words, comment: str | None = None) -> Answer:
    from snatsh.model.document import marks

    done, words = marks.translated(verb, path if comment is None else (*path, comment))
    marked = session.client.candidate().document.get(marks.MARKS, {})
    if done == "delete" and words[2] not in marked.get(words[1], {}):
        return Message(f"warning: {' '.join(path)}: nothing to {verb}")
    session.client.edit([Statement(done, words)])
    return Message("")
