# SPDX-License-Identifier: Apache-2.0
"""A pool address that is drained: no new flows, the others go on, over a restart, until it is restored."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from snatsh.lab.services import ECHO_PORT
from tests.e2e.harness import VIA_A, Gateway, document, seen_from

KEPT, DRAINED = "1.1.2.100", "1.1.2.101"
SAID = f"{DRAINED} of pool a is drained by order of root"


@pytest.fixture
def two(gateway: Gateway) -> Iterator[Gateway]:
    """Pool a has two addresses, which flows get in turn."""
    wanted = document(gateway.hook)
    wanted["pools"]["a"]["address"] = [f"{KEPT}-{DRAINED}"]
    wanted["rules"]["10"]["algorithm"] = "round-robin"
    gateway.snatd.client.replace_candidate(wanted)
    gateway.snatd.client.commit()
    yield gateway
    gateway.reset()


def sources(gateway: Gateway) -> set[str]:
    return {seen_from(gateway) for _ in range(8)}


def test_drained_address_gets_no_new_flows(two: Gateway) -> None:
    shell, client = two.snatd.shell, two.snatd.client
    assert sources(two) == {KEPT, DRAINED}
    client.end_flows()
    with ExitStack() as stack:
        with two.client.entered():
            held = [stack.enter_context(socket.create_connection((VIA_A, ECHO_PORT), 5)) for _ in range(4)]
        mapped = {connection.recv(100).split()[0].decode() for connection in held}
        assert mapped == {KEPT, DRAINED}
        assert "gets no new flows" in shell(f"request pool drain {DRAINED}").stdout
        assert sources(two) == {KEPT}
        assert f"{SAID}: 2 flows left\n" in shell("show pools").stdout
        two.snatd.kill()
        two.snatd.start()
        assert sources(two) == {KEPT}
        for connection in held:
            connection.sendall(b"x")
            assert connection.recv(100) == b"x"
    assert "commit complete" in two.commit('set rules 10 description "no matter"')
    assert sources(two) == {KEPT}
    client.end_flows()
    assert f"{SAID}: 0 flows left\n" in shell("show pools").stdout
    shell(f"request pool restore {DRAINED}")
    assert sources(two) == {KEPT, DRAINED}
    assert "drained" not in shell("show pools").stdout


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("request pool drain 1.1.2.99", "1.1.2.99: expected an address of a pool"),
        (f"request pool restore {KEPT}", f"{KEPT}: expected an address that is drained"),
        ("request pool drain 1.1.2", "expected an address"),
    ],
)
def test_wrong_address_is_refused(two: Gateway, command: str, expected: str) -> None:
    done = two.snatd.shell(command, check=False)
    assert done.returncode == 1
    assert expected in done.stderr
