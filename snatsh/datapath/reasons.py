# SPDX-License-Identifier: Apache-2.0
"""Why packets were dropped or passed to the stack, in the order of the enums in bpf/counters.h."""

from __future__ import annotations

DROP_REASONS: dict[str, str] = {
    "no-rule": "No rule matched and the default action is drop",
    "rule": "A rule with action drop matched",
    "pool-exhausted": "No free port was found on the pool's addresses",
    "table-full": "The flow table is full",
    "subscriber-limit": "The subscriber has reached its limit of sessions",
    "subscriber-rate": "The subscriber has reached its limit of new flows per second",
    "half-open": "The subscriber has reached its limit of unreplied flows",
    "no-flow": "Traffic to a pool address that belongs to no flow",
    "protocol": "A protocol or ICMP type that can't be translated",
    "fragment": "A fragment of a packet that should be translated",
    "malformed": "Truncated or inconsistent headers",
    "icmp-no-flow": "An ICMP error that belongs to no flow",
    "no-state": "A packet that cannot open a flow, such as a reset or an echo reply, and belongs to none",
    "ended": "Of a TCP flow that ended with its link; the subscriber was sent a reset",
    "leak-guard": "Would have left untranslated by an outside interface",
    "no-next-hop": "The redirect's next hop is not reachable",
    "internal": "Internal inconsistency of the datapath; please report",
    "inbound": "From outside to an inside network by routing alone, with system inbound drop",
    "pool-empty": "The rule's pool has no address: the interface that it follows has none",
}

PASS_REASONS: dict[str, str] = {
    "no-path": "The next hop's link-layer address is not known yet, or its interface has no XDP",
    "ttl": "The TTL expired; the stack sends the ICMP error",
    "mtu": "Larger than the path MTU; the stack fragments it or sends the ICMP error",
    "options": "IP options",
    "fragment": "A fragment",
    "icmp-error": "An ICMP error, translated in TC",
    "protocol": "Neither TCP, UDP nor ICMP echo",
    "exempt": "Exempt by a rule or by default action pass",
    "route": "Not routed from an inside to an outside interface",
    "endpoint": "The first packet from outside to an endpoint-independent mapping",
    "hairpin": "From a subscriber to a pool address",
    "foreign": "A reply of a stack connection, admitted by port forwarding or a load balancer",
    "vlan": "A tagged frame, which belongs to its VLAN device",
    "not-ip": "Neither IPv4 nor tagged: ARP, IPv6 and the like",
    "malformed": "Truncated or inconsistent headers; the stack drops it",
    "station": "Not addressed to the interface it came in by; the stack forwards no such frame",
}
