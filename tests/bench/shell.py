# SPDX-License-Identifier: Apache-2.0
"""How quick the shell is on a gateway with 10,000 rules: first prompts, Tab, `?`. Part of `make bench`.

A real snatd, real pseudo-terminals; times of the wall from the key to the last letter of the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import yaml
from rich.console import Console
from rich.table import Table

from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import demo

RULES = 10_000
ROUNDS = 15
PROMPT_MS, TAB_MS = 300, 50
LINES = {
    "set ru": "les $",
    "set rules 99": "# set rules 99$",
    "set rules 5000 pool ": "a$",
    "delete rules 10": "# delete rules 10$",
    "edit rules 5000 fail": "over $",
    "run show rules 99": "# run show rules 99$",
}
"""What is typed before Tab, and how the answer ends: the rest of the word, or the line once more."""


def document() -> dict[str, object]:
    rules = {
        number: {"source": f"10.{number >> 8}.{number & 255}.0/24", "pool": "a"}
        for number in range(1, RULES + 1)
    }
    interfaces = {"eth0": {"role": "inside", "hook": "tc"}, "eth1": {"role": "outside", "hook": "tc"}}
    return {"interfaces": interfaces, "pools": {"a": {"address": ["1.1.2.100-1.1.2.110"]}}, "rules": rules}


class Shell:
    """A session on a pseudo terminal; a rich one says, when asked, that there is somebody."""

    def __init__(self, environment: dict[str, str], rich: bool) -> None:
        more = {"TERM": "xterm" if rich else "vt100"}
        self.child = pexpect.spawn(
            SNATSH, env={**environment, **more}, encoding="utf-8", dimensions=(60, 160)
        )
        self.child.delaybeforesend = None
        if rich:
            self.child.expect_exact("\x1b[c")
            self.child.send("\x1b[?64c")
        self.child.expect(r"@[^ ]+>")

    def ask(self, keys: str, answer: str) -> float:
        """Milliseconds from the keys to the answer, which ends with the line drawn again."""
        started = time.monotonic()
        self.child.send(keys)
        self.child.expect(answer)
        return (time.monotonic() - started) * 1000

    def close(self) -> None:
        self.child.close(force=True)


def measure(run: Callable[[], float]) -> list[float]:
    return [run() for _ in range(ROUNDS)]


def first_prompt(environment: dict[str, str], rich: bool) -> float:
    started = time.monotonic()
    shell = Shell(environment, rich)
    took = (time.monotonic() - started) * 1000
    shell.close()
    return took


def one_command(environment: dict[str, str]) -> float:
    started = time.monotonic()
    pexpect.run(f"{SNATSH} -c 'show version'", env=environment)
    return (time.monotonic() - started) * 1000


def tab(shell: Shell, line: str, answer: str) -> float:
    """On the plain front end, whose answer to a key is one burst that ends with the line again."""
    shell.ask(line, re.escape(line) + "$")
    time.sleep(1.1)  # what snatd said of the box before is too old then: it is asked again
    took = shell.ask("\t", answer)
    shell.ask("\x15show cli\r", r"# $")
    return took


def found(environment: dict[str, str]) -> dict[str, tuple[int, list[float]]]:
    """By what was measured: the goal and the times, all in milliseconds."""
    results = {
        "first prompt, a person's terminal": (PROMPT_MS, measure(lambda: first_prompt(environment, True))),
        "first prompt, a plain terminal": (PROMPT_MS, measure(lambda: first_prompt(environment, False))),
        "snatsh -c 'show version'": (PROMPT_MS, measure(lambda: one_command(environment))),
    }
    shell = Shell(environment, rich=False)
    shell.ask("set cli screen-length 0\r", r"> $")
    shell.ask("configure\r", r"# $")
    for line, answer in LINES.items():
        results[f"Tab behind `{line}`"] = (TAB_MS, [tab(shell, line, answer) for _ in range(5)])
    shell.close()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench-shell.json"))
    options = parser.parse_args()
    with Lab(demo()) as lab:
        profile = lab.folder / "profile.yaml"
        profile.write_text(yaml.safe_dump(document()))
        snatd = Snatd(lab)
        snatd.start(profile, seconds=60)
        home = str(lab.folder / "home")
        results = found({**os.environ, "SNATSH_SOCKET": str(snatd.socket), "XDG_STATE_HOME": home})
    table = Table("with 10,000 rules", "median ms", "worst ms", "goal ms", title="The shell")
    for what, (goal, times) in results.items():
        table.add_row(what, f"{statistics.median(times):.1f}", f"{max(times):.1f}", f"< {goal}")
    Console().print(table)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({what: times for what, (_, times) in results.items()}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
