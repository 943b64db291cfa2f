# SPDX-License-Identifier: Apache-2.0
"""Several operators at once: locks, private candidates, and no lost edits."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pexpect
import pytest

from snatsh.lab.gateway import SNATSH
from snatsh.model.document.document import Document
from tests.e2e.harness import Gateway


class Console:
    """An operator on a plain terminal."""

    def __init__(self, gateway: Gateway) -> None:
        environment = {**os.environ, "SNATSH_SOCKET": str(gateway.snatd.socket), "TERM": "vt100"}
        self.child = pexpect.spawn(
            SNATSH, env=environment, encoding="utf-8", timeout=30, dimensions=(60, 160)
        )
        self.child.delaybeforesend = None
        self.child.expect(r"root@\S*> $")
        self.run("set cli screen-length 0")

    def run(self, line: str, until: str = r"\r\nroot@\S*[>#] $") -> str:
        self.child.send(line + "\r")
        self.child.expect(until)
        return str(self.child.before)

    def close(self) -> None:
        self.child.close(force=True)


@pytest.fixture
def consoles(box: Gateway) -> Iterator[tuple[Console, Console]]:
    pair = Console(box), Console(box)
    yield pair
    for console in pair:
        console.close()
    wait_for_sessions(box, 0)
    box.reset()


def wait_for_sessions(box: Gateway, number: int) -> None:
    """Until so many consoles are in configuration mode."""
    deadline = time.monotonic() + 15
    while len(box.snatd.client.sessions()) != number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(box: Gateway) -> Document:
    return box.snatd.client.configuration()


def test_changes_to_the_shared_candidate_appear_in_other_consoles(consoles: tuple[Console, Console]) -> None:
    one, other = consoles
    one.run("configure")
    one.run("edit rules 10")
    one.run("set pool c")
    entered = other.run("configure")
    assert "Users currently editing the configuration:" in entered
    assert "[edit rules 10]" in entered
    assert "The configuration has been changed but not committed" in entered
    assert "pool c;" in other.run("show rules 10")
    editing = other.run("status")
    assert f"(pid {one.child.pid})" in editing
    assert f"(pid {other.child.pid})" in editing
    assert "terminal pts/" in editing


def test_configure_exclusive_locks_the_candidate_until_its_console_ends(
    consoles: tuple[Console, Console], box: Gateway
) -> None:
    one, other = consoles
    other.run("configure")
    one.run("configure exclusive")
    one.run("set rules 10 pool c")
    refused = other.run("set rules 10 pool d")
    assert "configuration database locked by:" in refused
    assert f"root terminal {'pts'}/" in refused
    assert f"(pid {one.child.pid})" in refused
    assert "exclusive [edit]" in refused
    assert "locked by" in other.run("commit")
    one.child.kill(9)
    one.child.wait()
    wait_for_sessions(box, 1)
    assert "locked" not in other.run("set rules 20 pool d")
    assert box.snatd.client.candidate().document["rules"]["10"]["pool"] == "a"


def test_configure_exclusive_is_refused_over_uncommitted_changes(consoles: tuple[Console, Console]) -> None:
    one, other = consoles
    one.run("configure")
    one.run("set rules 10 pool c")
    refused = other.run("configure exclusive")
    assert "configuration database modified" in refused
    assert f"(pid {one.child.pid})" in refused


def test_private_candidates_without_conflict_are_merged(
    consoles: tuple[Console, Console], box: Gateway
) -> None:
    one, other = consoles
    assert "uncommitted changes will be discarded on exit" in one.run("configure private")
    other.run("configure private")
    one.run("set rules 10 pool c")
    other.run("set rules 20 pool d")
    assert "pool a;" in other.run("show rules 10")
    assert "commit complete" in one.run("commit")
    assert "commit complete" in other.run("commit")
    assert {number: rule["pool"] for number, rule in running(box)["rules"].items()} == {"10": "c", "20": "d"}
    assert not box.snatd.client.candidate().changed


def test_conflicting_private_candidates_are_refused_until_update(
    consoles: tuple[Console, Console], box: Gateway
) -> None:
    one, other = consoles
    one.run("configure private")
    other.run("configure private")
    one.run("set rules 10 pool c")
    other.run("set rules 10 pool b")
    other.run("set rules 20 pool d")
    assert "commit complete" in one.run("commit")
    refused = other.run("commit")
    assert "set rules 10 pool b" in refused
    assert "rules 20" not in refused
    assert "update" in refused
    assert "error: commit failed" in refused
    assert running(box)["rules"]["10"]["pool"] == "c"
    assert "set rules 10 pool b" in other.run("update")
    compared = other.run("show | compare")
    assert "-   pool c;" in compared
    assert "+   pool b;" in compared
    assert "commit complete" in other.run("commit")


def test_private_commit_leaves_the_shared_candidate_unchanged(
    consoles: tuple[Console, Console], box: Gateway
) -> None:
    one, other = consoles
    one.run("configure")
    one.run("set rules 20 pool d")
    other.run("configure private")
    other.run("set rules 10 pool c")
    assert "commit complete" in other.run("commit")
    assert running(box)["rules"]["20"]["pool"] == "b"
    assert "commit complete" in one.run("commit")
    assert {number: rule["pool"] for number, rule in running(box)["rules"].items()} == {"10": "c", "20": "d"}


def test_leaving_a_private_candidate_asks_before_discarding(
    consoles: tuple[Console, Console], box: Gateway
) -> None:
    one, _ = consoles
    one.run("configure private")
    one.run("set rules 10 pool c")
    one.run("exit", r"Discard uncommitted changes\? \[yes,no\] \(yes\) $")
    one.run("yes")
    assert "pool a;" in one.run("show configuration rules 10")
    assert not box.snatd.client.candidate().changed


def test_private_session_does_not_fall_back_to_the_shared_candidate_after_a_restart(
    consoles: tuple[Console, Console], box: Gateway
) -> None:
    one, _ = consoles
    one.run("configure private")
    one.run("set rules 10 pool c")
    box.snatd.kill()
    box.snatd.start()
    assert "ended the private edit session" in one.run("set rules 20 pool d")
    assert not box.snatd.client.candidate().changed
    assert "Exiting configuration mode" in one.run("exit")


def test_eight_concurrent_consoles_lose_no_change(box: Gateway) -> None:
    script = "{mode}\n" + "".join(
        "set rules {0}{1} action drop\nset rules {0}{1} source 10.{0}.{1}.0/24\ncommit comment {0}-{1}\n"
        .replace("{1}", str(number))
        for number in range(10, 14)
    )  # fmt: skip
    workers = []
    for worker in range(1, 9):
        mode = "configure private" if worker % 2 else "configure"
        workers.append(
            subprocess.Popen(
                [SNATSH],
                env={**os.environ, "SNATSH_SOCKET": str(box.snatd.socket)},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
        )  # fmt: skip
        assert workers[-1].stdin is not None
        workers[-1].stdin.write(script.replace("{mode}", mode).replace("{0}", str(worker)))
        workers[-1].stdin.close()
    said = []
    for process in workers:
        assert process.stdout is not None
        said.append(process.stdout.read())
        process.wait(120)
    assert [text.count("commit complete") for text in said] == [4] * 8, said
    rules = running(box)["rules"]
    expected = {f"{worker}{number}" for worker in range(1, 9) for number in range(10, 14)}
    assert expected <= set(rules)
    assert all("source" in rules[number] for number in expected)
    box.reset()
