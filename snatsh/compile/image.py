# SPDX-License-Identifier: Apache-2.0
"""A profile as the datapath holds it: flat tables, names resolved to indices. Pure.

One image feeds the configuration maps (`snatsh.datapath.map_writer`) and the reference matcher
(`snatsh.compile.reference_matcher`), so that tests can compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from snatsh.compile.link_selection import LinkSelection
from snatsh.compile.match import Match
from snatsh.model.pool_addresses import Spans
from snatsh.model.values import Address, AddressRange, PortRange, Prefix
from snatsh.model.vocabulary import FIRST_HIGH_PORT

# Bounds of the datapath's maps.
MAX_MASK_SETS = 256
MAX_RULES = 16_384
MAX_POOLS = 2_048
MAX_RANGES = 65_536
MAX_INTERFACES = 512
MAX_OWN = 4_096


class Action(IntEnum):
    TRANSLATE = 0
    EXEMPT = 1
    DROP = 2


class Algorithm(IntEnum):
    SOURCE_HASH = 0
    SOURCE_DESTINATION_HASH = 1
    TUPLE_HASH = 2
    RANDOM = 3
    ROUND_ROBIN = 4
    LEAST_USED = 5


class Filtering(IntEnum):
    """What has to agree with a destination of the endpoint, so that a packet from outside is admitted."""

    ADDRESS_AND_PORT_DEPENDENT = 0
    ADDRESS_DEPENDENT = 1
    ENDPOINT_INDEPENDENT = 2


@dataclass(frozen=True, slots=True)
class HookRequest:
    """An interface that the datapath attaches to."""

    interface: str
    index: int
    role: Literal["inside", "outside"]
    mode: Literal["auto", "xdp", "tc"]


@dataclass(frozen=True, slots=True)
class InterfaceImage:
    name: str
    index: int
    role: Literal["inside", "outside"]
    mac: bytes
    address: Address | None


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An address of the gateway. reentry: outside interface that hairpinned packets re-enter by; 0: none."""

    address: Address
    reentry: int


@dataclass(frozen=True, slots=True)
class PoolImage:
    """A pool.

    runs: its addresses in order, over which an index counts. is_local: contains an own address.
    keeps_port_class: low ports serve low source ports. drained: addresses of these that get no new flows.
    """

    name: str
    runs: tuple[AddressRange, ...]
    ports: PortRange
    is_local: bool
    keeps_port_class: bool = False
    drained: tuple[AddressRange, ...] = ()

    @property
    def open_runs(self) -> tuple[AddressRange, ...]:
        """Its addresses for new flows, in order."""
        if not self.drained:
            return self.runs
        spans = Spans(self.drained)
        return tuple(part for run in self.runs for part in spans.add(run))

    @property
    def low_ports(self) -> int:
        """How many of its ports, the first ones, serve low source ports alone; 0 where all serve all."""
        low = FIRST_HIGH_PORT - self.ports.first
        return low if self.keeps_port_class and 0 < low < self.ports.size else 0

    @property
    def size(self) -> int:
        return sum(run.size for run in self.runs)

    def address(self, index: int) -> Address:
        for run in self.runs:
            if index < run.size:
                return run.first + index
            index -= run.size
        raise IndexError(index)


@dataclass(frozen=True, slots=True)
class PoolAddress:
    """A prefix of pool addresses. announce: interface that ARP is answered on, 0 for none."""

    pool: str
    prefix: Prefix
    to_stack: bool
    announce: int


@dataclass(frozen=True, slots=True)
class AnnouncedRange:
    """Addresses announced on an interface. unchecked: without asking whether another station has them."""

    run: AddressRange
    interface: int
    unchecked: bool = False


@dataclass(frozen=True, slots=True)
class RuleImage:
    """A rule by one of its links. pool: index into Image.pools, 0 if unused. redirect: None for the route.

    selection: the links of its new flows; None for a rule that does not translate. others: the rule by each
    further link. buckets: the number of the link for each hash.
    """

    number: int
    match: Match
    action: Action
    algorithm: Algorithm
    pool: int
    redirect: Address | None
    endpoint_independent: bool
    filtering: Filtering
    selection: LinkSelection | None = None
    others: tuple[RuleImage, ...] = ()
    buckets: tuple[int, ...] = ()
    link_by_flow: bool = False

    @property
    def admits_from_outside(self) -> bool:
        """Whether packets from outside may open flows to its mappings."""
        return self.endpoint_independent and self.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT


@dataclass(frozen=True, slots=True)
class MaskSet:
    """A combination of prefix lengths and given fields; mask sets of one rank are equally specific."""

    source_length: int
    destination_length: int
    fields: frozenset[str]
    rank: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """Timeouts in the order of the datapath's enum timeout."""

    tcp_syn: int
    tcp_established: int
    tcp_transitory: int
    tcp_time_wait: int
    udp_unreplied: int
    udp_replied: int
    icmp: int


@dataclass(frozen=True, slots=True)
class SubscriberLimitImage:
    """Limits of each subscriber; 0 is unlimited, but no refusals. new_flows and refusals are per second."""

    sessions: int
    new_flows: int
    half_open: int
    refusals: int


@dataclass(frozen=True, slots=True)
class Image:
    """The contents of one generation of the configuration maps."""

    interfaces: tuple[InterfaceImage, ...]
    hooks: tuple[HookRequest, ...]
    pools: tuple[PoolImage, ...]
    pool_addresses: tuple[PoolAddress, ...]
    announced: tuple[AnnouncedRange, ...]
    mask_sets: tuple[MaskSet, ...]
    rules: tuple[RuleImage, ...]
    timeouts: Seconds
    default_pass: bool
    tcp_syn_only: bool
    inbound_drop: bool
    refresh_inbound: bool
    """Whether what comes from outside refreshes a flow."""
    port_hold: int
    """Seconds for which a port that strangers could reach is kept from other endpoints."""
    limits: SubscriberLimitImage
    own: tuple[OwnAddress, ...]
    """Addresses of the gateway."""
    present: tuple[int, ...] = field(default=(), compare=False)
    """Indices of all interfaces: others have no role and no leak guard yet."""

    @property
    def by_mark(self) -> bool:
        """Whether any rule matches a mark, which netfilter sets after the XDP hook."""
        return any(rule.match.fwmark is not None for rule in self.rules)
