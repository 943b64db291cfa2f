# SPDX-License-Identifier: Apache-2.0
"""A state folder that is lost, moved or another gateway's does not reset the gateway that runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from snatsh.api.configuration import Statement
from snatsh.client import Rejected
from snatsh.lab.gateway import Snatd
from tests.e2e import echoes
from tests.e2e.harness import VIA_A, Gateway, addresses, document, no_leak

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def running(gateway: Gateway) -> Iterator[Gateway]:
    """A gateway with two commits, whose snatd was killed; its state folder is restored after each test."""
    gateway.commit("set rules 10 pool c")
    kept = gateway.lab.folder / "kept-state"
    gateway.snatd.kill()
    shutil.copytree(gateway.snatd.state, kept)
    yield gateway


@pytest.fixture(autouse=True)
def _restored(running: Gateway) -> Iterator[None]:
    yield
    shutil.rmtree(running.snatd.state, ignore_errors=True)
    shutil.copytree(running.lab.folder / "kept-state", running.snatd.state)


def datapath(gateway: Gateway) -> str:
    """Hooks and pins, as the kernel has them."""
    box = gateway.lab["gateway"]
    filters = "".join(
        box.run("tc", "filter", "show", "dev", name, way).stdout
        for name in ("eth0", "eth1", "eth2")
        for way in ("ingress", "egress")
    )
    pins = sorted(str(path) for path in gateway.snatd.pins.rglob("*"))
    return filters + box.run("ip", "-d", "link").stdout.partition("promiscuity")[0] + "\n".join(pins)


def seen_from(gateway: Gateway) -> str:
    done = gateway.client.run("curl", "-sS", "--max-time", "5", "http://8.8.8.8/").stdout
    return done.strip().partition(":")[0].partition(" ")[0]


def refused(gateway: Gateway, *options: str) -> str:
    """Start snatd, expect that it refuses and changes nothing under traffic; what it said."""
    snatd, before = gateway.snatd, datapath(gateway)
    with no_leak(gateway.lab):
        ping = gateway.client.command(*echoes.ping(VIA_A, 100, 0.01))
        traffic = subprocess.Popen(ping, stdout=subprocess.PIPE, text=True)
        done = snatd.lab[snatd.node].run(*snatd.command(*options), check=False, timeout=20)
        assert seen_from(gateway) in addresses("c")
        assert not echoes.lost(traffic.communicate(timeout=20)[0], 100)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert datapath(gateway) == before
    return done.stderr


def moved(state: Path) -> None:
    shutil.rmtree(state)


def without_entries(state: Path) -> None:
    for path in (state / "history").iterdir():
        path.unlink()


def older(state: Path) -> None:
    """As a backup from before the last commit has it."""
    max((state / "history").iterdir()).unlink()


def of_another_gateway(state: Path) -> None:
    """Commits of the same numbers."""
    from snatsh.engine.config.history import Metadata, Store

    shutil.rmtree(state)
    store = Store(state)
    for pool in ("a", "c", "a"):
        store.prepare(document("auto", pool), Metadata.now("ann", "cli"))
        store.publish()
    store.close()


@pytest.mark.parametrize("damage", [moved, without_entries, older, of_another_gateway])
def test_history_without_the_running_commit_is_refused(running: Gateway, damage: Damage) -> None:
    damage(running.snatd.state)
    said = refused(running)
    for expected in ("pins in", "commit 2", "eth0, eth1, eth2", str(running.snatd.state), "--begin-anew"):
        assert expected in said, said
    assert damage is not moved or not running.snatd.state.exists()


def test_profile_does_not_replace_a_lost_history(running: Gateway, tmp_path: Path) -> None:
    moved(running.snatd.state)
    profile = tmp_path / "profile.yaml"
    profile.write_text(yaml.safe_dump(document(running.hook)))
    assert "--begin-anew" in refused(running, "--profile", str(profile))


def test_hooks_without_pins_and_history_are_kept(running: Gateway) -> None:
    moved(running.snatd.state)
    other = Snatd(running.lab)
    other.pins = running.lab.pins / "empty"
    done = running.lab["gateway"].run(*other.command(), check=False, timeout=20)
    assert done.returncode == 1
    assert "no pins in" in done.stderr
    assert "hooks on eth0, eth1, eth2" in done.stderr
    other.pins.rmdir()


def with_mount(gateway: Gateway, mount: str) -> Snatd:
    """A snatd of this gateway that alone sees something mounted on its state folder."""
    snatd = Snatd(gateway.lab)
    plain = snatd.command

    def command(*options: str) -> list[str]:
        script = f'{mount.format(state=snatd.state)} && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", *plain(*options)]

    snatd.command = command  # type: ignore[method-assign]
    return snatd


def test_start_on_a_read_only_file_system_is_refused(running: Gateway) -> None:
    snatd = with_mount(running, "mount --bind {state} {state} && mount -o remount,ro,bind {state}")
    before = datapath(running)
    done = running.lab["gateway"].run(*snatd.command(), check=False, timeout=20)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert datapath(running) == before


def test_start_on_a_full_file_system_runs_the_same_and_commits_nothing(running: Gateway) -> None:
    copied = "cp -a {state} {state}-copy && mount -t tmpfs -o size=64k,mode=0700 tmpfs {state}"
    filled = "cp -a {state}-copy/history {state} && ! dd if=/dev/zero of={state}/rest bs=1k 2>/dev/null"
    snatd = with_mount(running, f"{copied} && {filled}")
    snatd.start()
    try:
        snatd.client.edit([Statement("set", ["rules", "10", "pool", "a"])])
        with pytest.raises(Rejected, match="No space left"):
            snatd.client.commit()
        assert seen_from(running) in addresses("c")
    finally:
        snatd.kill()


def test_damaged_newest_commit_raises_a_major_alarm(running: Gateway) -> None:
    newest = max((running.snatd.state / "history").iterdir())
    newest.write_bytes(b"")
    running.snatd.start()
    try:
        alarms = running.snatd.client.alarms().alarms
        (alarm,) = [alarm for alarm in alarms if "history" in alarm.text]
        assert alarm.severity == "major"
        assert "commit 1 of" in alarm.text
        assert "commit 2 cannot be used" in alarm.text
        assert seen_from(running) in addresses("a")
    finally:
        running.snatd.kill()
        newest.write_bytes((running.lab.folder / "kept-state" / "history" / newest.name).read_bytes())
        running.snatd.start()
        running.snatd.kill()
    assert seen_from(running) in addresses("c")


def test_begin_anew_replaces_the_running_commit_once(running: Gateway, tmp_path: Path) -> None:
    """The last test: the profile is committed in place of what runs, and nothing leaks meanwhile."""
    moved(running.snatd.state)
    profile = tmp_path / "profile.yaml"
    profile.write_text(yaml.safe_dump(document(running.hook)))
    before = running.lab["gateway"].run("tc", "filter", "show", "dev", "eth1", "egress").stdout
    with no_leak(running.lab):
        running.lab["gateway"].run(*running.snatd.command("--begin-anew"))
        assert running.lab["gateway"].run("tc", "filter", "show", "dev", "eth1", "egress").stdout == before
        assert seen_from(running) in addresses("c")
        running.snatd.start(profile)
        assert seen_from(running) in addresses("a")
    running.snatd.kill()
    moved(running.snatd.state)
    assert "commit 1" in refused_once(running)
    shutil.rmtree(running.lab.folder / "kept-state")
    (running.lab.folder / "kept-state").mkdir()


def refused_once(gateway: Gateway) -> str:
    """Permission to begin anew serves one start."""
    done = gateway.lab["gateway"].run(*gateway.snatd.command(), check=False, timeout=20)
    assert done.returncode == 1
    return done.stderr
