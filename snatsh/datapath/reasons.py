# SPDX-License-Identifier: Apache-2.0
"""Why packets were dropped or passed to the stack, in the order of the enums in bpf/counters.h."""

from __future__ import annotations

DROP_REASONS: dict[str, str] = {
    "no-rule": "No rule matched and the default action is drop",
    "rule": "A rule with action drop matched",
    "pool-exhausted": "No free port was found on the pool's addresses",
    "table-full": "The flow table is full",
    "subscriber-limit": "The inside address holds as many sessions as it may",
    "subscriber-rate": "The inside address opens more flows a second than it may",
    "half-open": "The inside address holds as many unanswered flows as it may",
    "no-flow": "Traffic to a pool address that belongs to no flow",
    "protocol": "A protocol or ICMP type that can't be translated",
    "fragment": "A fragment of a packet that should be translated",
    "malformed": "Headers cut short or contradictory",
    "icmp-no-flow": "An ICMP error about no known flow",
    "no-state": "A packet that may not open a flow: a reset or an echo reply out of nowhere",
    "ended": "Of a TCP flow that ended with its link; the inside host got a reset",
    "leak-guard": "Would have left untranslated by an outside interface",
    "no-next-hop": "The redirect's next hop is not reachable",
    "internal": "The datapath contradicted itself; please report",
}

PASS_REASONS: dict[str, str] = {
    "no-path": "The next hop's link-layer address is not known yet, or its interface has no XDP",
    "ttl": "TTL ran out; the stack answers",
    "mtu": "Larger than the path's MTU; the stack fragments or answers",
    "options": "IP options",
    "fragment": "A fragment",
    "icmp-error": "An ICMP error, translated by the TC half",
    "protocol": "Neither TCP, UDP nor ICMP echo",
    "exempt": "Exempted by a rule, or default action pass",
    "route": "Not on its way from inside to outside",
    "endpoint": "The first packet from outside to an endpoint-independent mapping",
    "hairpin": "From an inside host to a pool address",
    "foreign": "Answers a connection that the stack let in by itself, by port forwarding or a load balancer",
    "vlan": "A tagged frame, which belongs to its VLAN device",
    "not-ip": "Neither IPv4 nor tagged: ARP, IPv6 and the like",
    "malformed": "Headers cut short or contradictory; the stack drops it",
}
