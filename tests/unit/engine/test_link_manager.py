# SPDX-License-Identifier: Apache-2.0
"""Links follow their interface, manual control and the saved state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import wraps
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from snatsh.engine.links.manager import LinkManager, LinkRecord, NoSuchLink, Paths
from snatsh.engine.storage.json_record import Record
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.schema.profile import Link, Profile


def link(**more: Any) -> Link:
    return Link.model_validate({"interface": "eth1", "next-hop": "192.0.2.1", "hold-down": 0, **more})


LINKS = {"isp-a": link()}
HOP = ("eth1", IPv4Address("192.0.2.1"))
PROFILE = Profile(links=LINKS)


def facts(*, up: bool, losses: int = 0) -> Facts:
    own = (IPv4Interface("192.0.2.2/24"),)
    return Facts({"eth1": InterfaceFacts(2, bytes(6), 1500, up, own, losses)})


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def made(folder: Path, seen: list[str] | None = None) -> LinkManager:
    return LinkManager(
        Record(folder / "links.json", dict[str, LinkRecord], "states"),
        lambda name, before, now: seen.append(now.state) if seen is not None else None,
    )


@in_loop
async def test_link_is_down_without_interface_carrier_or_address(tmp_path: Path) -> None:
    seen: list[str] = []
    links = made(tmp_path, seen)
    for box, state in (
        (facts(up=True), "up"),
        (facts(up=False), "down"),
        (facts(up=True), "up"),
        (Facts(), "down"),
        (Facts({"eth1": InterfaceFacts(2, bytes(6), 1500, True)}), "down"),
    ):
        links.update(LINKS, box)
        await asyncio.sleep(0.001)
        links.update(LINKS, box)
        assert links.states["isp-a"].state == state, links.states["isp-a"].reason
        assert links.down_in(PROFILE, box) == ({"isp-a"} if state == "down" else frozenset())
    assert seen == ["up", "down", "up", "down"]
    links.close()


@in_loop
async def test_carrier_loss_between_two_readings_counts(tmp_path: Path) -> None:
    seen: list[str] = []
    links = made(tmp_path, seen)
    held = {"isp-a": link(**{"hold-down": 60})}
    for losses in (7, 7, 8, 8):
        links.update(held, facts(up=True, losses=losses))
    assert seen == ["up", "down"]
    assert "held down" in links.states["isp-a"].reason
    links.close()


@in_loop
async def test_link_is_down_when_neighbor_resolution_failed(tmp_path: Path) -> None:
    links = made(tmp_path)
    links.update(LINKS, facts(up=True), Paths(silent=frozenset({HOP})))
    assert "does not reply to ARP" in links.states["isp-a"].reason
    found = []
    links.update(LINKS, facts(up=True))  # a commit says nothing of neighbours
    found.append(links.states["isp-a"].state)
    links.update(LINKS, facts(up=True), Paths())
    found.append(links.states["isp-a"].state)
    assert found == ["down", "up"]


@in_loop
async def test_link_is_down_when_its_route_is_withdrawn(tmp_path: Path) -> None:
    hops = frozenset({HOP})
    links = made(tmp_path)
    for paths, state in (
        (Paths(unrouted=hops), "up"),
        (Paths(routed=hops), "up"),
        (Paths(unrouted=hops), "down"),
        (None, "down"),
        (Paths(routed=hops), "up"),
    ):
        links.update(LINKS, facts(up=True), paths)
        assert links.states["isp-a"].state == state
        assert (state == "down") == ("no route goes by" in links.states["isp-a"].reason)
    links.close()


@in_loop
async def test_since_is_the_time_of_the_state_change(tmp_path: Path) -> None:
    links = made(tmp_path)
    links.update(LINKS, facts(up=True))
    first = links.states["isp-a"]
    links.update(LINKS, facts(up=True))
    assert links.states["isp-a"].since == first.since
    links.update(LINKS, Facts())
    assert links.states["isp-a"].since > first.since
    links.update({}, facts(up=True))
    assert links.states == {}
    links.close()


@in_loop
async def test_manual_orders_survive_a_restart(tmp_path: Path) -> None:
    links = made(tmp_path)
    links.update(LINKS, facts(up=True))
    assert (await links.order("isp-a", "drain", "ann")).state == "drained"
    links.close()
    again = made(tmp_path)
    assert again.down_in(PROFILE, facts(up=True)) == {"isp-a"}  # before anything is watched
    again.update(LINKS, facts(up=True))
    state = again.states["isp-a"]
    assert (state.state, state.ordered) == ("drained", "ann")
    assert (await again.order("isp-a", "down", "bob")).state == "down"
    assert (await again.order("isp-a", "up", "bob")).state == "up"
    with pytest.raises(NoSuchLink, match="isp-a"):
        await again.order("isp-x", "down", "bob")
    again.close()


@in_loop
async def test_hold_down_survives_a_restart(tmp_path: Path) -> None:
    slow = {"isp-a": link(**{"hold-down": 60})}
    links = made(tmp_path)
    links.update(slow, facts(up=False))
    await links.keep()
    links.close()
    again = made(tmp_path)
    again.update(slow, facts(up=True))
    state = again.states["isp-a"]
    assert state.state == "down"
    assert "held down" in state.reason
    again.close()


@in_loop
async def test_future_times_and_invalid_state_files_are_ignored(tmp_path: Path) -> None:
    future = (datetime.now(UTC) + timedelta(days=900)).isoformat()
    file = tmp_path / "links.json"
    file.write_text(json.dumps({"isp-a": {"state": "down", "since": future, "falls": 3}}))
    links = made(tmp_path)
    links.update(LINKS, facts(up=False))
    assert links.states["isp-a"].since <= datetime.now(UTC)
    links.close()
    for nonsense in ('{"isp-a": 3}', '{"isp-a": {"state": "sideways"}}', "[]", "{", '{"isp-a": {}}'):
        file.write_text(nonsense)
        links = made(tmp_path)
        links.update(LINKS, facts(up=True))
        assert links.states["isp-a"].state == "up", nonsense
        assert file.with_name("links.json.damaged").exists(), nonsense
        links.close()


@in_loop
async def test_order_that_ends_with_its_link_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links = made(tmp_path)
    links.update(LINKS, facts(up=True))
    await links.order("isp-a", "drain", "ann")
    links.close()
    again = made(tmp_path)  # with a configuration that has no such link
    again.update({}, facts(up=True))
    assert "link isp-a: order drain of ann ends: no such link runs" in caplog.text
    again.update(LINKS, facts(up=True))
    assert again.states["isp-a"].state == "up"
    again.close()


@in_loop
async def test_orders_and_events_are_written_in_sequence(tmp_path: Path) -> None:
    links = made(tmp_path)
    links.update(LINKS, facts(up=True))
    for _ in range(20):
        links.update(LINKS, facts(up=False))
        links.update(LINKS, facts(up=True))
        await asyncio.gather(links.keep(), *(links.order("isp-a", "drain", "root") for _ in range(4)))
    assert json.loads((tmp_path / "links.json").read_text())["isp-a"]["order"] == "drain"
    links.close()
