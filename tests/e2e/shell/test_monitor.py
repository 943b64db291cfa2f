# SPDX-License-Identifier: Apache-2.0
"""Commands that run until a key is pressed: `monitor` and `| refresh`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Gateway
from tests.e2e.terminals import STARTS, Terminal

REFRESHED = r"---\(refreshed at [-0-9]+ [:0-9]+\)---\r\n"


@pytest.fixture(scope="module")
def terminal(box: Gateway) -> Iterator[Terminal]:
    box.client.run("ping", "-c", "2", "-i", "0.2", "8.8.8.8")
    opened = Terminal(box, "vt100")
    yield opened
    opened.child.close(force=True)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("monitor flows interval 1", r"icmp +192\.168\.40\.9:\d+ +8\.8\.8\.8"),
        ("monitor pools interval 1", r"\r\na +11 "),
        ("monitor links interval 1", r"\r\nisp-a +eth1 +1\.1\.2\.1 +up"),
        ("show rules | match 192 | refresh 1", r"\r\n +1 +10 +source 192\.168\.40\.0/24"),
    ],
)
def test_refresh_repeats_until_a_key_is_pressed(terminal: Terminal, command: str, shown: str) -> None:
    terminal.press(f"{command}\r", shown)
    terminal.expect(REFRESHED)
    terminal.expect(shown)
    terminal.press("q", rf"\r\n{STARTS}\S*> $")


def test_monitored_interfaces_show_their_traffic(terminal: Terminal, box: Gateway) -> None:
    row = r"\r\neth1 +outside +up +"
    terminal.press("monitor interfaces interval 1\r", rf"{row}- +- +- +- +\S+ +\S+ +0\r\n")
    ping = box.lab.spawn("client-a", "ping", "-q", "-i", "0.05", "-w", "30", "8.8.8.8", log="watched.log")
    terminal.expect(rf"{row}[1-9]\d* +[1-9]\S* +[1-9]\d* +[1-9]\S* +\S+ +\S+ +0\r\n")
    ping.kill()
    terminal.press("q", rf"\r\n{STARTS}\S*> $")


def test_refresh_ends_when_its_command_fails(terminal: Terminal) -> None:
    assert "no pool nowhere" in terminal.run("show pools nowhere | refresh 1")


def test_monitor_trace_runs_until_a_key_is_pressed(terminal: Terminal, box: Gateway) -> None:
    ping = box.lab.spawn("client-a", "ping", "-q", "-i", "0.2", "-w", "60", "8.8.8.8", log="traced.log")
    terminal.press(
        "monitor trace protocol icmp\r", r"8\.8\.8\.8:\d+ ttl 64 length 84: translated, 1\.1\.2\.\d+"
    )
    terminal.press("q", rf"\r\n{STARTS}\S*> $")
    ping.kill()
    assert box.snatd.shell("monitor trace seconds 1").stdout.endswith("trace ended\n")
