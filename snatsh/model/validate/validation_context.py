# SPDX-License-Identifier: Apache-2.0
"""What validation has to know of the box context a profile: subnets, own addresses, neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from snatsh.model.errors import Path, Problem
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from snatsh.model.values import Address, Prefix

_SHOWN = 8
"""An error lists so many of the things that would have been right."""

_HOST = 32
"""An address by itself: a loopback's, or one end of a point-to-point link. It says nothing of a subnet."""


class ValidationContext:
    """A profile on a box. Without facts nothing is known of subnets, and nothing is held against them."""

    def __init__(self, profile: Profile, facts: Facts | None) -> None:
        self.profile = profile
        self.facts = facts

    @cached_property
    def outside(self) -> tuple[str, ...]:
        """The interfaces that translated traffic leaves by."""
        return tuple(sorted(name for name, own in self.profile.interfaces.items() if own.role == "outside"))

    @cached_property
    def own(self) -> dict[int, str]:
        """The box's addresses, and the interface of each."""
        found = self.facts.interfaces.items() if self.facts else ()
        return {int(own.ip): name for name, known in found for own in known.addresses}

    def subnets(self, names: Iterable[str]) -> tuple[Prefix, ...]:
        """The subnets that are on-link by these interfaces."""
        known = self.facts.interfaces if self.facts else {}
        found = {
            own.network: None
            for name in names
            if name in known
            for own in known[name].addresses
            if own.network.prefixlen < _HOST
        }
        return tuple(found)

    def on_link_by(self, address: Address) -> tuple[str, ...]:
        """The outside interfaces that have this address in a subnet of theirs."""
        number = int(address)
        for mask, networks in self._outside_subnets.items():
            if number & mask in networks:
                return networks[number & mask]
        return ()

    @cached_property
    def _outside_subnets(self) -> dict[int, dict[int, tuple[str, ...]]]:
        """By mask, the longest first, and then by network, so that each look-up is one per length."""
        found: dict[int, dict[int, tuple[str, ...]]] = {}
        for name in self.outside:
            for subnet in self.subnets([name]):
                networks = found.setdefault(int(subnet.netmask), {})
                network = int(subnet.network_address)
                networks[network] = (*networks.get(network, ()), name)
        return dict(sorted(found.items(), reverse=True))

    def check_neighbour(
        self, path: Path, address: Address, interface: str | None = None
    ) -> Iterator[Problem]:
        """Problems of an address that packets are to be sent to, by one or by any outside interface."""
        if self.facts is None:
            return
        value = str(address)
        if int(address) in self.own:
            yield Problem(
                path, value, f"is this box's own, on {self.own[int(address)]}; expected a neighbour's"
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
        silent = [name for name in present if not self.subnets([name])]
        if silent:
            reason = f"can't be told to be on-link: {silent[0]} has no subnet at the moment"
            yield Problem(path, value, reason, "warning")
        elif present:
            subnets = listed(map(str, self.subnets(names)))
            yield Problem(path, value, f"is not on-link by {where}; expected an address in {subnets}")

    def check_outside(self, path: Path, name: str) -> Iterator[Problem]:
        """Problems of a name that should be an outside interface's."""
        interface = self.profile.interfaces.get(name)
        if interface is None:
            yield self.unknown(path, name, "an outside interface of this profile", self.outside)
        elif interface.role != "outside":
            known = listed(self.outside)
            yield Problem(path, name, f"has role {interface.role}; expected an outside interface: {known}")

    def check_pool(self, path: Path, name: str) -> Iterator[Problem]:
        """Problems of a name that should be a pool's."""
        if name not in self.profile.pools:
            yield self.unknown(path, name, "a pool of this profile", sorted(self.profile.pools))

    def check_link(self, path: Path, name: str) -> Iterator[Problem]:
        """Problems of a name that should be a link's."""
        if name not in self.profile.links:
            yield self.unknown(path, name, "a link of this profile", sorted(self.profile.links))

    @staticmethod
    def unknown(path: Path, name: str, kind: str, known: Iterable[str]) -> Problem:
        return Problem(path, name, f"unknown; expected {kind}: {listed(known)}")


def listed(names: Iterable[str]) -> str:
    """The names in a sentence, not without end."""
    found = list(names)
    text = ", ".join(found[:_SHOWN]) or "there is none"
    return f"{text} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else text
