# SPDX-License-Identifier: Apache-2.0
"""Start, stop and conflicts between instances; failed commits and damaged histories."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from snatsh.api.configuration import Statement
from snatsh.client import Rejected
from snatsh.daemon.privileges import NEEDED
from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import demo
from tests.e2e import datapaths
from tests.e2e.harness import Gateway, addresses, document, running_gateway, seen_from

OPERATORS, ADMINS, VIEWERS = 64_001, 64_002, 64_003


@pytest.fixture
def hook() -> str:
    """Nothing here depends on it."""
    return "auto"


@pytest.fixture(scope="module")
def shared() -> Iterator[Gateway]:
    """A gateway for tests that leave it as they found it."""
    with running_gateway("auto") as running:
        yield running


def fails(snatd: Snatd, *options: str) -> str:
    """Run a snatd that is to end by itself with an error; what it said."""
    done = snatd.lab[snatd.node].run(*snatd.command(*options), check=False, timeout=20)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


def beside(gateway: Gateway, name: str) -> Snatd:
    """Another snatd in the same node, with separate socket, state and pins."""
    other = Snatd(gateway.lab)
    other.socket = gateway.lab.folder / f"{name}.sock"
    other.state = gateway.lab.folder / f"{name}-state"
    other.pins = gateway.lab.pins / name
    return other


def history_files(snatd: Snatd) -> list[Path]:
    return sorted((snatd.state / "history").glob("*.yaml"))


def pid_of(snatd: Snatd) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(snatd.socket))
        return int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), "little")


def test_second_snatd_on_the_same_state_folder_is_refused(shared: Gateway) -> None:
    second = beside(shared, "second")
    second.state = shared.snatd.state
    said = fails(second)
    assert str(second.state) in said
    assert f"pid {pid_of(shared.snatd)}" in said


def test_second_snatd_on_the_same_pins_is_refused(shared: Gateway) -> None:
    second = beside(shared, "second")
    second.pins = shared.snatd.pins
    assert str(second.pins) in fails(second)
    assert not second.state.exists()


def test_second_snatd_on_the_same_socket_is_refused(shared: Gateway) -> None:
    second = beside(shared, "second")
    second.socket = shared.snatd.socket
    assert str(second.socket) in fails(second)
    assert shared.snatd.client.version().api == 1


def test_second_snatd_in_the_same_namespace_is_refused(shared: Gateway) -> None:
    second = beside(shared, "second")
    said = fails(second)
    assert "network namespace" in said
    assert f"pid {pid_of(shared.snatd)}" in said
    assert "network namespace" in fails(second, "--remove")
    assert not second.socket.exists()


def test_socket_path_occupied_by_another_file_is_refused(shared: Gateway) -> None:
    second = beside(shared, "second")
    second.socket.write_text("precious")
    assert "not a socket" in fails(second)
    assert second.socket.read_text() == "precious"
    second.socket.unlink()


def test_too_long_socket_path_is_refused(shared: Gateway) -> None:
    second = beside(shared, "second")
    second.socket = second.socket.with_name("s" * 120)
    assert "107" in fails(second)


def test_pin_folder_outside_bpffs_is_refused(shared: Gateway, tmp_path: Path) -> None:
    second = beside(shared, "second")
    second.pins = tmp_path / "pins"
    assert "mount -t bpf" in fails(second)
    check = shared.lab["gateway"].run(*second.command("--check"), check=False)
    assert check.returncode == 1
    assert any(line.startswith("FAIL  bpffs") for line in check.stdout.splitlines())
    assert "FAIL  history: lacks the commit that runs" in check.stdout  # its state folder is another one


def test_check_beside_a_running_snatd(shared: Gateway) -> None:
    before = sorted(shared.lab.pins.iterdir())
    done = shared.lab["gateway"].run(*shared.snatd.command("--check"))
    assert "FAIL" not in done.stdout
    assert {"ok", "warn"} >= {line.split()[0] for line in done.stdout.splitlines()}
    assert sorted(shared.lab.pins.iterdir()) == before
    assert seen_from(shared) in addresses("a")


def test_snatd_has_only_the_capabilities_it_needs(shared: Gateway) -> None:
    needed = f"{sum(1 << capability for capability in NEEDED):016x}"
    for task in Path(f"/proc/{pid_of(shared.snatd)}/task").iterdir():
        fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        assert {fields[name].strip() for name in ("CapEff", "CapPrm", "CapBnd")} == {needed}
        assert fields["NoNewPrivs"].strip() == "1"


def test_two_gateways_on_one_host(shared: Gateway) -> None:
    other = Snatd(shared.lab, "isp-a")
    profile = shared.lab.folder / "other.yaml"
    profile.write_text(yaml.safe_dump({"interfaces": {"eth1": {"role": "outside"}}}))
    other.start(profile)
    try:
        assert [row.name for row in other.client.interfaces()] == ["eth1"]
        assert len(shared.snatd.client.interfaces()) == 3
        assert other.stop() == 0
        shared.lab["isp-a"].run(*other.command("--remove"))
        assert "xdp" not in shared.lab["isp-a"].run("ip", "link").stdout
        assert not other.pins.exists()
    finally:
        other.stop()
    assert seen_from(shared) in addresses("a")


def test_pins_in_use_in_another_namespace_are_left_alone(shared: Gateway) -> None:
    snatd, elsewhere = shared.snatd, shared.lab["isp-a"]
    snatd.kill()
    try:
        before = sorted(shared.lab.pins.iterdir())
        for option in ("--remove", ""):
            done = elsewhere.run(*snatd.command(*option.split()), check=False, timeout=20)
            assert done.returncode == 1
            assert "runs in another network namespace; nothing was changed" in done.stderr
            assert "found: hooks on eth0, eth1, eth2 in the namespace of " in done.stderr
            path = done.stderr.partition("nsenter --net=")[2].split()[0]
            assert Path(path).stat().st_ino == shared.lab["gateway"].path.stat().st_ino
        contained = 'umount --lazy --recursive /run/netns && exec "$@"'  # and no process of the host is seen
        container = ("unshare", "--pid", "--mount", "--fork", "--mount-proc", "sh", "-c", contained, "sh")
        done = elsewhere.run(*container, *snatd.command("--remove"), check=False, timeout=20)
        assert done.returncode == 1
        assert "which cannot be found or entered from here" in done.stderr
        assert sorted(shared.lab.pins.iterdir()) == before
        assert (
            "tc_outside_out"
            in shared.lab["gateway"].run("tc", "filter", "show", "dev", "eth1", "egress").stdout
        )
        assert seen_from(shared) in addresses("a")
    finally:
        snatd.start()


def test_removing_nothing_says_so(shared: Gateway) -> None:
    other = Snatd(shared.lab, "isp-a")
    done = shared.lab["isp-a"].run(*other.command("--remove"))
    assert "nothing of snatsh was attached in this network namespace or pinned in" in done.stderr


def test_sigterm_and_sigint_leave_the_datapath_running(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid_of(snatd), number)
        assert snatd.stop() == 0
        assert not snatd.socket.exists()
        assert seen_from(gateway) in addresses("a")
        snatd.start()
        assert snatd.log.read_text().rpartition("datapath ")[2].startswith("adopted")


def test_flows_of_a_version_with_another_layout_are_reported_lost(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    assert snatd.stop() == 0
    (snatd.pins / "v12-4096").mkdir()
    snatd.start()
    assert "v12-4096 cannot be taken over" in snatd.log.read_text()
    assert seen_from(gateway) in addresses("a")
    gateway.commit("set rules 10 pool c")
    assert not (snatd.pins / "v12-4096").exists()


def test_stale_socket_of_a_killed_snatd_is_replaced(fresh_gateway: Gateway) -> None:
    snatd = fresh_gateway.snatd
    snatd.kill()
    assert snatd.socket.exists()
    snatd.start()
    assert snatd.client.version().api == 1


def test_damaged_newest_commit_falls_back_to_the_previous_one(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    gateway.commit("set rules 10 pool c")
    assert snatd.stop() == 0
    newest = history_files(snatd)[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    snatd.start()
    assert str(newest) in snatd.log.read_text()
    assert snatd.client.configuration() == document("auto")
    assert seen_from(gateway) in addresses("a")
    gateway.commit("set rules 10 pool c")
    assert seen_from(gateway) in addresses("c")
    assert snatd.client.history()[1].method == "profile"


def test_start_without_any_readable_commit_changes_nothing(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    assert snatd.stop() == 0
    for path in history_files(snatd):
        path.write_text("nonsense")
    said = fails(snatd)
    assert str(snatd.state) in said
    assert seen_from(gateway) in addresses("a")


def hooks(snatd: Snatd) -> list[tuple[str, str | None, str | None]]:
    return [(row.name, row.role, row.hook) for row in snatd.client.interfaces()]


def test_commit_is_undone_when_attaching_fails(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    box = gateway.lab["gateway"]
    smaller = document("auto")
    del smaller["interfaces"]["eth2"], smaller["links"], smaller["rules"]["20"]
    snatd.client.replace_candidate(smaller)
    snatd.client.commit()
    history, attached = snatd.client.history(), hooks(snatd)
    box.run("ip", "link", "add", "zbridge", "type", "bridge")  # has no native XDP
    bigger = document("auto", pool_a="c")
    bigger["interfaces"]["zbridge"] = {"role": "outside", "hook": "xdp"}
    snatd.client.replace_candidate(bigger)
    with pytest.raises(Rejected, match=r"attaching to the interfaces failed: .*zbridge"):
        snatd.client.commit()
    assert snatd.client.history() == history
    assert hooks(snatd) == attached
    assert snatd.client.candidate().changed
    assert "clsact" not in box.run("tc", "qdisc", "show", "dev", "eth2").stdout
    assert "xdp" not in box.run("ip", "link", "show", "eth2").stdout
    assert seen_from(gateway) in addresses("a")


def test_commit_is_undone_when_the_history_cannot_be_written(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    history, files = snatd.client.history(), history_files(snatd)
    snatd.client.edit([Statement("set", ["rules", "10", "pool", "c"])])
    (snatd.state / "history" / ".pending").symlink_to("/dev/full")
    with pytest.raises(Rejected, match=r"writing the history failed: .*No space left"):
        snatd.client.commit()
    in_the_way = snatd.state / "history" / "0000000002.yaml"
    in_the_way.mkdir()
    with pytest.raises(Rejected, match="publishing the history"):
        snatd.client.commit()
    assert seen_from(gateway) in addresses("a")  # after the flip there and back
    assert snatd.client.history() == history
    in_the_way.rmdir()
    assert history_files(snatd) == files
    assert snatd.client.commit().number == 0
    assert seen_from(gateway) in addresses("c")


def test_invalid_first_profile_leaves_nothing_attached(shared: Gateway) -> None:
    """A failure after the datapath was loaded, of a snatd that never ran anything."""
    other = Snatd(shared.lab, "lan")
    profile = shared.lab.folder / "other.yaml"
    # A bridge has no native XDP.
    profile.write_text(yaml.safe_dump({"interfaces": {"bridge": {"role": "outside", "hook": "xdp"}}}))
    assert "bridge" in fails(other, "--profile", str(profile))
    assert not other.state.exists()
    assert not other.pins.exists()


@pytest.fixture
def with_groups(tmp_path: Path) -> Iterator[Snatd]:
    """A snatd with a private /etc/group, and a socket open to everyone."""
    groups = tmp_path / "group"
    names = {"snatsh": VIEWERS, "snatsh-operator": OPERATORS, "snatsh-admin": ADMINS}
    lines = "".join(f"{name}:x:{number}:\n" for name, number in names.items())
    groups.write_text(Path("/etc/group").read_text() + lines)
    with Lab(demo()) as lab:
        snatd = Snatd(lab)
        plain = snatd.command

        def command(*options: str) -> list[str]:
            script = f'mount --bind {groups} /etc/group && exec "$@"'
            return ["unshare", "--mount", "sh", "-c", script, "sh", *plain(*options)]

        snatd.command = command  # type: ignore[method-assign]
        with datapaths.lent(snatd, "auto"):
            snatd.start()
            yield snatd


def test_unix_groups_decide_the_role(with_groups: Snatd) -> None:
    snatd = with_groups
    assert snatd.socket.stat().st_mode & 0o777 == 0o660
    assert snatd.socket.stat().st_gid == VIEWERS

    def run(command: str, *groups: int) -> subprocess.CompletedProcess[str]:
        """One command of the shell as a stranger who is in these groups and may read this repository."""
        reads_all = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        who = ("--reuid=64000", "--regid=64000", f"--groups={','.join(map(str, groups))}", *reads_all)
        environment = {**os.environ, "SNATSH_SOCKET": str(snatd.socket)}
        return subprocess.run(
            ["setpriv", *who, SNATSH, "-c", command],
            capture_output=True, text=True, check=False, env=environment, timeout=30,
        )  # fmt: skip

    def role(*groups: int) -> str:
        answer = json.loads(run("show version | json", *groups).stdout)
        assert answer["user"] == "64000"
        return str(answer["role"])

    assert run("show version", 64000).returncode != 0
    assert role(VIEWERS) == "view"
    assert role(VIEWERS, OPERATORS) == "operator"
    assert role(VIEWERS, OPERATORS, ADMINS) == "admin"
    refused = run("clear flows all", VIEWERS)
    assert refused.returncode != 0
    assert "snatsh-operator" in refused.stderr
    assert run("clear flows all", VIEWERS, OPERATORS).returncode == 0
    record = [json.loads(line) for line in (snatd.state / "audit.log").read_text().splitlines()]
    requests = [entry for entry in record if "method" in entry]  # the others are the commands themselves
    assert [(entry["uid"], entry["method"], entry["result"]) for entry in requests] == [
        (64000, "DELETE", 403),
        (64000, "DELETE", 200),
    ]
