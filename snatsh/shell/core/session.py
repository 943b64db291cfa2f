# SPDX-License-Identifier: Apache-2.0
"""Session of an operator: mode, edit path, and execution of lines."""

from __future__ import annotations

import contextlib
import getpass
import math
import os
import re
import socket
from collections.abc import Callable, Sequence

from snatsh.api.commits import EffectRow, PendingCommit
from snatsh.api.interfaces import InterfaceRow
from snatsh.client import Client, ClientError, Rejected
from snatsh.model.errors import SnatshError
from snatsh.shell.core import config_files
from snatsh.shell.core.answers import Answer, Configuration, Difference, Path, ShellError
from snatsh.shell.core.complete import Completion, asks_help, complete, help_text, rest_of_keyword
from snatsh.shell.core.grammar import CommandError, Parsed, State, expected, parse
from snatsh.shell.core.lexer import lex
from snatsh.shell.core.live_names import LiveNames
from snatsh.shell.core.modes import Mode, Modes
from snatsh.shell.core.outcome import Outcome, PromptText, Terminal
from snatsh.shell.core.product import Product
from snatsh.shell.core.settings import Settings, origin, terminal_name
from snatsh.shell.render.problems import problem_lines
from snatsh.shell.render.text import duration, printable, printable_line

_PATIENCE_SECONDS = 2.0
_LONGEST_REPORT = 4096
_NOT_OF_A_PROMPT = re.compile(r"[][<>#%$]")
"""Characters that automation could take for a prompt."""

_OVERVIEW = """\
?        help at any point of a line
Tab      completion of a word
| ?      filters and formats of output
Words may be abbreviated if unambiguous.
"""


class Session:
    """Front ends pass lines to it, commands act on it."""

    def __init__(self, client: Client, terminal: Terminal, modes: Modes) -> None:
        self.client = client
        self.terminal = terminal
        self.pipes = modes.pipes
        self.live = LiveNames(client)
        self.settings = Settings()
        self.history: list[str] = []
        self.finished = False
        self.repeating = False
        self.trace_left = 0
        self.looked: tuple[float, Sequence[InterfaceRow]] = (0.0, ())
        self.to_stop: Callable[[], object] | None = None
        self.configuring = False
        self.edit_mode = "shared"
        self.edit: Path = ()
        self._modes = modes
        self._before: list[Path] = []
        self._user = ""
        self._host = ""
        self._waiting = ""
        self._last_notice = 0

    # Called by front ends

    def execute(self, line: str) -> Outcome:
        """Run a line. Every failure is returned as an outcome."""
        if asks_help(line):
            return Outcome(self.help(line[:-1]))
        if not line.strip() or line.lstrip().startswith("#"):
            return Outcome()
        self.history.append(line)
        outcome = self._execute(line)
        self._report(line, outcome)
        return outcome

    def _execute(self, line: str) -> Outcome:
        try:
            parsed = parse(line, self.grammar(), self.pipes)
            return self._run(parsed)
        except CommandError as error:
            return Outcome(printable(f"{error}\n"), failed=True, column=error.column)
        except Rejected as error:
            return self._rejected(error, line)
        except ShellError as error:
            return _failure(str(error), error.above)
        except SnatshError as error:
            return _failure(str(error))
        finally:
            self.live.forget()

    def again(self, line: str) -> Outcome:
        """Repeat a line, without entries in history and audit log."""
        self.repeating = True
        try:
            return self._execute(line)
        finally:
            self.repeating = False

    def end(self) -> None:
        """End a repeated command."""
        stop, self.to_stop = self.to_stop, None
        if stop is not None:
            with contextlib.suppress(ClientError):
                stop()

    def complete(self, text: str) -> Completion:
        """Return the completion at the end of `text`."""
        return complete(text, self.grammar(), self.pipes, self.live)

    def on_space(self, text: str) -> str:
        """Return what Space adds to the keyword at the end of `text`, without the blank."""
        return rest_of_keyword(text, self.grammar(), self.pipes) if self.settings.complete_on_space else ""

    def help(self, text: str) -> str:
        """Return the output of `?` after `text`."""
        return printable(help_text(self.complete(text)))

    def grammar(self) -> State:
        """Return the state at the start of a line."""
        return self._mode.grammar(self.edit)

    def prompt(self) -> PromptText:
        """Return the prompt in the format of Junos."""
        who = self._who()
        banner = self._mode.banner(self.edit)
        gap = "\n" if self._waiting and banner and not self.settings.automated else ""
        return PromptText(f"{self._waiting}{gap}{banner}", f"{who}{self._mode.sign} ")

    def news(self) -> str:
        """Return the notices since the last prompt; empty when snatd cannot be reached."""
        try:
            found = Client(self.client.path, timeout=_PATIENCE_SECONDS).notices(
                self._last_notice, origin=origin(), terminal=terminal_name()
            )
        except ClientError:
            return ""
        self._host = found.host_name
        self._last_notice = found.last or 1
        self._waiting = self._of_pending(found.pending)
        if self.settings.automated:
            return ""
        return "".join(printable_line(f"snatd: {one.text}") + "\n" for one in found.notices)

    def _of_pending(self, pending: PendingCommit | None) -> str:
        """Return the line above the prompt while a commit is pending.

        No square brackets, which mean configuration mode to automation. Automation gets a word in the form
        of a chassis context with the minutes left, which drivers accept as part of the prompt.
        """
        if pending is None:
            return ""
        if self.settings.automated:
            return f"{{primary_commit_confirmed:{math.ceil(pending.seconds / 60)}}}"
        left = duration(pending.seconds)
        why = f", {_NOT_OF_A_PROMPT.sub('', pending.comment)}" if pending.comment else ""
        return printable_line(
            f"(commit confirmed by {pending.by}{why}: rolled back in {left} unless confirmed)"
        )

    def greet(self) -> str:
        """Query user and host with a short timeout. Returns the error, or the banner and notices."""
        try:
            version = Client(self.client.path, timeout=_PATIENCE_SECONDS).version()
        except ClientError as error:
            return _failure(str(error)).text
        self._user, self._host = version.user, version.host_name
        self.settings.idle_minutes = version.idle_timeout or self.settings.idle_minutes
        announcement = version.announcement
        return (printable_line(announcement) + "\n" if announcement else "") + self.news()

    # Called by commands

    def enter_configuration(self, mode: str = "shared") -> str:
        """Enter configuration mode. Returns the text to show."""
        entered = self.client.enter(mode, terminal_name())
        self.configuring, self.edit_mode = True, mode
        self.client.mode = "" if mode == "shared" else mode
        self.edit, self._before = (), []
        self.grammar()  # imports the commands now rather than at the first Tab
        lines = ["Entering configuration mode"]
        if mode != "shared":
            lines.insert(0, "warning: uncommitted changes will be discarded on exit")
        if entered.others:
            lines += ["Users currently editing the configuration:"]
            lines += [f"  {other.text}" for other in entered.others]
        if entered.changed:
            lines.append("The configuration has been changed but not committed")
        return "\n".join(lines)

    def leave_configuration(self) -> None:
        with contextlib.suppress(ClientError):
            self.client.leave()
        self.client.mode = ""
        self.configuring = False
        self.edit, self._before = (), []

    def go(self, path: Path) -> None:
        """Change the edit path; `exit` returns to the present one."""
        if not path:
            self._before = []
        elif path != self.edit:
            self._before.append(self.edit)
        self._move(path)

    def back(self) -> None:
        """Return to the previous edit path, or to the top."""
        self._move(self._before.pop() if self._before else ())

    def _move(self, path: Path) -> None:
        self.edit = path
        with contextlib.suppress(ClientError):
            self.client.move(path)

    def difference(self, candidate: Configuration, rollback: int | str) -> Difference:
        """Compare a part of the candidate with a committed configuration."""
        old = self.client.committed(rollback) if rollback else self.client.configuration()
        return Difference(
            config_files.restrict(old, candidate.path),
            config_files.restrict(candidate.document, candidate.path),
        )

    def impact(self) -> list[EffectRow]:
        """What a commit of the candidate would do to the traffic of now."""
        try:
            return self.client.commit(check=True).impact
        except Rejected as error:
            raise ShellError("compare: the candidate has errors", problem_lines(error.problems)) from None

    def overview(self) -> str:
        """Return the output of `help`."""
        return _OVERVIEW + "\n" + self.help("").rstrip("\n")

    def refresh(self) -> None:
        """Skip notices of the own commit and update the host name."""
        self.news()

    @property
    def has_operator(self) -> bool:
        """Whether a person is there to be asked, no script and no driver."""
        return self.terminal.attended and not self.settings.automated

    # Internals

    @property
    def _mode(self) -> Mode:
        return self._modes.configuration if self.configuring else self._modes.operational

    def _who(self) -> str:
        if not self._user:
            self.greet()
        return printable_line(f"{self._user or _own_name()}@{self._host or socket.gethostname()}")

    def _report(self, line: str, outcome: Outcome) -> None:
        """Report a line to the audit log, if snatd can be reached."""
        with contextlib.suppress(ClientError):
            Client(self.client.path, timeout=_PATIENCE_SECONDS).report(
                line[:_LONGEST_REPORT], failed=outcome.failed, origin=origin(), terminal=terminal_name()
            )

    def _run(self, parsed: Parsed) -> Outcome:
        answer: Answer = parsed.call.run(self, **parsed.call.arguments)
        product = Product(answer, kind=answer.kind)
        for pipe in parsed.pipes:
            product = pipe.run(self, product, **pipe.arguments)
        refresh = product.refresh or answer.refresh
        return Outcome(
            product.text,
            paged=product.paged and not answer.streams,
            held=product.held,
            refresh=refresh,
            streams=answer.streams,
            kind=product.kind,
        )

    def _rejected(self, error: Rejected, line: str) -> Outcome:
        """Return the outcome of a rejected request, with the caret under the bad token."""
        column = None
        if error.index is not None:
            tokens = lex(line).tokens
            place = len(tokens) - self._statement_length(line) + error.index
            column = tokens[place].start if 0 < place < len(tokens) else len(line.rstrip()) + 1
        text = str(error)
        if error.expected and not error.names_expected:
            text += f"; {expected(error.expected)}"
        if column is not None:
            return Outcome(printable(f"{text}\n"), True, column)
        if error.problems:
            return _failure("nothing was changed", problem_lines(error.problems))
        return _failure(text)

    def _statement_length(self, line: str) -> int:
        """Return the number of tokens of the statement, including the edit path."""
        try:
            call = parse(line, self.grammar(), self.pipes).call
        except CommandError:
            return 0
        return 0 if call.arguments.get("before") else len(call.arguments.get("path", ()))


def _own_name() -> str:
    """Return the local user name; not every uid has one."""
    try:
        return getpass.getuser()
    except KeyError:
        return str(os.getuid())


def _failure(text: str, above: str = "") -> Outcome:
    """Return the outcome of a failed line without a caret."""
    return Outcome(printable(f"{above}error: {text}\n"), failed=True)
