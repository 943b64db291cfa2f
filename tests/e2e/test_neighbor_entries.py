# SPDX-License-Identifier: Apache-2.0
"""Neighbor entries of next hops: made and given back; those of an administrator are left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from snatsh.engine.host.facts import gather
from snatsh.engine.host.neighbors import PROTOCOL, NeighborKeeper
from snatsh.lab.namespaces import Lab
from snatsh.model.document.document import to_profile
from snatsh.model.schema.profile import Profile
from tests.waiting import wait

ROUTER, HOP = "1.1.2.1", "1.1.2.77"
MAC = "02:00:00:00:00:77"
NOTHING = to_profile({})
OTHER_HOP = to_profile(
    {
        "interfaces": {"eth1": {"role": "outside"}},
        "links": {"a": {"interface": "eth1", "next-hop": "1.1.2.78"}},
    }
)
ROUTER_AND_HOP = to_profile(
    {
        "interfaces": {"eth1": {"role": "outside"}},
        "links": {name: {"interface": "eth1", "next-hop": hop} for name, hop in (("a", ROUTER), ("b", HOP))},
    }
)
NEXT_HOP = to_profile(
    {"interfaces": {"eth1": {"role": "outside"}}, "links": {"a": {"interface": "eth1", "next-hop": HOP}}}
)


@pytest.fixture
def lab(bare_lab: Lab) -> Iterator[Lab]:
    yield bare_lab
    bare_lab["gateway"].run("ip", "neighbour", "flush", "dev", "eth1", "nud", "all")
    bare_lab["gateway"].run("ip", "neighbour", "delete", HOP, "dev", "eth1", check=False)


def keep(lab: Lab, *profiles: Profile, keeper: NeighborKeeper | None = None) -> None:
    """Run these profiles one after the other, in a snatd that starts with the first."""
    keeper = keeper or NeighborKeeper()
    with lab["gateway"].entered():
        for profile in profiles:
            keeper.keep(profile, gather(), again=True)


def entry(lab: Lab, address: str = HOP) -> dict[str, Any] | None:
    shown = (
        lab["gateway"].run("ip", "-json", "-detail", "neighbour", "show", "to", address, "nud", "all").stdout
    )
    return next((dict(one) for one in json.loads(shown or "[]")), None)


def is_managed(lab: Lab, address: str = HOP) -> bool:
    found = entry(lab, address)
    return found is not None and "managed" in json.dumps(found)


SET_BY_OTHERS = {
    "permanent": ("lladdr", MAC, "nud", "permanent"),
    "without ARP": ("lladdr", MAC, "nud", "noarp"),
    "managed": ("managed",),
    "learned by a routing daemon": ("lladdr", MAC, "nud", "reachable", "extern_learn"),
}


@pytest.mark.parametrize("after", [NOTHING, OTHER_HOP], ids=["no role any more", "other next hop"])
@pytest.mark.parametrize("given", SET_BY_OTHERS.values(), ids=SET_BY_OTHERS)
def test_entries_of_others_stay_as_they_are(lab: Lab, given: tuple[str, ...], after: Profile) -> None:
    lab["gateway"].run("ip", "neighbour", "add", HOP, "dev", "eth1", *given)
    before = entry(lab)
    assert before is not None
    keep(lab, NEXT_HOP)
    assert entry(lab) == before
    keep(lab, NEXT_HOP, after)
    assert entry(lab) == before


def test_entry_that_an_administrator_fixes_later_stays(lab: Lab) -> None:
    keeper = NeighborKeeper()
    keep(lab, NEXT_HOP, keeper=keeper)
    assert is_managed(lab)
    lab["gateway"].run("ip", "neighbour", "replace", HOP, "dev", "eth1", "lladdr", MAC, "nud", "permanent")
    keep(lab, NEXT_HOP, NOTHING, keeper=keeper)
    found = entry(lab)
    assert found is not None
    assert (found["lladdr"], found["state"]) == (MAC, ["PERMANENT"])


@pytest.mark.parametrize("restarted", [False, True], ids=["by itself", "by the next snatd"])
def test_our_entries_are_given_back(lab: Lab, restarted: bool) -> None:
    """What was learned stays as an ordinary entry, so that packets go on; one without MAC address goes."""
    keeper = NeighborKeeper()
    keep(lab, ROUTER_AND_HOP, keeper=keeper)
    wait(lambda: "REACHABLE" in (entry(lab, ROUTER) or {}).get("state", ()), "the router's MAC address")
    shown = lab["gateway"].run("ip", "-detail", "neighbour", "show", "nud", "all").stdout
    assert {line.split()[0] for line in shown.splitlines() if f"proto {PROTOCOL}" in line} == {ROUTER, HOP}
    mac = (entry(lab, ROUTER) or {})["lladdr"]
    keep(lab, NOTHING, keeper=None if restarted else keeper)
    assert entry(lab) is None
    found = entry(lab, ROUTER)
    assert found is not None
    assert found["lladdr"] == mac
    assert not is_managed(lab, ROUTER)
