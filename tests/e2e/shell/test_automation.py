# SPDX-License-Identifier: Apache-2.0
"""Unmodified Juniper drivers of Netmiko and scrapli against a gateway over OpenSSH."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from netmiko import ConnectHandler
from scrapli.driver.core import JunosDriver

from tests.e2e.ssh_gateway import PORT, SshGateway

STATEMENTS = [
    "set rules 30 source 10.99.0.0/16",
    "set rules 30 pool c",
    'set rules 30 description "a > b # c"',
]


@pytest.fixture
def gateway(ssh_box: SshGateway) -> Iterator[SshGateway]:
    """With the profile it started with, and no commit waiting; the test's own connections stay in there."""
    with ssh_box.lab["gateway"].entered():
        yield ssh_box
    ssh_box.reset()


def netmiko(gateway: SshGateway, user: str = "alice", **options: Any) -> Any:
    return ConnectHandler(
        device_type="juniper_junos", host="127.0.0.1", port=PORT, username=user, use_keys=True,
        key_file=str(gateway.key), allow_agent=False, **options,
    )  # fmt: skip


def scrapli(gateway: SshGateway, user: str = "alice", **options: Any) -> JunosDriver:
    return JunosDriver(
        host="127.0.0.1", port=PORT, auth_username=user, auth_private_key=str(gateway.key),
        auth_strict_key=False, ssh_config_file="/dev/null", timeout_ops=15, **options,
    )  # fmt: skip


def running(gateway: SshGateway) -> dict[str, Any]:
    return gateway.snatd.client.configuration()


@pytest.mark.parametrize("user", ["alice", "root"])
def test_netmiko_reads_and_configures(gateway: SshGateway, user: str) -> None:
    with netmiko(gateway, user) as device:
        assert "isp-a" in device.send_command("show links")
        assert json.loads(device.send_command("show pools | display json"))[0]["name"] == "a"
        device.send_config_set(STATEMENTS, exit_config_mode=False)
        assert device.check_config_mode()
        assert "configuration check succeeds" in device.commit(check=True)
        assert "30" not in running(gateway)["rules"]
        assert "commit complete" in device.commit(comment="by a driver", and_quit=True)
        assert not device.check_config_mode()
        assert running(gateway)["rules"]["30"]["description"] == "a > b # c"
        assert "by a driver" in device.send_command("show system commit")


@pytest.mark.parametrize("user", ["alice", "root"])
def test_netmiko_while_a_commit_is_pending(gateway: SshGateway, user: str) -> None:
    with netmiko(gateway, user) as device:
        device.send_config_set(STATEMENTS, exit_config_mode=False)
        output = device.commit(confirm=True, confirm_delay=7)
        assert "commit confirmed will be automatically rolled back in 7 minutes unless confirmed" in output
        device.exit_config_mode()
        assert not device.check_config_mode()
        with netmiko(gateway, user) as other:
            assert not other.check_config_mode()
            assert "commit confirmed by" in other.send_command("show system commit")
            assert json.loads(other.send_command("show configuration rules 30 | display json"))["pool"] == "c"
            assert "commit complete" in other.commit(comment="confirmed")
        assert gateway.snatd.client.commits().pending is None
        assert "30" in running(gateway)["rules"]


def test_netmiko_rolls_back_and_leaves_with_changes(gateway: SshGateway) -> None:
    with netmiko(gateway) as device:
        device.send_config_set(STATEMENTS, exit_config_mode=False)
        assert "load complete" in device.send_command("rollback 0", expect_string=r"#")
        assert not gateway.snatd.client.candidate().changed
        device.send_config_set(STATEMENTS)  # leaves, and says yes
        assert not device.check_config_mode()
    assert gateway.snatd.client.candidate().changed


def test_netmiko_detects_failures(gateway: SshGateway) -> None:
    with netmiko(gateway) as device:
        assert "unknown command" in device.send_command("show nonsense")
        device.send_config_set(["set rules 10 pool nowhere"], exit_config_mode=False)
        with pytest.raises(ValueError, match="error: commit failed"):
            device.commit()
        with pytest.raises(Exception, match=r"syntax error|is ambiguous"):
            device.send_config_set(["set rulez 1"], error_pattern=r"syntax error|is ambiguous")


def test_netmiko_sends_lines_over_4000_characters(gateway: SshGateway) -> None:
    addresses = [f"198.51.{number // 250}.{number % 250}" for number in range(400)]
    with netmiko(gateway) as device:
        device.send_config_set([f"set pools long address [ {' '.join(addresses)} ]"], read_timeout=30)
    assert gateway.snatd.client.candidate().document["pools"]["long"]["address"] == addresses


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
@pytest.mark.parametrize("user", ["alice", "root"])
def test_scrapli_reads_and_configures(
    gateway: SshGateway, user: str, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    with scrapli(gateway, user) as device:
        assert "isp-a" in device.send_command("show links").result
        assert json.loads(device.send_command("show pools | display json").result)[0]["name"] == "a"
        assert not device.send_configs(STATEMENTS).failed
        assert device.send_config("set rulez").failed
        assert "configuration check succeeds" in device.send_config("commit check").result
        assert "commit complete" in device.send_config('commit comment "by scrapli"').result
        assert running(gateway)["rules"]["30"]["pool"] == "c"


@pytest.mark.parametrize("privilege", ["configuration_private", "configuration_exclusive"])
def test_scrapli_enters_every_mode(gateway: SshGateway, privilege: str) -> None:
    with scrapli(gateway) as device:
        device.send_configs(STATEMENTS, privilege_level=privilege, stop_on_failed=True)
        output = device.send_config("commit confirmed 5", privilege_level=privilege).result
        assert "will be automatically rolled back in 5 minutes" in output
        assert "commit complete" in device.send_config("commit", privilege_level=privilege).result
        assert "isp-a" in device.send_command("show links").result
    assert running(gateway)["rules"]["30"]["pool"] == "c"


def test_scrapli_while_a_commit_is_pending(gateway: SshGateway) -> None:
    with scrapli(gateway) as device:
        device.send_configs(STATEMENTS)
        device.send_config("commit confirmed 5")
        with scrapli(gateway, "root") as other:
            assert "30" in json.loads(other.send_command("show configuration rules | display json").result)
            assert "rolled back" in other.send_command("request system commit abort").result
    deadline = time.monotonic() + 15
    while "30" in running(gateway)["rules"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
