# SPDX-License-Identifier: Apache-2.0
"""Links over time: loss, flapping, double failure, a killed snatd, manual control, ended flows."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from snatsh.lab.watch import Watch
from tests.e2e.flow_stream import Stream
from tests.e2e.harness import VIA_A, VIA_B, Gateway, edit_record, no_leak
from tests.e2e.link_failures import (
    OWN,
    A,
    B,
    cable_down,
    commit,
    packets_lost,
    row,
    seen_from,
    target_dead,
    wait,
    wait_state,
    with_monitors,
)

ECHO = 7


@pytest.fixture(scope="module", params=["xdp"])
def hook(request: pytest.FixtureRequest) -> str:
    """What is tested here is snatd's; the datapath's part is in test_links, in both modes."""
    return str(request.param)


@pytest.mark.parametrize(
    "probe",
    [
        {"arp": {"target": ["1.1.2.1"]}},
        {"tcp": {"target": [VIA_B], "port": ECHO}},
        {"http": {"target": [VIA_B], "path": "/bytes/10"}},
    ],
    ids=["arp", "tcp", "http"],
)
def test_probes_of_every_kind_leave_by_their_link(gateway: Gateway, probe: dict[str, object]) -> None:
    wanted = with_monitors(gateway.hook)
    wanted["links"]["isp-a"]["monitor"] = {"interval": 100, **probe}
    expression = "src host 1.1.2.2 and (arp or dst host 203.0.113.9)"
    with Watch(gateway.lab["isp-a"], "eth0", expression) as seen:
        commit(gateway, wanted)
        wait(lambda: row(gateway).rtt is not None, "round trips")
        assert row(gateway).loss == 0
        assert seen.count() >= 10
    kind = next(iter(probe))
    [target] = next(one for one in gateway.snatd.client.link_series() if one.name == "isp-a").targets
    assert (target.kind, target.up) == (kind, True)
    if kind != "arp":
        repair = target_dead(gateway)
        wait_state(gateway, "down")
        assert kind in row(gateway).reason
        repair()
        wait_state(gateway, "up")
    if kind == "http":
        wanted["links"]["isp-a"]["monitor"]["http"]["port"] = ECHO  # which speaks, but not HTTP
        commit(gateway, wanted)
        wait_state(gateway, "down")


@pytest.mark.parametrize(("change", "series"), [("deleted", 0), ("renamed", 1), ("unmonitored", 0)])
def test_probes_of_a_deleted_link_end(gateway: Gateway, change: str, series: int) -> None:
    wanted = with_monitors(gateway.hook)
    commit(gateway, wanted)
    wait(lambda: row(gateway).rtt is not None, "round trips")
    if change == "unmonitored":
        del wanted["links"]["isp-a"]["monitor"]
    else:
        wanted["links"]["isp-b"].pop("backup")
        link = wanted["links"].pop("isp-a")
        if change == "renamed":
            wanted["links"]["uplink"] = link
    commit(gateway, wanted)
    time.sleep(0.1)  # what is on its way
    with Watch(gateway.lab["isp-a"], "eth0", f"icmp and src host 1.1.2.2 and dst host {VIA_B}") as seen:
        time.sleep(1.05)
        assert 8 * series <= seen.count() <= 12 * series
    commit(gateway, with_monitors(gateway.hook))
    wait_state(gateway, "up")


def test_require_all_any_or_quorum_of_targets(gateway: Gateway) -> None:
    targets = {"icmp": {"target": [VIA_B, VIA_A, "192.0.2.1"]}}
    for require, state in (("any", "up"), ("quorum", "up"), ("all", "down")):
        wanted = with_monitors(gateway.hook)
        wanted["links"]["isp-a"]["monitor"] |= {**targets, "require": require}
        commit(gateway, wanted)
        wait(lambda: "192.0.2.1" in row(gateway).reason, "the target that is not there")
        wait_state(gateway, state)
    commit(gateway, with_monitors(gateway.hook))
    wait_state(gateway, "up")


def test_lossy_link_is_degraded_and_stays_in_use(gateway: Gateway) -> None:
    wanted = with_monitors(gateway.hook, fail=20)
    wanted["links"]["isp-a"]["monitor"]["loss-threshold"] = 10
    commit(gateway, wanted)
    wait_state(gateway, "up")
    with no_leak(gateway.lab, OWN):
        repair = packets_lost(gateway, 0.3)
        wait_state(gateway, "degraded")
        assert row(gateway).failed_over == []
        wait(lambda: seen_from(gateway) in A, "a new flow by the link that loses packets")
        assert "lost" in row(gateway).reason
        repair()
        wait_state(gateway, "up")


def test_flapping_link_is_held_down(gateway: Gateway) -> None:
    wanted = with_monitors(gateway.hook)
    wanted["links"]["isp-a"] |= {"hold-down": 1, "hold-down-limit": 60}
    del wanted["links"]["isp-b"]["monitor"]  # it goes on, whatever the machine does to probes
    commit(gateway, wanted)
    wait_state(gateway, "up")
    kept = gateway.snatd.state / "links.json"
    with no_leak(gateway.lab, OWN):
        repair = cable_down(gateway)
        wait_state(gateway, "down")
        once = time.monotonic()
        repair()
        wait_state(gateway, "up")
        once = time.monotonic() - once
        cable_down(gateway)
        wait_state(gateway, "down")
        wait(lambda: json.loads(kept.read_text())["isp-a"]["falls"] == 2, "two falls written down")
        with Stream(gateway.client, VIA_A) as stream:
            for _ in range(5):
                repair()
                cable_down(gateway)
            begun = time.monotonic()  # each fall starts the hold-down again, however short it was
            repair()
            wait_state(gateway, "up")
            twice = time.monotonic() - begun
    assert once >= 1
    assert twice >= 2  # and it doubles
    during = {one.source for one in stream.attempts if begun <= one.at < begun + 1}
    assert during & B
    assert not during & A


def test_nothing_leaks_while_both_links_are_down(gateway: Gateway) -> None:
    commit(gateway, with_monitors(gateway.hook))
    written = gateway.snatd.client.configuration()
    with no_leak(gateway.lab, OWN):
        repairs = [cable_down(gateway, "isp-a"), cable_down(gateway, "isp-b")]
        wait_state(gateway, "down", "isp-a")
        wait_state(gateway, "down", "isp-b")
        assert seen_from(gateway) == ""
        for repair in repairs:
            repair()
        wait_state(gateway, "up", "isp-a")
        wait_state(gateway, "up", "isp-b")
        wait(lambda: seen_from(gateway) in A, "traffic by isp-a")
    assert gateway.snatd.client.configuration() == written


def test_link_is_down_when_its_route_is_withdrawn(gateway: Gateway) -> None:
    """Else what has isp-a's addresses left by isp-b, where the other default route leads."""
    box, wanted = gateway.lab["gateway"], with_monitors(gateway.hook, hold_down=0)
    wanted["rules"] = {"10": {"source": "192.168.40.0/24", "pool": "a"}}
    box.run("ip", "route", "add", "default", "via", "1.1.3.1", "metric", "100")
    commit(gateway, wanted)
    wait_state(gateway, "up")
    with no_leak(gateway.lab, OWN):
        wait(lambda: seen_from(gateway) in A, "new flows by isp-a")
        box.run("ip", "route", "del", "default", "via", "1.1.2.1")
        wait_state(gateway, "down")
        assert "no route goes by next hop 1.1.2.1" in row(gateway).reason
        wait(lambda: row(gateway).failed_over == [10], "the switch")
        assert seen_from(gateway) in B  # with isp-b's addresses
        box.run("ip", "route", "add", "default", "via", "1.1.2.1")
        wait_state(gateway, "up")
        wait(lambda: row(gateway).failed_over == [], "the switch back")
        assert seen_from(gateway) in A
    box.run("ip", "route", "del", "default", "via", "1.1.3.1")


def test_snatd_killed_during_a_failover_resumes_it(gateway: Gateway) -> None:
    commit(gateway, with_monitors(gateway.hook))
    written, history = gateway.snatd.client.configuration(), gateway.snatd.client.history()
    wait_state(gateway, "up")
    with no_leak(gateway.lab, OWN):
        repair = target_dead(gateway)
        wait_state(gateway, "down")
        kept = gateway.snatd.state / "links.json"
        wait(lambda: kept.exists() and json.loads(kept.read_text())["isp-a"]["state"] == "down", "it kept")
        gateway.snatd.kill()
        assert seen_from(gateway) in B
        # A clock that is put back: what was written down lies in the future.
        since = datetime.now(UTC) + timedelta(days=400)
        edit_record(kept, lambda links: links["isp-a"].update(since=since.isoformat()))
        gateway.snatd.start()
        assert row(gateway).state == "down"
        assert datetime.fromisoformat(row(gateway).since) <= datetime.now(UTC)
        assert seen_from(gateway) in B
        repair()
        wait_state(gateway, "up")
        wait(lambda: seen_from(gateway) in A, "traffic by isp-a")
    assert (gateway.snatd.client.configuration(), gateway.snatd.client.history()) == (written, history)


def test_manual_orders_survive_a_restart_of_snatd(gateway: Gateway) -> None:
    commit(gateway, with_monitors(gateway.hook))
    wait_state(gateway, "up")
    with no_leak(gateway.lab, OWN):
        said = gateway.snatd.shell("request link isp-a drain").stdout
        assert said.startswith("link isp-a is drained: by order of root")
        wait(lambda: seen_from(gateway) in B, "new flows by isp-b")
        gateway.snatd.kill()
        gateway.snatd.start()
        assert row(gateway).state == "drained"
        assert seen_from(gateway) in B
        gateway.snatd.shell("request link isp-a up")
        wait(lambda: seen_from(gateway) in A, "new flows by isp-a")
        refused = gateway.snatd.shell("request link isp-x down", check=False)
        assert refused.returncode != 0
        assert "isp-x" in refused.stderr
        assert gateway.snatd.shell("request link isp-a sideways", check=False).returncode != 0


def test_subscribers_of_a_failed_link_get_a_reset(gateway: Gateway) -> None:
    """From the gateway itself: no packet of theirs goes anywhere."""
    wanted = with_monitors(gateway.hook)
    wanted["links"]["isp-a"]["flows"] = "end"
    del wanted["links"]["isp-a"]["backup"]
    commit(gateway, wanted)
    wait_state(gateway, "up")
    wait(lambda: seen_from(gateway) in A, "new flows by isp-a")
    server = gateway.lab["server"]
    with (
        no_leak(gateway.lab, OWN),
        Watch(server, "eth0", f"tcp port {ECHO}") as by_a,
        Watch(server, "eth1", f"tcp port {ECHO}") as by_b,
        gateway.client.entered(),
        ExitStack() as stack,
    ):
        open_ones = [
            stack.enter_context(socket.create_connection((VIA_A, ECHO), timeout=10)) for _ in range(20)
        ]
        for connection in open_ones:
            assert connection.recv(100).split()[0].decode() in A
        time.sleep(0.1)  # the last acknowledgement
        repair = target_dead(gateway)
        reached = by_a.count()
        wait_state(gateway, "down")
        for connection in open_ones:  # silent ones
            with pytest.raises(ConnectionResetError):
                connection.recv(100)
        assert (by_a.count(), by_b.count()) == (reached, 0)
        assert gateway.drops()["ended"] >= len(open_ones)
        repair()
        wait_state(gateway, "up")


@pytest.mark.parametrize("flows", ["end", "keep", None])
def test_flows_of_a_failed_link_end_or_stay_as_configured(gateway: Gateway, flows: str | None) -> None:
    """They end unless configured: there is a backup."""
    wanted, ends = with_monitors(gateway.hook), flows != "keep"
    if flows is not None:
        wanted["links"]["isp-a"]["flows"] = flows
    commit(gateway, wanted)
    wait_state(gateway, "up")
    wait(lambda: seen_from(gateway) in A, "new flows by isp-a")
    with no_leak(gateway.lab, OWN):
        with gateway.client.entered():
            connection = socket.create_connection((VIA_A, ECHO), timeout=5)
        with connection:
            assert connection.recv(100).split()[0].decode() in A
            port = connection.getsockname()[1]

            def mapped() -> set[str]:
                return {flow.mapped for flow in gateway.snatd.client.flows({"port": port}).flows}

            assert mapped() <= A
            repair = target_dead(gateway)
            wait_state(gateway, "down")
            if ends:
                connection.settimeout(5)
                with pytest.raises(ConnectionResetError):  # the host itself said nothing all the while
                    connection.recv(100)
                assert not mapped() & A
            repair()
            wait_state(gateway, "up")
            if not ends:
                connection.sendall(b"still there")
                assert connection.recv(100) == b"still there"
