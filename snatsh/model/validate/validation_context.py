# SPDX-License-Identifier: Apache-2.0
"""The gateway around a profile: subnets, own addresses, neighbors; and checks of references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from snatsh.model.errors import Path, Problem
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from snatsh.model.values import ADDRESS_BITS, Address, Prefix

_SHOWN = 8
"""Valid names that an error lists."""


class ValidationContext:
    """A profile on a gateway. Without facts, nothing is checked against interfaces and subnets."""

    def __init__(self, profile: Profile, facts: Facts | None) -> None:
        self.profile = profile
        self.facts = facts

    @cached_property
    def outside(self) -> tuple[str, ...]:
        """The outside interfaces, by name."""
        return tuple(sorted(name for name, own in self.profile.interfaces.items() if own.role == "outside"))

    @cached_property
    def own(self) -> dict[int, str]:
        """The gateway's addresses, and the interface of each."""
        found = self.facts.interfaces.items() if self.facts else ()
        return {int(own.ip): name for name, known in found for own in known.addresses}

    def subnets(self, names: Iterable[str]) -> tuple[Prefix, ...]:
        """The subnets of these interfaces. A host prefix, as on a loopback, is no subnet."""
        known = self.facts.interfaces if self.facts else {}
        found = {
            own.network: None
            for name in names
            if name in known
            for own in known[name].addresses
            if own.network.prefixlen < ADDRESS_BITS
        }
        return tuple(found)

    def on_link_by(self, address: Address) -> tuple[str, ...]:
        """The outside interfaces with a subnet that contains an address."""
        number = int(address)
        for mask, networks in self._outside_subnets.items():
            if number & mask in networks:
                return networks[number & mask]
        return ()

    @cached_property
    def _outside_subnets(self) -> dict[int, dict[int, tuple[str, ...]]]:
        """Interfaces by mask, the longest first, and network: one lookup for each prefix length."""
        found: dict[int, dict[int, tuple[str, ...]]] = {}
        for name in self.outside:
            for subnet in self.subnets([name]):
                networks = found.setdefault(int(subnet.netmask), {})
                network = int(subnet.network_address)
                networks[network] = (*networks.get(network, ()), name)
        return dict(sorted(found.items(), reverse=True))

    def check_neighbor(self, path: Path, address: Address, interface: str | None = None) -> Iterator[Problem]:
        """Check that an address is a neighbor on one or on any outside interface."""
        if self.facts is None:
            return
        value = str(address)
        if int(address) in self.own:
            yield Problem(
                path, value, f"is this gateway's own, on {self.own[int(address)]}; expected a neighbor"
            )
            return
        by = self.on_link_by(address)
        if (interface in by) if interface else by:
            return
        names = [interface] if interface else list(self.outside)
        if any(
            address in self.facts.interfaces[name].peers for name in names if name in self.facts.interfaces
        ):
            return
        where = names[0] if len(names) == 1 else "any outside interface"
        present = [name for name in names if name in self.facts.interfaces]
        missing = [name for name in names if name not in self.facts.interfaces]
        silent = [name for name in present if not self.subnets([name])]
        if silent or missing:
            what = f"{missing[0]} is missing" if missing else f"{silent[0]} has no subnet at the moment"
            yield Problem(path, value, f"can't be verified as on-link: {what}", "warning")
        elif present:
            subnets = listed(map(str, self.subnets(names)))
            yield Problem(path, value, f"is not on-link by {where}; expected an address in {subnets}")

    def check_outside(self, path: Path, name: str) -> Iterator[Problem]:
        """Check that a name is that of an outside interface."""
        interface = self.profile.interfaces.get(name)
        if interface is None:
            yield self.unknown(path, name, "an outside interface of this profile", self.outside)
        elif interface.role != "outside":
            known = listed(self.outside)
            yield Problem(path, name, f"has role {interface.role}; expected an outside interface: {known}")

    def check_pool(self, path: Path, name: str) -> Iterator[Problem]:
        """Check that a name is that of a pool."""
        if name not in self.profile.pools:
            yield self.unknown(path, name, "a pool of this profile", sorted(self.profile.pools))

    def check_link(self, path: Path, name: str) -> Iterator[Problem]:
        """Check that a name is that of a link."""
        if name not in self.profile.links:
            yield self.unknown(path, name, "a link of this profile", sorted(self.profile.links))

    @staticmethod
    def unknown(path: Path, name: str, kind: str, known: Iterable[str]) -> Problem:
        return Problem(path, name, f"unknown; expected {kind}: {listed(known)}")


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    text = ", ".join(found[:_SHOWN]) or "there is none"
    return f"{text} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else text
