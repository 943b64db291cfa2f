# SPDX-License-Identifier: Apache-2.0
"""Pool addresses that another station on the link has: neither announced nor answered for nor used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from snatsh.api.configuration import Statement
from snatsh.engine.host.arp_probing import ask
from snatsh.engine.host.facts import gather
from snatsh.engine.host.gratuitous_arp import Station
from snatsh.lab.namespaces import Lab
from snatsh.lab.watch import Watch
from snatsh.model.values import Address
from tests.e2e.harness import Gateway, running_gateway
from tests.waiting import wait

TAKEN = "1.1.2.141"
SECONDS = 20.0


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway("tc") as running:
        yield running


def alarms(gateway: Gateway) -> list[str]:
    return [alarm.text for alarm in gateway.snatd.client.alarms().alarms if "another station" in alarm.text]


def size_of(gateway: Gateway, pool: str) -> int:
    return next(row.addresses for row in gateway.snatd.client.pools() if row.name == pool)


def is_answered(gateway: Gateway, address: str) -> bool:
    """Whether the gateway answers ARP for an address."""
    with gateway.lab["isp-a"].entered():
        own = gather().interfaces["eth0"]
        return bool(asyncio.run(ask(Station(own.index, "eth0", own.mac), [int(Address(address))], {own.mac})))


def announcements(gateway: Gateway, address: str) -> Watch:
    return Watch(gateway.lab["isp-a"], "eth0", f"arp and src host {address} and dst host {address}")


def test_a_station_that_has_an_address_is_heard(bare_lab: Lab) -> None:
    free, taken = int(Address("1.1.2.150")), int(Address("1.1.2.1"))
    with bare_lab["gateway"].entered():
        facts = gather().interfaces
        station = Station(facts["eth1"].index, "eth1", facts["eth1"].mac)
        found = asyncio.run(ask(station, [free, taken], {facts["eth1"].mac}))
        assert found.keys() == {taken}
        assert asyncio.run(ask(station, [free, taken], set(found.values()))) == {}


def test_address_of_another_station_stays_quiet_until_it_is_free(gateway: Gateway) -> None:
    client, provider = gateway.snatd.client, gateway.lab["isp-a"]
    provider.run("ip", "address", "add", f"{TAKEN}/32", "dev", "eth0")
    client.edit([Statement("set", ["pools", "new", "address", "1.1.2.140-1.1.2.142"])])
    client.edit([Statement("set", ["rules", "10", "pool", "new"])])
    with announcements(gateway, "1.1.2.142") as free, announcements(gateway, TAKEN) as taken:
        client.commit()
        wait(lambda: free.count() == 1, "the announcement of a free address", seconds=SECONDS)
        wait(lambda: bool(alarms(gateway)), "the alarm", seconds=SECONDS)
        (said,) = alarms(gateway)
        assert said.startswith(f"pool address {TAKEN} is in use by another station on eth1 (")
        assert "WARNING: " + said in gateway.snatd.log.read_text()
        wait(lambda: size_of(gateway, "new") == 2, "the other addresses in use")
        provider.run("ip", "address", "delete", f"{TAKEN}/32", "dev", "eth0")
        # ARP is not answered either, before it was asked for again.
        answered = is_answered(gateway, TAKEN)
        assert not answered or taken.count()
        wait(lambda: taken.count() == 1, "the announcement when it is free", seconds=SECONDS)
        wait(lambda: not alarms(gateway), "no alarm", seconds=SECONDS)
    wait(lambda: size_of(gateway, "new") == 3, "all addresses in use")
    assert is_answered(gateway, TAKEN)


def test_an_address_is_announced_without_a_question_if_configured(gateway: Gateway) -> None:
    client, provider = gateway.snatd.client, gateway.lab["isp-a"]
    address = "1.1.2.150"
    provider.run("ip", "address", "add", f"{address}/32", "dev", "eth0")
    client.edit([Statement("set", ["pools", "always", "address", address])])
    client.edit([Statement("set", ["pools", "always", "announce", "always"])])
    with announcements(gateway, address) as announced:
        client.commit()
        wait(lambda: announced.count() == 1, "the announcement", seconds=SECONDS)
    assert alarms(gateway) == []
    provider.run("ip", "address", "delete", f"{address}/32", "dev", "eth0")


def test_a_restart_goes_on_answering(gateway: Gateway) -> None:
    """It asks again before it announces, and answers meanwhile."""
    snatd = gateway.snatd
    snatd.kill()
    with announcements(gateway, "1.1.2.140") as announced:
        snatd.start()
        assert is_answered(gateway, "1.1.2.140")
        wait(lambda: announced.count() >= 1, "the announcement", seconds=SECONDS)
