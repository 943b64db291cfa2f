# SPDX-License-Identifier: Apache-2.0
"""`snatsh top`: options, and the app with them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from snatsh.client import Client
from snatsh.model.errors import SnatshError

_SECONDS = 10.0
"""After so long without an answer, snatd is gone for a live console."""


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
    parser = argparse.ArgumentParser(prog="snatsh top", description="The live view of the gateway.")
    parser.add_argument("--socket", metavar="PATH", help="where snatd answers")
    parser.add_argument("--once", action="store_true", help="print one look and exit")
    parser.add_argument("--json", action="store_true", help="with --once: all of it as JSON")
    parser.add_argument("--screen", default="dashboard", metavar="NAME", help="which screen to begin with")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="between looks (1)")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--mouse", action="store_true", help="use the mouse; off, so that text can be marked")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="keys of your own (SNATSH_KEYS)")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="write all data to a file (.gz to compress)"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="show a recording")
    options = parser.parse_args(arguments)
    if options.json and not options.once:
        parser.error("--json goes with --once")
    if not 0.2 <= options.interval <= 3600:
        parser.error("--interval: expected 0.2 to 3600 seconds")
    if options.record and options.replay:
        parser.error("--record and --replay exclude each other")
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
    print(json.dumps(found, indent=1) if as_json else once.text(found), end="\n" if as_json else "")
    return 0


def _live(client: Client, options: argparse.Namespace) -> int:
    from snatsh.tui import keymap
    from snatsh.tui.app import Top, actions
    from snatsh.tui.style import palette

    if options.screen not in Top.MODES:
        raise keymap.KeymapError(f"{options.screen}: no such screen; expected one of {', '.join(Top.MODES)}")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise keymap.KeymapError("top: expected a terminal; for scripts there is --once --json")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise keymap.KeymapError(
            "top: this terminal can't show it (TERM); for scripts there is --once --json"
        )
    path = options.keys or (keymap.usual_path() if keymap.usual_path().exists() else None)
    keys = keymap.load(path, actions()) if path else {}
    label = "REC" if options.record else "REPLAY" if options.replay else ""
    theme = palette.LIGHT if options.theme == "light" else palette.DARK
    app = Top(client, interval=options.interval, theme=theme, mode=options.screen, keymap=keys, label=label)
    for name in ("COLUMNS", "LINES"):  # the terminal itself knows better, above all after a resize
        os.environ.pop(name, None)
    app.run(mouse=options.mouse)
    return app.return_code or 0
