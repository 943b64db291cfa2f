# SPDX-License-Identifier: Apache-2.0
"""`snatsh top`: options and start."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from snatsh.api.codec import builtins
from snatsh.client import DEFAULT_SOCKET, Client
from snatsh.model.errors import SnatshError

_SECONDS = 10.0
"""Time without an answer after which snatd counts as unreachable."""

_EXAMPLES = """\
examples:
  snatsh top                             open the live view
  snatsh top --screen flows              start with the flows
  snatsh top --once --json               print one snapshot for a script
  snatsh top --record incident.jsonl.gz  record for later --replay
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        return _run(options)
    except SnatshError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="snatsh top",
        description="Live view of the gateway: traffic, flows, pools, links, rules, configuration.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--socket", metavar="PATH", help=f"socket of snatd (default $SNATSH_SOCKET, else {DEFAULT_SOCKET})"
    )
    parser.add_argument("--once", action="store_true", help="print one snapshot as text and exit")
    parser.add_argument("--json", action="store_true", help="with --once: print the whole snapshot as JSON")
    parser.add_argument(
        "--screen", default="dashboard", metavar="NAME", help="first screen (default %(default)s)"
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="refresh interval, 0.2 to 3600 (default %(default)s)",
    )
    parser.add_argument(
        "--theme", choices=("dark", "light"), default="dark", help="colours (default %(default)s)"
    )
    parser.add_argument("--mouse", action="store_true", help="enable the mouse; disables text selection")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="key bindings (default $SNATSH_KEYS)")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="record all data to FILE; compressed if it ends in .gz"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play back a recording")
    options = parser.parse_args(arguments)
    if options.json and not options.once:
        parser.error("--json requires --once")
    if not 0.2 <= options.interval <= 3600:
        parser.error("--interval: expected 0.2 to 3600 seconds")
    if options.record and options.replay:
        parser.error("--record and --replay are mutually exclusive")
    return options


def _run(options: argparse.Namespace) -> int:
    client = _client(options)
    try:
        if options.once:
            return _once(client, options.json)
        return _live(client, options)
    finally:
        if options.record:
            client.close()  # type: ignore[attr-defined]


def _client(options: argparse.Namespace) -> Client:
    if not (options.record or options.replay):
        return Client(options.socket, timeout=_SECONDS)
    from snatsh.tui.recording import RecordingClient, ReplayClient

    if options.replay:
        return ReplayClient(options.replay)
    return RecordingClient(options.socket, options.record, timeout=_SECONDS)


def _once(client: Client, as_json: bool) -> int:
    from snatsh.tui import once

    found = once.gather(client)
    print(json.dumps(builtins(found), indent=1) if as_json else once.text(found), end="\n" if as_json else "")
    return 0


def _live(client: Client, options: argparse.Namespace) -> int:
    from snatsh.tui import keymap
    from snatsh.tui.app import Top, actions
    from snatsh.tui.style import palette

    if options.screen not in Top.MODES:
        raise keymap.KeymapError(f"{options.screen}: no such screen; expected one of {', '.join(Top.MODES)}")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise keymap.KeymapError("top: expected a terminal; use --once --json in scripts")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise keymap.KeymapError("top: terminal type not supported (TERM); use --once --json in scripts")
    path = options.keys or (keymap.usual_path() if keymap.usual_path().exists() else None)
    keys = keymap.load(path, actions()) if path else {}
    label = "REC" if options.record else "REPLAY" if options.replay else ""
    theme = palette.LIGHT if options.theme == "light" else palette.DARK
    app = Top(client, interval=options.interval, theme=theme, mode=options.screen, keymap=keys, label=label)
    for name in ("COLUMNS", "LINES"):  # outdated after a resize; the terminal is asked instead
        os.environ.pop(name, None)
    app.run(mouse=options.mouse)
    return app.return_code or 0
