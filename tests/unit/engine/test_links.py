"""Links follow their interface."""

from __future__ import annotations

from snatsh.engine.links import Links, down_links
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.schema import Link

LINKS = {"isp-a": Link.model_validate({"interface": "eth1", "next-hop": "192.0.2.1"})}


def facts(*, up: bool) -> Facts:
    return Facts({"eth1": InterfaceFacts(2, bytes(6), 1500, up)})


def test_down_without_carrier_and_without_interface() -> None:
    assert down_links(LINKS, facts(up=True)) == frozenset()
    assert down_links(LINKS, facts(up=False)) == {"isp-a"}
    assert down_links(LINKS, Facts()) == {"isp-a"}


def test_since_is_when_it_changed() -> None:
    links = Links()
    links.update(LINKS, facts(up=True))
    first = links.states["isp-a"]
    links.update(LINKS, facts(up=True))
    assert links.states["isp-a"].since == first.since
    links.update(LINKS, Facts())
    down = links.states["isp-a"]
    assert (down.state, down.since > first.since) == ("down", True)
    assert "missing" in down.reason
    links.update({}, facts(up=True))
    assert links.states == {}
