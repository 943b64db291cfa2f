# SPDX-License-Identifier: Apache-2.0
"""Confirmed and scheduled commits, across the end of the console, of snatd and of the host."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pexpect
import pytest

from snatsh.api.configuration import Statement
from snatsh.client import Client, Rejected
from snatsh.lab.gateway import SNATSH
from tests.e2e.harness import Gateway, document, edit_record
from tests.e2e.ssh_gateway import SshGateway
from tests.e2e.terminals import Terminal, Tmux
from tests.waiting import wait

MINUTE = 60


def pool(gateway: Gateway) -> str:
    return str(gateway.snatd.client.configuration()["rules"]["10"]["pool"])


def confirmed(gateway: Gateway, name: str = "c", minutes: int = 10) -> None:
    gateway.snatd.shell("configure", f"set rules 10 pool {name}", f"commit confirmed {minutes}")


def move_deadline(gateway: Gateway, seconds: float) -> None:
    """What time alone would do; snatd must be stopped."""
    file = gateway.snatd.state / "confirm.json"
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    edit_record(file, lambda held: held.update(deadline=deadline.isoformat()))


@dataclass(frozen=True)
class Minute:
    """A gateway with a commit to confirm within a minute, and idle consoles."""

    gateway: Gateway
    plain: Terminal
    rich: Tmux


@pytest.fixture(scope="module", autouse=True)
def minute(ssh_box: SshGateway) -> Iterator[Minute]:
    """Begins before the other tests, so that they need not wait for its end."""
    plain, rich = Terminal(ssh_box, "vt100"), Tmux(ssh_box)
    assert "Idle timeout set to 1 minute\r\n" in plain.run("set cli idle-timeout 1")
    rich.type("set cli idle-timeout 1", "Enter")
    rich.wait("Idle timeout set to 1 minute")
    confirmed(ssh_box, minutes=1)
    assert pool(ssh_box) == "c"
    yield Minute(ssh_box, plain, rich)
    plain.child.close(force=True)
    rich.close()
    ssh_box.reset()


def test_another_commit_confirms_and_a_check_does_not(gateway: Gateway) -> None:
    confirmed(gateway)
    gateway.snatd.shell("configure", "commit check")
    assert gateway.snatd.client.commits().pending is not None
    gateway.snatd.shell("configure", "commit")
    assert gateway.snatd.client.commits().pending is None
    assert not (gateway.snatd.state / "confirm.json").exists()


def test_a_killed_snatd_that_restarts_past_the_deadline_rolls_back(gateway: Gateway) -> None:
    confirmed(gateway)
    gateway.snatd.kill()
    move_deadline(gateway, -5)
    gateway.snatd.start()
    assert pool(gateway) == "a"
    assert gateway.snatd.client.commits().pending is None


def test_a_reboot_past_the_deadline_rolls_back(gateway: Gateway) -> None:
    """As after a reboot: programs, maps and hooks are gone, and the deadline has passed meanwhile."""
    confirmed(gateway)
    gateway.snatd.kill()
    gateway.lab["gateway"].run(*gateway.snatd.command("--remove"))
    move_deadline(gateway, -5)
    gateway.snatd.start()
    assert pool(gateway) == "a"
    assert gateway.snatd.client.commits().pending is None
    seen = gateway.client.run("curl", "-sS", "--max-time", "5", "http://8.8.8.8/").stdout
    assert seen.startswith("1.1.2.10")


def test_a_killed_snatd_that_restarts_in_time_keeps_the_deadline(gateway: Gateway) -> None:
    confirmed(gateway)
    gateway.snatd.kill()
    deadline = datetime.now(UTC) + timedelta(seconds=4)
    move_deadline(gateway, 4)
    gateway.snatd.start()
    wait(lambda: pool(gateway) == "a", "pool a in use")
    assert datetime.fromisoformat(gateway.snatd.client.history()[0].time) >= deadline


def test_a_clock_set_back_does_not_extend_the_deadline(gateway: Gateway) -> None:
    confirmed(gateway, minutes=2)
    gateway.snatd.kill()
    move_deadline(gateway, 86_400)
    gateway.snatd.start()
    pending = gateway.snatd.client.commits().pending
    assert pending is not None
    assert pending.seconds <= 2 * MINUTE


def test_a_second_commit_confirmed_moves_the_deadline_and_keeps_the_rollback_target(gateway: Gateway) -> None:
    confirmed(gateway, minutes=5)
    confirmed(gateway, name="d", minutes=20)
    pending = gateway.snatd.client.commits().pending
    assert pending is not None
    assert pending.seconds > 19 * MINUTE
    gateway.snatd.kill()
    gateway.snatd.start()
    assert gateway.snatd.client.commits().pending is not None
    gateway.snatd.shell("request system commit abort")
    assert pool(gateway) == "a"


def test_a_crash_before_the_commit_is_published_leaves_nothing_to_roll_back(gateway: Gateway) -> None:
    confirmed(gateway)
    gateway.snatd.shell("configure", "commit")
    left = {"user": "root", "minutes": 1, "deadline": datetime.now(UTC).isoformat(),
            "first": 10_000, "last": 10_000, "document": {}}  # fmt: skip
    gateway.snatd.kill()
    (gateway.snatd.state / "confirm.json").write_text(json.dumps(left))
    gateway.snatd.start()
    assert pool(gateway) == "c"
    assert not (gateway.snatd.state / "confirm.json").exists()


def test_a_damaged_commit_confirmed_record_is_set_aside_and_logged(gateway: Gateway) -> None:
    gateway.snatd.kill()
    (gateway.snatd.state / "confirm.json").write_text("{")
    gateway.snatd.start()
    assert "confirm.json cannot be used" in gateway.snatd.log.read_text()
    assert pool(gateway) == "a"


def test_a_failed_commit_confirmed_schedules_no_rollback(gateway: Gateway) -> None:
    done = gateway.snatd.shell("configure", "set rules 10 pool nowhere", "commit confirmed 5", check=False)
    assert "error: commit failed" in done.stderr
    assert gateway.snatd.client.commits().pending is None
    assert not (gateway.snatd.state / "confirm.json").exists()


def test_killed_console_does_not_affect_the_pending_commit(gateway: Gateway) -> None:
    environment = {**os.environ, "SNATSH_SOCKET": str(gateway.snatd.socket), "TERM": "vt100"}
    console = pexpect.spawn(SNATSH, env=environment, encoding="utf-8", timeout=30, dimensions=(40, 120))
    for line in ("configure", "set rules 10 pool c", "commit confirmed 10"):
        console.expect(r"root@\S*[>#] $")
        console.send(line + "\r")
    console.expect("commit complete")
    console.kill(9)
    console.close(force=True)
    gateway.snatd.kill()
    move_deadline(gateway, 1)
    gateway.snatd.start()
    wait(lambda: pool(gateway) == "a", "pool a in use")


def test_all_consoles_show_the_deadline_and_the_rollback(gateway: Gateway) -> None:
    environment = {**os.environ, "SNATSH_SOCKET": str(gateway.snatd.socket), "TERM": "vt100"}
    other = pexpect.spawn(SNATSH, env=environment, encoding="utf-8", timeout=30, dimensions=(40, 120))
    other.expect(r"root@\S*> $")
    gateway.snatd.shell(
        "configure", "set rules 10 pool c", 'commit confirmed 4 comment "more room # [edit]>"'
    )
    other.send("\r")
    other.expect(r"commit by root will be rolled back in 4 minutes unless confirmed\r\n")
    other.expect(
        r"\(commit confirmed by root, more room  edit: rolled back in \dm\d\ds unless confirmed\)\r\n"
        r"root@\S*> $"
    )
    gateway.snatd.shell("request system commit abort")
    other.send("\r")
    other.expect(r"commit by root was rolled back: aborted by root\r\n")
    other.expect(r"root@\S*> $")
    assert "(commit" not in str(other.before)
    other.close(force=True)


def test_abort_without_a_pending_commit(gateway: Gateway) -> None:
    done = gateway.snatd.shell("request system commit abort", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: no commit is pending\n"


@pytest.mark.parametrize("minutes", [5, 1])
def test_warnings_five_minutes_and_one_minute_before_the_rollback(gateway: Gateway, minutes: int) -> None:
    confirmed(gateway, minutes=10)
    after = gateway.snatd.client.notices().last
    gateway.snatd.kill()
    move_deadline(gateway, minutes * MINUTE + 1)
    gateway.snatd.start()

    def warned() -> bool:
        texts = [notice.text for notice in gateway.snatd.client.notices(after).notices]
        output = f"{minutes} minute{'' if minutes == 1 else 's'}"
        return f"commit by root will be rolled back in {output} unless confirmed" in texts

    wait(warned, "the warning")


def test_commit_at_runs_at_its_time(gateway: Gateway) -> None:
    at = (datetime.now() + timedelta(seconds=8)).strftime("%Y-%m-%d %H:%M:%S")
    done = gateway.snatd.shell("configure", "set rules 10 pool c", f'commit comment later at "{at}"')
    assert "commit at will be executed at" in done.stdout
    assert "commit requested by root" in gateway.snatd.shell("show system commit").stdout
    refused = gateway.snatd.shell("configure", "commit", check=False)
    assert "clear system commit" in refused.stderr
    gateway.snatd.kill()
    gateway.snatd.start()
    wait(lambda: pool(gateway) == "c", "pool c in use")
    assert gateway.snatd.client.history()[0].comment == "later"


def test_commit_at_can_be_cleared_and_refuses_invalid_times(gateway: Gateway) -> None:
    gateway.snatd.shell("configure", "set rules 10 pool c", "commit at reboot")
    assert "will not be executed" in gateway.snatd.shell("clear system commit").stdout
    done = gateway.snatd.shell("configure", 'commit at "2001-01-01 00:00"', check=False)
    assert "is in the past" in done.stderr
    assert "expected hh:mm" in gateway.snatd.shell("configure", "commit at soon", check=False).stderr
    assert pool(gateway) == "a"


def test_rescue_configuration(gateway: Gateway) -> None:
    gateway.snatd.shell("request system configuration rescue save")
    gateway.snatd.shell("configure", "delete rules 20", "commit")
    gateway.snatd.shell("configure", "rollback rescue", "commit")
    assert gateway.snatd.client.configuration() == document("tc")
    gateway.snatd.shell("request system configuration rescue delete")
    done = gateway.snatd.shell("configure", "rollback rescue", check=False)
    assert "there is no rescue configuration" in done.stderr


def test_history_keeps_fifty_configurations(gateway: Gateway) -> None:
    client = gateway.snatd.client
    for number in range(52):
        client.edit([Statement("set", ["rules", "10", "description", str(number)])])
        client.commit()
    assert len(client.history()) == 50
    gateway.snatd.shell("configure", "rollback 49")
    assert client.candidate().document["rules"]["10"]["description"] == "2"
    with pytest.raises(Rejected):
        client.rollback(50)
    shown = gateway.snatd.shell("show system rollback compare 3 1").stdout
    assert "-   description 48;\n+   description 50;" in shown.replace('"', "")


def test_clients_of_one_process_share_a_console(gateway: Gateway) -> None:
    first, second = Client(gateway.snatd.socket), Client(gateway.snatd.socket)
    first.enter("private", "")
    try:
        second.edit([Statement("set", ["rules", "10", "pool", "d"])])
        assert first.candidate().document["rules"]["10"]["pool"] == "d"
    finally:
        first.leave()
    assert first.candidate().document["rules"]["10"]["pool"] == "a"


def test_after_a_minute_unconfirmed_commits_roll_back_and_idle_consoles_end(minute: Minute) -> None:
    """Nothing is moved here: it is a real minute, which has passed while the tests above ran."""
    minute.plain.child.expect("idle timeout; session closed\r\n", timeout=90)
    assert minute.plain.close() == 0
    minute.rich.gone(90)
    wait(lambda: pool(minute.gateway) == "a", "pool a in use")
    returned, committed, *_ = minute.gateway.snatd.client.history()
    assert (returned.user, returned.method) == ("root", "other")
    assert "not confirmed" in str(returned.comment)
    took = datetime.fromisoformat(returned.time) - datetime.fromisoformat(committed.time)
    assert MINUTE - 1 < took.total_seconds() < MINUTE + 15
    wait(lambda: not minute.gateway.snatd.client.candidate().changed, "an unchanged candidate")
