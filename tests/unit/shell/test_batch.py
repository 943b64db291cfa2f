# SPDX-License-Identifier: Apache-2.0
"""Commands without a terminal: a script stops at its first error, and its status tells of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pytest

from snatsh.shell.main import main

Run = Callable[..., tuple[int, str, str]]

FAILURES = {
    "unknown command": "show nonsense",
    "wrong value": "set cli screen-width many",
    "refused by the command": "load patch x | display set",
    "without snatd": "show flows",
}

every_door = pytest.mark.parametrize("door", ["standard input", "-c"])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands through a door, `-c` or standard input. Returns status, output and errors."""

    def carry_out(door: str, commands: Sequence[str], *options: str) -> tuple[int, str, str]:
        text = "".join(f"{command}\n" for command in commands).encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(stdout := io.BytesIO(), write_through=True))
        monkeypatch.setattr("sys.stderr", io.TextIOWrapper(stderr := io.BytesIO(), write_through=True))
        given = [part for command in commands for part in ("-c", command)] if door == "-c" else []
        status = main(["--socket", "/nonexistent/snatd.sock", *options, *given])
        return status, stdout.getvalue().decode(), stderr.getvalue().decode()

    return carry_out


@every_door
@pytest.mark.parametrize("wrong", FAILURES.values(), ids=FAILURES)
def test_nothing_runs_after_an_error(run: Run, door: str, wrong: str) -> None:
    status, output, errors = run(door, ["set cli screen-width 77", wrong, "show cli"])
    assert (status, "screen-length" in output) == (1, False)
    assert errors


@every_door
@pytest.mark.parametrize("option", ["-k", "--keep-going"])
@pytest.mark.parametrize("wrong", FAILURES.values(), ids=FAILURES)
def test_going_on_after_an_error_fails_at_the_end(run: Run, door: str, wrong: str, option: str) -> None:
    status, output, errors = run(door, ["set cli screen-width 77", wrong, "show cli"], option)
    assert status == 1
    assert "screen-width:      77" in output
    assert errors


@every_door
def test_comments_and_empty_lines_are_no_errors(run: Run, door: str) -> None:
    assert run(door, ["# a script", "", "   ", "set cli timestamp on"])[::2] == (0, "")


def test_a_byte_order_mark_begins_no_command(run: Run) -> None:
    assert run("standard input", ["\ufeffset cli screen-width 77"])[::2] == (0, "")


def test_standard_input_names_the_line_that_failed(run: Run) -> None:
    script = ["# a script", "show nonsense", "show cli"]
    assert run("standard input", script)[2].endswith(
        "error: line 2 of standard input failed; the lines after it were not run\n"
    )
    assert run("standard input", script, "-k")[2].endswith("error: line 2 of standard input failed\n")
