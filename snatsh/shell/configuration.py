"""Configuration mode: commands that edit the candidate, and those that move about in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from snatsh.client import ClientError, Rejected
from snatsh.model.errors import ProfileError
from snatsh.shell import files
from snatsh.shell.answers import Answer, Configuration, Document, Message, ShellError
from snatsh.shell.commands import Argument, Command, Flag, Option, Registry, number
from snatsh.shell.grammar import Call, State, Value
from snatsh.shell.operational import GROUPS, OPERATIONAL
from snatsh.shell.pipes import CONFIGURATION
from snatsh.shell.problems import problem_lines
from snatsh.shell.statements import Reach, Words, parent, statement

if TYPE_CHECKING:
    from snatsh.shell.session import Session

CONFIGURE = Registry()

_DEEPEST = 20
_OLDEST = 49
_LONGEST_COMMENT = 512
LEAVING = "Exiting configuration mode"


def state(edit: Words) -> State:
    """What may be typed at an edit path."""
    return CONFIGURE.state(GROUPS, _statement_commands(edit))


def _statement_commands(edit: Words) -> list[Command]:
    """The commands whose grammar is the schema, seen from the edit path."""

    def command(word: str, help_: str, run: Callable[..., Any], **reach: Any) -> Command:
        answers = CONFIGURATION if run is show else None

        def finish(path: Words) -> Call:
            return Call(run, {"path": path}, answers)

        return Command((word,), help_, run, start=lambda: statement(edit, Reach(finish, **reach)))

    return [
        command("set", "Set a statement", set_, must_end=True, at_start=False, existing=False),
        command("delete", "Delete a statement and all below it", delete),
        command("edit", "Go down to a statement", edit_, containers_only=True, at_start=False),
        command("show", "Show the candidate", show, with_values=False),
        Command(("top",), "Go to the top, or run a command from there", top, start=_top_state),
        Command(("run",), "Run an operational command", top, start=lambda: OPERATIONAL.state(GROUPS)),
    ]


def _top_state() -> State:
    return State(state(()).choices, Call(top), of_commands=True)


def set_(session: Session, path: Words) -> Answer:
    return _edit(session, "set", path)


def delete(session: Session, path: Words) -> Answer:
    if path == session.edit and not session.confirms("Delete everything under this level?", default=False):
        raise ShellError("nothing was deleted")
    if not path:
        session.client.replace_candidate({})
        return Message("")
    return _edit(session, "delete", path)


def _edit(session: Session, verb: Literal["set", "delete"], path: Words) -> Answer:
    session.client.edit([{"verb": verb, "path": list(path)}])
    return Message("")


def edit_(session: Session, path: Words) -> Answer:
    session.go(path)
    return Message("")


def show(session: Session, path: Words) -> Answer:
    return Configuration(session.client.candidate()["document"], path)


def top(session: Session) -> Answer:
    session.go(())
    return Message("")


@CONFIGURE.command("up", "Go up", Argument("levels", "How many levels (default 1)", number(1, _DEEPEST)))
def up(session: Session, levels: int = 1) -> Answer:
    path = session.edit
    for _ in range(levels):
        path = parent(path)
    session.go(path)
    return Message("")


_QUESTION = "The configuration has been changed but not committed\nExit with uncommitted changes?"
_AT_ONCE = Flag("configuration_mode", "Leave from any level")


@CONFIGURE.command("exit", "Go back to the level before, or leave", _AT_ONCE)
@CONFIGURE.command("quit", "Go back to the level before, or leave", _AT_ONCE)
def leave(session: Session, configuration_mode: bool = False) -> Answer:
    if session.edit and not configuration_mode:
        session.back()
        return Message("")
    if _uncommitted(session) and not session.confirms(_QUESTION, default=True):
        return Message("")
    session.leave_configuration()
    return Message(LEAVING)


def _uncommitted(session: Session) -> bool:
    """Whether there is something to lose; without snatd there is nobody to ask, and leaving must work."""
    try:
        return session.client.candidate()["changed"]
    except ClientError:
        return False


def _comment(text: str) -> str:
    if len(text) > _LONGEST_COMMENT or not text.isprintable():
        raise ValueError(f"expected at most {_LONGEST_COMMENT} characters, all printable")
    return text


@CONFIGURE.command(
    "commit",
    "Make the candidate the running configuration",
    Flag("check", "Only say whether it could be"),
    Option("comment", "Say why, for the history", Value("<comment>", _comment)),
    Flag("and_quit", "Leave configuration mode when it succeeds"),
)
def commit(
    session: Session, check: bool = False, comment: str | None = None, and_quit: bool = False
) -> Answer:
    try:
        done = session.client.commit(check=check, comment=comment)
    except Rejected as error:
        what = "configuration check-out failed" if check else "commit failed"
        raise ShellError(problem_lines(error.problems) + _failure(what, error)) from None
    lines = [f"warning: {_sentence(row)}" for row in done["warnings"]]
    lines.append("configuration check succeeds" if check else "commit complete")
    if done.get("ended_flows"):
        lines.append(f"flows ended because their address left the pools: {done['ended_flows']:,}")
    session.refresh()
    if and_quit and not check:
        session.leave_configuration()
        lines.append(LEAVING)
    return Message("\n".join(lines))


def _failure(what: str, error: Rejected) -> str:
    """Problems speak for themselves; without any, the message says why."""
    reason = str(error).removeprefix(what).removeprefix(": ").strip()
    return f"error: {what}" if error.problems or not reason else f"error: {what}: {reason}"


def _sentence(row: Any) -> str:
    where = " ".join([*row["path"], row["value"]]).strip()
    return f"{where}: {row['reason']}" if where else str(row["reason"])


@CONFIGURE.command(
    "rollback",
    "Make a committed configuration the candidate",
    Argument("number", "Its number (default 0, the running one)", number(0, _OLDEST, ("live", "history"))),
)
def rollback(session: Session, number: int = 0) -> Answer:
    session.client.rollback(number)
    return Message("load complete")


_FILE = Argument("file", "File to read", Value("<file>"))
_TERMINAL = Flag("terminal", "Type it in, end with ^D", alone=True)
_PROFILE = Option("profile", "Profile that ships", Value("<name>", str, (("live", "profile"),)), alone=True)


def _one_source(bound: Any) -> bool:
    return len(bound) == 1


@CONFIGURE.command("load override", "Replace the candidate", _FILE, _TERMINAL, _PROFILE, ready=_one_source)
def load_override(session: Session, **source: Any) -> Answer:
    session.client.replace_candidate(_document(session, **source))
    return Message("load complete")


@CONFIGURE.command("load merge", "Add to the candidate", _FILE, _TERMINAL, _PROFILE, ready=_one_source)
def load_merge(session: Session, **source: Any) -> Answer:
    session.client.merge_candidate(_document(session, **source))
    return Message("load complete")


@CONFIGURE.command("load set", "Run set commands, all or none", _FILE, _TERMINAL, ready=_one_source)
def load_set(session: Session, **source: Any) -> Answer:
    statements, lines = files.set_commands(_source(session, **source))
    if statements:
        try:
            session.client.edit(statements)
        except Rejected as error:
            place = error.statement
            where = f"line {lines[place]}: " if place is not None and 0 <= place < len(lines) else ""
            raise ShellError(f"{problem_lines(error.problems)}error: load failed: {where}{error}") from None
    return Message("load complete")


def _document(session: Session, **source: Any) -> Document:
    try:
        return files.parse(_source(session, **source))
    except ProfileError as error:
        raise ShellError(problem_lines(error.problems) + "error: load failed") from None


def _source(session: Session, file: str = "", terminal: bool = False, profile: str = "") -> str:
    if terminal:
        return session.terminal.read_block("[Type ^D at a new line to end input]")
    return files.read(files.profile_path(profile) if profile else Path(file))


@CONFIGURE.command(
    "save",
    "Write the candidate, from the edit path down, to a file",
    Argument("file", "File; its ending names the form: .yaml, .json, .set, else curly", Value("<file>")),
    ready=bool,
)
def save(session: Session, file: str) -> Answer:
    document = files.restrict(session.client.candidate()["document"], session.edit)
    lines = files.write(Path(file), document)
    return Message(f"Wrote {lines} lines of configuration to '{file}'")


@CONFIGURE.command("help", "How to get along here")
def help_(session: Session) -> Answer:
    return Message(session.overview())
