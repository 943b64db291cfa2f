# SPDX-License-Identifier: Apache-2.0
"""What commit check and alarms say of the host."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from snatsh.lab.services import ECHO_PORT
from tests.e2e.harness import VIA_A, Gateway
from tests.waiting import wait

Box = Callable[..., str]
"""Runs a command on the gateway."""


def box_of(gateway: Gateway) -> Box:
    def run(*argv: str, stdin: str | None = None) -> str:
        return gateway.lab["gateway"].run(*argv, stdin=stdin).stdout

    return run


def alarms(gateway: Gateway) -> dict[str, str]:
    """The alarms by their text, with their class."""
    return {alarm.text: alarm.severity for alarm in gateway.snatd.client.alarms().alarms}


def said(gateway: Gateway) -> list[str]:
    """The warnings of `commit check`."""
    return [f"{' '.join(row.path)} {row.reason}" for row in gateway.snatd.client.commit(check=True).warnings]


def is_found(gateway: Gateway, text: str, severity: str = "") -> None:
    """A warning and, with a class, an alarm of it have this text."""
    assert [warning for warning in said(gateway) if text in warning], (text, said(gateway))
    expected = {severity} if severity else set()
    wait(lambda: {found for alarm, found in alarms(gateway).items() if text in alarm} == expected, text)


def is_gone(gateway: Gateway, text: str) -> None:
    assert not [warning for warning in said(gateway) if text in warning]
    wait(lambda: not [alarm for alarm in alarms(gateway) if text in alarm], f"no alarm: {text}")


def udp_seen_from(gateway: Gateway, tos: int = 0) -> str:
    """The source address that the server sees of a new UDP flow."""
    with gateway.client.entered():
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        asking.settimeout(0.5)
        for _ in range(20):
            with suppress(TimeoutError):
                asking.sendto(b"x", (VIA_A, ECHO_PORT))
                return asking.recv(100).decode().split()[0]
    return ""
