# SPDX-License-Identifier: Apache-2.0
"""What a rule matches. Compiler, reference matcher, maps and `test packet` derive from MATCH_FIELDS. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from snatsh.model.values import Address, Prefix
from snatsh.model.vocabulary import PROTOCOL_NAMES, PROTOCOL_NUMBERS

IndexOf = Callable[[str], int]
"""The index of an interface, by name."""

NameOf = Mapping[int, str]
"""The names of interfaces, by index."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An outbound packet. protocol: IP number. Ports are 0 where there are none; an echo identifier is the
    source port. out_interface (ifindex) and next_hop are what routing chose, before any redirect."""

    source: Address
    destination: Address
    protocol: int
    source_port: int
    destination_port: int
    out_interface: int
    next_hop: Address
    fwmark: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """The match conditions of a rule; None matches anything. out_interface is an ifindex."""

    source: Prefix
    destination: Prefix
    out_interface: int | None = None
    next_hop: Address | None = None
    protocol: int | None = None
    fwmark: int | None = None

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields given beside the prefixes."""
        return frozenset(field.name for field in MATCH_FIELDS if getattr(self, field.name) is not None)

    @property
    def specificity(self) -> tuple[int, int, int]:
        """Precedence among matching rules, highest first."""
        return self.source.prefixlen, self.destination.prefixlen, len(self.fields)

    def covers(self, packet: Packet) -> bool:
        """Whether the packet meets every condition."""
        return (
            packet.source in self.source
            and packet.destination in self.destination
            and not any(field.differs(self, packet) for field in MATCH_FIELDS)
        )


def _identity(value: Any, _index_of: IndexOf) -> Any:
    return value


def _text(value: Any, _name_of: NameOf) -> str:
    return str(value)


@dataclass(frozen=True, slots=True)
class MatchField:
    """A field that matches one value.

    name: in `Rule`, `Match` and `Packet`. key: in the datapath's rule key; `key_mask` in its mask sets.
    compiled: a rule's value as an image has it. value: the same from the datapath's word. text: for people.
    network_order: whether the datapath holds it in network byte order.
    """

    name: str
    key: str
    compiled: Callable[[Any, IndexOf], Any] = _identity
    value: Callable[[int], Any] = int
    text: Callable[[Any, NameOf], str] = _text
    network_order: bool = False

    @property
    def statement(self) -> str:
        return self.name.replace("_", "-")

    def differs(self, match: Match, packet: Packet) -> bool:
        """Whether a packet fails this condition."""
        return getattr(match, self.name) not in (None, getattr(packet, self.name))


MATCH_FIELDS = (
    MatchField(
        "out_interface",
        "out_ifindex",
        compiled=lambda name, index_of: index_of(name),
        text=lambda index, name_of: name_of.get(index, "one that is missing"),
    ),
    MatchField("next_hop", "next_hop", value=Address, network_order=True),
    MatchField(
        "protocol",
        "protocol",
        compiled=lambda name, _: PROTOCOL_NUMBERS[name],
        text=lambda number, _: PROTOCOL_NAMES.get(number, str(number)),
    ),
    MatchField("fwmark", "mark"),
)
"""In the order of the datapath's rule key."""
