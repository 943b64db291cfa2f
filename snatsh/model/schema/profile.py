# SPDX-License-Identifier: Apache-2.0
"""Schema of the profile: source of the YAML, set and curly forms, completion, help and reference.

Field names are kebab-case in all forms. A dict field is a keyed list, a tuple field a leaf list, a model
field a container, everything else a leaf. The description of a field is its help text; the `Ref` marker
names what a value refers to, for completion and validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from snatsh.model.values import AddressRange, AddressValue, PortRange, PrefixValue
from snatsh.model.vocabulary import ProtocolName


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Container(BaseModel):
    """Base of all containers."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_kebab, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Ref:
    """Marks a name as a reference: to an interface of the gateway, or to a part of the profile."""

    kind: Literal["interface", "link", "link-group", "pool"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Marks a part that has its own commands; neither offered nor shown as statements."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Describes in words what a pattern accepts; completes `expected …` in an error."""

    words: str


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"),
    Expect("a name of up to 32 letters, digits, '.', '_' and '-' that begins with a letter or a digit"),
]
# What the kernel accepts, without characters that would need quotes.
InterfaceName = Annotated[
    str,
    Field(pattern=r"^[^\s/:{}\[\];|#\"'\\\x00-\x1f\x7f-\x9f]{1,15}$"),
    Expect("an interface name, up to 15 characters without blanks, '/' and ':'"),
    Ref("interface"),
]
LinkName = Annotated[Name, Ref("link")]
GroupName = Annotated[Name, Ref("link-group")]
PoolName = Annotated[Name, Ref("pool")]
RuleNumber = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[int, Field(ge=5, le=86_400)]
Milliseconds = Annotated[int, Field(ge=100, le=600_000)]
ShortMilliseconds = Annotated[int, Field(ge=10, le=600_000)]
HoldDown = Annotated[int, Field(ge=0, le=86_400)]
# No control characters and no line ends: it is printed on terminals, on one line.
Description = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"),
    Expect("one line of text, up to 200 characters"),
]
# As above, and without the end of the comment that the curly form puts it in.
Comment = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^([^*\x00-\x1f\x7f-\x9f\u2028\u2029]|\*+[^*/\x00-\x1f\x7f-\x9f\u2028\u2029])*\**$",
    ),
    Expect("one line of text without */, up to 200 characters"),
]
MarkedStatement = Annotated[
    str,
    Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"),
    Expect("the words of a statement"),
]
# As a description, without characters that automation could take for a prompt.
Announcement = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029%$#>\]]*$"),
    Expect("one line of text without %, $, #, > and ], up to 200 characters"),
]
HostName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,62})$"),
    Expect("a host name of up to 63 letters, digits and '-' that begins with a letter or a digit"),
]

# No blanks, no characters that would need quotes.
UrlPath = Annotated[
    str,
    Field(pattern=r"^/[A-Za-z0-9._~!$&()*+,=:@%/?-]{0,199}$"),
    Expect("a path that begins with '/', of up to 200 characters of a URL"),
]
WebHost = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$"),
    Expect("a host name of up to 253 letters, digits, '.' and '-'"),
]

Action = Literal["translate", "exempt", "drop"]
Algorithm = Literal[
    "source-hash", "source-destination-hash", "tuple-hash", "random", "round-robin", "least-used"
]


class Login(Container):
    announcement: Announcement | None = Field(None, description="Login banner")
    idle_timeout: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Minutes of inactivity before a console is logged out; never when omitted"
    )


FilePath = Annotated[
    str,
    Field(pattern=r"^/[A-Za-z0-9._/@+-]{1,199}$"),
    Expect("an absolute path of letters, digits and '._/@+-'"),
]


class EventHook(Container):
    command: FilePath | None = Field(
        None, description="Program run on every link state change; must be owned by root"
    )
    timeout: Annotated[int, Field(ge=1, le=300)] = Field(
        10, description="Seconds the program may run before it is killed"
    )


class System(Container):
    host_name: HostName | None = Field(None, description="Host name shown in the prompt")
    login: Login = Field(default_factory=Login, description="Console login")
    default_action: Literal["drop", "pass"] = Field(
        "drop", description="Action for outbound traffic that no rule matches"
    )
    inbound: Literal["drop", "pass"] = Field(
        "drop", description="Action for traffic from outside that routing alone would take to the inside"
    )
    datapath: Literal["enabled", "disabled"] = Field(
        "enabled", description="When disabled, the datapath is detached and the kernel forwards without NAT"
    )
    tcp_mid_stream: Literal["accept", "drop"] = Field(
        "accept", description="Whether a TCP packet without SYN may open a flow, as after a migration"
    )
    event_hook: EventHook = Field(default_factory=EventHook, description="External notification of events")


class Interface(Container):
    role: Literal["inside", "outside"] = Field(description="Side of the translation")
    hook: Literal["auto", "xdp", "tc"] = Field(
        "auto",
        description="Attach point of the datapath; auto selects XDP where nothing is lost by it",
    )
    description: Description | None = Field(None, description="Text description")


class ProbeTargets(Container):
    target: tuple[AddressValue, ...] = Field((), description="Address to probe")


class TcpTargets(ProbeTargets):
    port: Annotated[int, Field(ge=1, le=65535)] = Field(443, description="Port to connect to")


class HttpTargets(ProbeTargets):
    port: Annotated[int, Field(ge=1, le=65535)] = Field(80, description="Port to connect to")
    path: UrlPath = Field("/", description="Path to request; a 2xx or 3xx status counts as a reply")
    host: WebHost | None = Field(None, description="Host header; the target address when omitted")


class Monitor(Container):
    icmp: ProbeTargets | None = Field(None, description="Probe with ICMP echo requests")
    arp: ProbeTargets | None = Field(None, description="Probe a neighbour on the link with ARP")
    tcp: TcpTargets | None = Field(None, description="Probe with a TCP connection")
    http: HttpTargets | None = Field(None, description="Probe with an HTTP GET")
    require: Literal["any", "quorum", "all"] = Field(
        "any", description="Number of targets that must reply for the link to be up"
    )
    quorum: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Targets that must reply with require quorum; a majority when omitted"
    )
    interval: Milliseconds = Field(1000, description="Milliseconds between probes")
    timeout: ShortMilliseconds | None = Field(
        None, description="Milliseconds to wait for a reply; the interval when omitted"
    )
    fail: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="Consecutive lost probes before a target is down"
    )
    rise: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="Consecutive replies before a target is up"
    )
    loss_threshold: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Percent loss over the last 50 probes at which the link is degraded"
    )
    rtt_threshold: Annotated[int, Field(ge=1, le=60_000)] | None = Field(
        None, description="Mean round-trip time in milliseconds at which the link is degraded"
    )


class Link(Container):
    interface: InterfaceName = Field(description="Outside interface of the link")
    next_hop: AddressValue | None = Field(
        None, description="Next hop to the provider; the peer of a point-to-point interface when omitted"
    )
    monitor: Monitor | None = Field(None, description="Link monitoring")
    backup: LinkName | None = Field(None, description="Link for new flows while this one is down")
    pool: PoolName | None = Field(
        None,
        description="Pool for flows of a link group or a backup; the pool of the rule when omitted",
    )
    hold_down: HoldDown = Field(
        5, description="Seconds a failed link must be healthy before it is used again"
    )
    hold_down_limit: HoldDown = Field(
        300, description="Upper limit in seconds of the hold-down, which doubles while the link flaps"
    )
    flows: Literal["keep", "end"] | None = Field(
        None,
        description="Action on flows when the link goes down or the route moves to another interface; "
        "when omitted, end if others take over",
    )
    description: Description | None = Field(None, description="Text description")


class Member(Container):
    weight: Annotated[int, Field(ge=1, le=100)] = Field(1, description="Relative share of new flows")
    use: Literal["share", "last-resort"] = Field(
        "share",
        description="When the link is used; last-resort: only while no sharing link of the group is up",
    )


class LinkGroup(Container):
    link: dict[LinkName, Member] = Field(default_factory=dict, description="Member link")
    spread: Literal["subscriber", "flow"] = Field(
        "subscriber", description="Unit of distribution; a subscriber stays on its link"
    )
    description: Description | None = Field(None, description="Text description")


class Pool(Container):
    address: tuple[AddressRange, ...] = Field((), description="External address, range or prefix")
    interface_address: InterfaceName | None = Field(
        None, description="Outside interface whose current address is the pool"
    )
    exclude: tuple[AddressRange, ...] = Field((), description="Address, range or prefix to exclude")
    ports: PortRange = Field(PortRange(1024, 65535), description="External port range")
    port_class: Literal["any", "preserve"] = Field(
        "any",
        description="Whether source ports below 1024 get external ports below 1024, and others do not "
        "(RFC 4787 REQ-3a)",
    )
    announce: Literal["arp", "always", "none"] = Field(
        "arp",
        description="Proxy ARP for the addresses, unless another station has them, or always; "
        "none if they are routed to the gateway",
    )
    unmatched: Literal["drop", "stack"] = Field(
        "drop", description="Action for traffic to the addresses that belongs to no flow"
    )
    description: Description | None = Field(None, description="Text description")


class Failover(Container):
    redirect: AddressValue | None = Field(None, description="Next hop while the link is down")
    pool: PoolName | None = Field(None, description="Pool while the link is down")


class RuleMatch(Container):
    """What a rule matches. A new field goes here and into snatsh/compile/match.py."""

    source: PrefixValue | None = Field(None, description="Source prefix; any when omitted")
    destination: PrefixValue | None = Field(None, description="Destination prefix; any when omitted")
    protocol: ProtocolName | None = Field(None, description="Protocol; any when omitted")
    out_interface: InterfaceName | None = Field(None, description="Outside interface selected by routing")
    next_hop: AddressValue | None = Field(None, description="Next hop selected by routing")
    fwmark: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        None, description="Firewall mark of the packet; requires hook tc on the inside"
    )


class Rule(RuleMatch):
    action: Action = Field("translate", description="Action for packets that match")
    pool: PoolName | None = Field(None, description="Pool of external addresses")
    algorithm: Algorithm = Field("source-destination-hash", description="Selection of the external address")
    mapping: Literal["endpoint-dependent", "endpoint-independent"] = Field(
        "endpoint-dependent", description="Mapping behaviour (RFC 4787)"
    )
    filtering: Literal["address-and-port-dependent", "address-dependent", "endpoint-independent"] = Field(
        "address-and-port-dependent",
        description="Filtering behaviour of an endpoint-independent mapping (RFC 4787)",
    )
    group: GroupName | None = Field(None, description="Link group that new flows are distributed over")
    redirect: AddressValue | None = Field(None, description="Next hop that overrides routing")
    failover: dict[LinkName, Failover] = Field(
        default_factory=dict, description="Overrides while a link is down"
    )
    description: Description | None = Field(None, description="Text description")


class TcpTimeouts(Container):
    established: Seconds = Field(7440, description="Idle timeout of established connections, in seconds")
    transitory: Seconds = Field(
        240, description="Idle timeout of half-open, half-closed and reset connections, in seconds"
    )
    time_wait: Seconds = Field(120, description="Timeout of closed connections, in seconds")
    syn: Seconds = Field(240, description="Timeout of an unreplied SYN, in seconds")


class UdpTimeouts(Container):
    replied: Seconds = Field(300, description="Idle timeout after a reply, in seconds")
    unreplied: Seconds = Field(120, description="Idle timeout before any reply, in seconds")


class IcmpTimeouts(Container):
    query: Seconds = Field(60, description="Idle timeout of queries, in seconds")


class Timeouts(Container):
    tcp: TcpTimeouts = Field(default_factory=TcpTimeouts, description="TCP timeouts (RFC 5382, RFC 7857)")
    udp: UdpTimeouts = Field(default_factory=UdpTimeouts, description="UDP timeouts (RFC 4787)")
    icmp: IcmpTimeouts = Field(default_factory=IcmpTimeouts, description="ICMP timeouts (RFC 5508)")
    port_hold: Annotated[int, Field(ge=0, le=86_400)] = Field(
        120, description="Seconds before another endpoint gets a UDP port that was open to anyone (RFC 6888)"
    )
    refresh: Literal["outbound", "both"] = Field(
        "outbound", description="Packets that restart idle timeouts: those from inside, or all (RFC 4787)"
    )


class SubscriberLimits(Container):
    sessions: Annotated[int, Field(ge=1, le=4_000_000)] | None = Field(
        None, description="Maximum sessions per subscriber; unlimited when omitted"
    )
    new_flows: Annotated[int, Field(ge=1, le=4_000_000)] | None = Field(
        None, description="Maximum new flows per second and subscriber; unlimited when omitted"
    )
    half_open: Annotated[int, Field(ge=1, le=4_000_000)] = Field(
        20_000, description="Maximum unreplied flows per subscriber"
    )


class Limits(Container):
    flows: Annotated[int, Field(ge=1024, le=16_777_216)] = Field(
        262_144, description="Capacity of the flow table; takes effect when snatd restarts"
    )
    refusals: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="ICMP errors per second that notify a subscriber of refused flows; 0 disables them"
    )
    subscriber: SubscriberLimits = Field(
        default_factory=SubscriberLimits, description="Limits per subscriber"
    )


class Mark(Container):
    inactive: Literal["yes"] | None = Field(None, description="Statement is ignored")
    protect: Literal["yes"] | None = Field(None, description="Statement is protected from changes")
    comment: Comment | None = Field(None, description="Annotation of the statement")


class Profile(Container):
    system: System = Field(default_factory=System, description="Gateway settings")
    interfaces: dict[InterfaceName, Interface] = Field(
        default_factory=dict, description="Inside and outside interfaces"
    )
    links: dict[LinkName, Link] = Field(default_factory=dict, description="Links to providers")
    link_groups: dict[GroupName, LinkGroup] = Field(
        default_factory=dict, description="Groups of links that share traffic"
    )
    pools: dict[PoolName, Pool] = Field(default_factory=dict, description="Pools of external addresses")
    rules: dict[RuleNumber, Rule] = Field(default_factory=dict, description="NAT rules")
    timeouts: Timeouts = Field(default_factory=Timeouts, description="Flow timeouts")
    limits: Limits = Field(default_factory=Limits, description="Limits on flows and rates")
    marks: Annotated[dict[MarkedStatement, Mark], Hidden()] = Field(
        default_factory=dict, description="Inactive, protected and annotated statements"
    )
