# SPDX-License-Identifier: Apache-2.0
"""`snatsh`: options, choice of the front end, and start."""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import sys
from collections.abc import Sequence

from snatsh import __version__
from snatsh.client import DEFAULT_SOCKET, Client
from snatsh.shell.core.session import Session
from snatsh.shell.frontends import batch, terminal_probe
from snatsh.shell.frontends.loop import converse
from snatsh.shell.modes import MODES

_PLAIN_TERMINALS = ("", "dumb", "unknown", "vt100")

_USAGE = """\
%(prog)s [options]
       %(prog)s top [options]
       %(prog)s import [options] [dialect] file"""

_PROGRAMS = """\
programs:
  top                   live view of the gateway; see snatsh top --help
  import                convert the configuration of another NAT; see snatsh import --help

examples:
  snatsh                                      start the shell
  snatsh -c 'show flows summary'              run one command
  snatsh <commands                            run the lines of a file up to the first that fails
  snatsh top                                  open the live view
  snatsh import iptables rules.txt >p.yaml    convert the output of iptables-save to a profile
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell. The exit status is that of the last command; of the last that failed in a script."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["top"]:
        return _top(given[1:])
    if given[:1] == ["import"]:
        return _import(given[1:])
    options = _options(given)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    client = Client(options.socket)
    try:
        commands = _commands(options.commands)
        if commands:
            session = Session(client, batch.BatchTerminal(), MODES)
            return batch.run_commands(session, map(_text, commands), keep_going=options.keep_going)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
            session = Session(client, batch.BatchTerminal(), MODES)
            return batch.run_stdin(session, keep_going=options.keep_going)
        # No core dump and no stop: as a login shell, there is no other shell to return to.
        for number in (signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        typed = (
            ""
            if os.environ.get("TERM", "") in _PLAIN_TERMINALS
            else terminal_probe.typed_instead_of_answering()
        )
        if typed is None:
            return _rich(client)
        return _plain(client, typed)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_output()
        return 141
    except OSError as error:
        _discard_output()
        print(f"error: cannot write output: {error.strerror}", file=sys.stderr)
        return 1


def _top(options: Sequence[str]) -> int:
    """Start the live view as a program, so that the shell never imports textual."""
    from snatsh.interpreter import run_module

    command = run_module("snatsh.tui", *options)
    os.execv(command[0], command)


def _import(arguments: Sequence[str]) -> int:
    from snatsh.shell import conversion

    try:
        status = conversion.main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return 141
    return status


def _discard_output() -> None:
    """Redirect standard output, so that the last flush of the interpreter cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="snatsh",
        usage=_USAGE,
        description="Command-line interface of the snatsh source NAT gateway.",
        epilog=_PROGRAMS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c",
        dest="commands",
        metavar="COMMAND",
        action="append",
        help="run COMMAND and exit with its status; may be repeated, stops at the first failure",
    )
    parser.add_argument(
        "-k",
        "--keep-going",
        action="store_true",
        help="run the commands of -c or standard input after one that fails, too; the status tells of it",
    )
    parser.add_argument(
        "--socket", metavar="PATH", help=f"socket of snatd (default $SNATSH_SOCKET, else {DEFAULT_SOCKET})"
    )
    parser.add_argument("--version", action="version", version=f"snatsh {__version__}")
    return parser.parse_args(arguments)


def _text(argument: str) -> str:
    """Return an argument as text, whatever its bytes."""
    return os.fsencode(argument).decode("utf-8", "replace")


def _commands(given: list[str] | None) -> list[str]:
    """Return the commands to run: of -c, or of sshd when this is a login shell or forced command."""
    asked = os.environ.pop("SSH_ORIGINAL_COMMAND", "") if os.environ.get("SSH_CONNECTION") else ""
    if given and len(given) == 1 and pathlib.Path(given[0]).name == "snatsh":
        given = None  # the forced command itself, run by this login shell
    return given or ([asked] if asked else [])


def _plain(client: Client, typed: str) -> int:
    from snatsh.shell.frontends.plain import PlainFront, RawTerminal

    with RawTerminal(typed=typed) as terminal:
        front = PlainFront(terminal)
        front.session = Session(client, front, MODES)
        return converse(front.session, front)


def _rich(client: Client) -> int:
    from snatsh.shell.frontends.rich import RichFront

    front = RichFront()
    front.session = Session(client, front, MODES)
    return converse(front.session, front)


if __name__ == "__main__":
    sys.exit(main())
