# SPDX-License-Identifier: Apache-2.0
"""`load` and `save`: configurations in files, from the terminal and in shipped profiles."""

from __future__ import annotations

from typing import Any

from snatsh.api.configuration import Statement
from snatsh.client import Rejected
from snatsh.model.document.types import Document
from snatsh.model.errors import ProfileError, StatementError
from snatsh.shell.core import config_files
from snatsh.shell.core.answers import Answer, Message, Path, ShellError
from snatsh.shell.core.command import Argument, CommandSet, Flag, Option
from snatsh.shell.core.grammar import Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import FILE
from snatsh.shell.render.problems import problem_lines

CONFIGURE = CommandSet()


NOTICE = "[Type ^D at a new line to end input]"

_FILE = Argument("file", "File to load", FILE)
_TERMINAL = Flag("terminal", "Read from the terminal, ended by ^D")
_PROFILE = Option(
    "profile", "Shipped or saved profile to load", Value("<name>", str, (("live", "profile"),)), alone=True
)
_RELATIVE = Flag("relative", "Load relative to the edit path")
_PLACES = ("file", "terminal", "profile")


@CONFIGURE.command(
    "load override",
    "Replace the candidate configuration",
    _FILE,
    _TERMINAL,
    _PROFILE,
    _RELATIVE,
    one_of=_PLACES,
)
def load_override(session: Session, **source: Any) -> Answer:
    if source.get("relative"):
        # As in Junos, relative applies to merge, replace, set and update.
        raise ShellError("load override: replaces the whole candidate; use `load update … relative`")
    session.client.replace_candidate(_document(session, **source))
    return Message("load complete")


@CONFIGURE.command(
    "load update", "Replace the candidate, changing only what differs",
    _FILE, _TERMINAL, _PROFILE, _RELATIVE, one_of=_PLACES,
)  # fmt: skip
def load_update(session: Session, **source: Any) -> Answer:
    from snatsh.model.changes.diff import graft

    wanted = _document(session, **source)
    if under := _under(session, source):
        wanted = graft(session.client.candidate().document, wanted, under)
    return become(session, wanted)


@CONFIGURE.command(
    "load merge",
    "Merge into the candidate configuration",
    _FILE,
    _TERMINAL,
    _PROFILE,
    _RELATIVE,
    one_of=_PLACES,
)
def load_merge(session: Session, **source: Any) -> Answer:
    session.client.merge_candidate(_document(session, **source))
    return Message("load complete")


@CONFIGURE.command(
    "load replace", "Merge into the candidate; replace statements tagged replace:",
    _FILE, _TERMINAL, _RELATIVE, one_of=_PLACES,
)  # fmt: skip
def load_replace(session: Session, **source: Any) -> Answer:
    from snatsh.model.changes import patch

    text = _source(session, **source)
    under = _under(session, source)
    return become(session, _applied(lambda document: patch.replace(document, text, under), session))


@CONFIGURE.command(
    "load patch", "Apply a patch in the format of show | compare", _FILE, _TERMINAL, _RELATIVE, one_of=_PLACES
)
def load_patch(session: Session, **source: Any) -> Answer:
    from snatsh.model.changes import patch

    text = _source(session, **source)
    under = _under(session, source)
    return become(session, _applied(lambda document: patch.patch(document, text, under), session))


def _applied(change: Any, session: Session) -> Document:
    try:
        changed: Document = change(session.client.candidate().document)
    except ProfileError as error:
        raise ShellError("load failed", problem_lines(error.problems)) from None
    except StatementError as error:
        raise ShellError(f"load failed: {error}") from None
    return changed


@CONFIGURE.command(
    "load set", "Execute set commands, all or none", _FILE, _TERMINAL, _RELATIVE, one_of=_PLACES
)
def load_set(session: Session, **source: Any) -> Answer:
    statements, lines = config_files.set_commands(_source(session, **source), _under(session, source))
    if statements:
        try:
            session.client.edit(statements)
        except Rejected as error:
            place = error.statement
            where = f"line {lines[place]}: " if place is not None and 0 <= place < len(lines) else ""
            raise ShellError(f"load failed: {where}{error}", problem_lines(error.problems)) from None
    return Message("load complete")


@CONFIGURE.command("load factory-default", "Clear the candidate")
def load_factory_default(session: Session) -> Answer:
    session.client.replace_candidate({})
    return Message("load complete")


def become(session: Session, document: Document) -> Answer:
    """Change the candidate to this document, by the fewest statements, in one request."""
    from snatsh.model.changes.diff import diff

    changes = diff(session.client.candidate().document, document)
    statements = [Statement(one.verb, one.path) for one in changes]
    if statements:
        session.client.edit(statements)
    return Message("load complete")


def _document(session: Session, **source: Any) -> Document:
    try:
        return config_files.parse(_source(session, **source), _under(session, source))
    except ProfileError as error:
        raise ShellError("load failed", problem_lines(error.problems)) from None


def _under(session: Session, source: dict[str, Any]) -> Path:
    return session.edit if source.get("relative") else ()


def _source(
    session: Session, file: str = "", terminal: bool = False, profile: str = "", relative: bool = False
) -> str:
    if terminal:
        return session.terminal.read_block(NOTICE)
    if profile:
        return (
            config_files.shipped(profile)
            if profile in config_files.shipped_profiles()
            else config_files.own(session.client, profile)
        )
    return session.client.file(file)


@CONFIGURE.command(
    "save",
    "Save the candidate, from the edit path down, to a file",
    Argument("file", "File name; .yaml, .json and .set select the format, otherwise curly", FILE),
    Option("profile", "Save as a profile", Value("<name>")),
    ready=bool,
)
def save(session: Session, file: str = "", profile: str = "") -> Answer:
    document = config_files.restrict(session.client.candidate().document, session.edit)
    name = f"{profile}.yaml" if profile else file
    text = config_files.render(name, document)
    session.client.write_file(name, text)
    return Message(f"Wrote {len(text.splitlines())} lines of configuration to '{name}'")
