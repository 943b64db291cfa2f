# SPDX-License-Identifier: Apache-2.0
"""The profile's schema: the only source of the YAML, set and curly forms, completion, help and docs.

Field names are kebab-case outside. A dict field is a keyed list, a tuple field a leaf list, a model
field a container, everything else a leaf. A field's description is its help; the `Ref` marker says
which part of the profile or of the box a name refers to, for completion and validation.
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
    """What every container of the schema has in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_kebab, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Ref:
    """Marks a name as one of `kind`: interface (of the box), link, link group or pool (of the profile)."""

    kind: Literal["interface", "link", "link-group", "pool"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Marks a part that has verbs and a look of its own: it is neither offered nor shown as statements."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Says in words what a text's pattern asks for; the end of `expected …` in an error."""

    words: str


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"),
    Expect("a name of up to 32 letters, digits, '.', '_' and '-' that begins with a letter or a digit"),
]
# What the kernel takes as a name, less what would need quotes everywhere.
InterfaceName = Annotated[
    str,
    Field(pattern=r"^[^\s/:{}\[\];|#\"'\\\x00-\x1f\x7f-\x9f]{1,15}$"),
    Expect("an interface's name, up to 15 characters without blanks, '/' and ':'"),
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
# No control characters and no line ends of any kind: it is printed on terminals, one line each.
Description = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"),
    Expect("one line of text, up to 200 characters"),
]
# As above, and no end of the comment that the curly form shows it in.
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
# As a description, and nothing that automation could take for a prompt.
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

# No blanks, and nothing that would need quotes anywhere.
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
    announcement: Announcement | None = Field(None, description="Shown to who logs in")
    idle_timeout: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Minutes without a key after which a console ends; never when left out"
    )


FilePath = Annotated[
    str,
    Field(pattern=r"^/[A-Za-z0-9._/@+-]{1,199}$"),
    Expect("an absolute path of letters, digits and '._/@+-'"),
]


class EventHook(Container):
    command: FilePath | None = Field(
        None, description="Executable that is told of each change of a link; root's own"
    )
    timeout: Annotated[int, Field(ge=1, le=300)] = Field(
        10, description="Seconds it may take before it is ended"
    )


class System(Container):
    host_name: HostName | None = Field(None, description="Name shown in the prompt")
    login: Login = Field(default_factory=Login, description="Consoles")
    default_action: Literal["drop", "pass"] = Field(
        "drop", description="What happens to inside-to-outside traffic that no rule matches"
    )
    datapath: Literal["enabled", "disabled"] = Field(
        "enabled", description="Disabled, nothing of ours touches a packet and the box forwards plainly"
    )
    tcp_mid_stream: Literal["accept", "drop"] = Field(
        "accept", description="Whether a TCP packet without SYN may open a flow, as after a move to this box"
    )
    event_hook: EventHook = Field(default_factory=EventHook, description="What else is told of events")


class Interface(Container):
    role: Literal["inside", "outside"] = Field(description="Side of the translation this interface is on")
    hook: Literal["auto", "xdp", "tc"] = Field(
        "auto", description="Where the datapath attaches; auto takes XDP where the driver has it"
    )
    description: Description | None = Field(None, description="Free text")


class ProbeTargets(Container):
    target: tuple[AddressValue, ...] = Field((), description="Address that is probed")


class TcpTargets(ProbeTargets):
    port: Annotated[int, Field(ge=1, le=65535)] = Field(443, description="Port that is connected to")


class HttpTargets(ProbeTargets):
    port: Annotated[int, Field(ge=1, le=65535)] = Field(80, description="Port that is connected to")
    path: UrlPath = Field("/", description="What is asked for; a status of 2xx or 3xx is an answer")
    host: WebHost | None = Field(None, description="Host that is asked for; the target when left out")


class Monitor(Container):
    icmp: ProbeTargets | None = Field(None, description="Probe with ICMP echo")
    arp: ProbeTargets | None = Field(None, description="Probe a neighbour on the link with ARP")
    tcp: TcpTargets | None = Field(None, description="Probe with a TCP connection")
    http: HttpTargets | None = Field(None, description="Probe with an HTTP GET")
    require: Literal["any", "quorum", "all"] = Field(
        "any", description="How many targets have to answer for the link to be up"
    )
    quorum: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Targets that have to answer with require quorum; more than half when left out"
    )
    interval: Milliseconds = Field(1000, description="Milliseconds between probes")
    timeout: ShortMilliseconds | None = Field(
        None, description="Milliseconds to wait for an answer; the interval when left out"
    )
    fail: Annotated[int, Field(ge=1, le=100)] = Field(3, description="Probes lost in a row that mean down")
    rise: Annotated[int, Field(ge=1, le=100)] = Field(3, description="Answers in a row that mean up")
    loss_threshold: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Percent of the last 50 probes lost from which the link is shown as degraded"
    )
    rtt_threshold: Annotated[int, Field(ge=1, le=60_000)] | None = Field(
        None, description="Mean round-trip milliseconds from which the link is shown as degraded"
    )


class Link(Container):
    interface: InterfaceName = Field(description="Outside interface the link leaves by")
    next_hop: AddressValue | None = Field(
        None, description="Gateway of the provider; of a point-to-point interface its other end when left out"
    )
    monitor: Monitor | None = Field(None, description="How the link is watched")
    backup: LinkName | None = Field(None, description="Link that new flows take while this one is down")
    pool: PoolName | None = Field(
        None, description="Pool of flows that take it as a backup or one of a group; their rule's if left out"
    )
    hold_down: HoldDown = Field(5, description="Seconds a link that failed has to be well before it is used")
    hold_down_limit: HoldDown = Field(
        300, description="Seconds up to which the hold-down doubles while the link flaps"
    )
    flows: Literal["keep", "end"] = Field(
        "keep", description="What becomes of the link's flows when it goes down"
    )
    description: Description | None = Field(None, description="Free text")


class Member(Container):
    weight: Annotated[int, Field(ge=1, le=100)] = Field(1, description="Its part of the new flows")
    use: Literal["share", "last-resort"] = Field(
        "share", description="Last resort: only while no link of the group that shares is up"
    )


class LinkGroup(Container):
    link: dict[LinkName, Member] = Field(default_factory=dict, description="Link that carries a part")
    spread: Literal["subscriber", "flow"] = Field(
        "subscriber", description="What is spread: inside addresses, each staying on its link, or flows"
    )
    description: Description | None = Field(None, description="Free text")


class Pool(Container):
    address: tuple[AddressRange, ...] = Field((), description="Address, range or prefix to translate to")
    interface_address: InterfaceName | None = Field(
        None, description="Outside interface whose own address is the pool, whatever it is at the time"
    )
    exclude: tuple[AddressRange, ...] = Field((), description="Address, range or prefix left out")
    ports: PortRange = Field(PortRange(1024, 65535), description="Ports handed out")
    announce: Literal["arp", "none"] = Field(
        "arp", description="Answer ARP for the addresses on their link; none where they are routed here"
    )
    unmatched: Literal["drop", "stack"] = Field(
        "drop", description="Traffic to the addresses that is no flow: drop it, or leave it to the stack"
    )
    description: Description | None = Field(None, description="Free text")


class Failover(Container):
    redirect: AddressValue | None = Field(None, description="Next hop while the link is down")
    pool: PoolName | None = Field(None, description="Pool while the link is down")


class RuleMatch(Container):
    """What a rule matches. A new field goes here and into snatsh/compile/match.py."""

    source: PrefixValue | None = Field(None, description="Source prefix; any when left out")
    destination: PrefixValue | None = Field(None, description="Destination prefix; any when left out")
    protocol: ProtocolName | None = Field(None, description="Protocol; any when left out")
    out_interface: InterfaceName | None = Field(None, description="Outside interface that routing chose")
    next_hop: AddressValue | None = Field(None, description="Gateway that routing chose")
    fwmark: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        None, description="Mark that netfilter gave the packet; needs hook tc at the inside"
    )


class Rule(RuleMatch):
    action: Action = Field("translate", description="What is done with a packet of this rule")
    pool: PoolName | None = Field(None, description="Pool that gives the new source address")
    algorithm: Algorithm = Field("source-destination-hash", description="How the address is chosen")
    mapping: Literal["endpoint-dependent", "endpoint-independent"] = Field(
        "endpoint-dependent", description="Whether a mapped port is bound to one destination (RFC 4787)"
    )
    filtering: Literal["address-and-port-dependent", "endpoint-independent"] = Field(
        "address-and-port-dependent",
        description="Who may send to an endpoint-independent mapping: whom its host wrote to, or anyone",
    )
    group: GroupName | None = Field(None, description="Links that share the new flows")
    redirect: AddressValue | None = Field(None, description="Next hop to send by, instead of the routed one")
    failover: dict[LinkName, Failover] = Field(
        default_factory=dict, description="What changes while a link is down"
    )
    description: Description | None = Field(None, description="Free text")


class TcpTimeouts(Container):
    established: Seconds = Field(7440, description="Seconds an idle established connection is kept")
    transitory: Seconds = Field(240, description="Seconds a half-open, half-closed or reset one is kept")
    time_wait: Seconds = Field(120, description="Seconds a closed one is kept")
    syn: Seconds = Field(30, description="Seconds an unanswered SYN is kept")


class UdpTimeouts(Container):
    replied: Seconds = Field(300, description="Seconds of silence after an answer was seen")
    unreplied: Seconds = Field(30, description="Seconds of silence while no answer was seen")


class IcmpTimeouts(Container):
    query: Seconds = Field(60, description="Seconds an echo identifier is kept")


class Timeouts(Container):
    tcp: TcpTimeouts = Field(default_factory=TcpTimeouts, description="TCP, RFC 5382 and 7857")
    udp: UdpTimeouts = Field(default_factory=UdpTimeouts, description="UDP, RFC 4787")
    icmp: IcmpTimeouts = Field(default_factory=IcmpTimeouts, description="ICMP, RFC 5508")


class SubscriberLimits(Container):
    sessions: Annotated[int, Field(ge=1, le=4_000_000)] | None = Field(
        None, description="Sessions one inside address may hold; unlimited when left out"
    )
    new_flows: Annotated[int, Field(ge=1, le=4_000_000)] | None = Field(
        None, description="Flows one inside address may open a second; unlimited when left out"
    )
    half_open: Annotated[int, Field(ge=1, le=4_000_000)] = Field(
        20_000, description="Flows without an answer that one inside address may hold"
    )


class Limits(Container):
    flows: Annotated[int, Field(ge=1024, le=16_777_216)] = Field(
        262_144, description="Flows there is room for, from the next start of snatd on"
    )
    refusals: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="ICMP errors a second that tell an inside address of its refused flows; 0 for none"
    )
    subscriber: SubscriberLimits = Field(
        default_factory=SubscriberLimits, description="Limits of each inside address"
    )


class Mark(Container):
    inactive: Literal["yes"] | None = Field(None, description="As if the statement were not there")
    protect: Literal["yes"] | None = Field(None, description="Not to be changed")
    comment: Comment | None = Field(None, description="What somebody wants to say about it")


class Profile(Container):
    system: System = Field(default_factory=System, description="The gateway itself")
    interfaces: dict[InterfaceName, Interface] = Field(
        default_factory=dict, description="Interfaces that take part in the translation"
    )
    links: dict[LinkName, Link] = Field(default_factory=dict, description="Uplinks")
    link_groups: dict[GroupName, LinkGroup] = Field(
        default_factory=dict, description="Links that share what a rule sends"
    )
    pools: dict[PoolName, Pool] = Field(default_factory=dict, description="Public addresses")
    rules: dict[RuleNumber, Rule] = Field(default_factory=dict, description="Translation rules")
    timeouts: Timeouts = Field(default_factory=Timeouts, description="How long flows are kept")
    limits: Limits = Field(default_factory=Limits, description="Explicit bounds")
    marks: Annotated[dict[MarkedStatement, Mark], Hidden()] = Field(
        default_factory=dict, description="Statements that are inactive, protected or annotated"
    )
