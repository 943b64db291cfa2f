/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packet trace. When off, it costs one array lookup. Events go to a hash map that user space empties; when it is
 * full, events are lost, never packets. */
#ifndef SNATSH_TRACE_H
#define SNATSH_TRACE_H

#include "config.h"
#include "parse.h"

enum trace_kind { TRACE_DROPPED, TRACE_PASSED, TRACE_OPENED, TRACE_TRANSLATED };

SHARED_MAP("array", u32, struct trace_filter, trace_filters);
SHARED_MAP("hash", u64, struct trace_event, trace_events);

/* Whether the filter matches the packet, in either direction. `inside`: the internal address it is also known by. */
inline_always int is_traced(const struct trace_filter *filter, const struct packet *p, u32 inside)
{
    u32 source = filter->source, source_mask = filter->source_mask;
    u32 destination = filter->destination, destination_mask = filter->destination_mask;
    u32 forth = ((p->source ^ source) & source_mask) | ((p->destination ^ destination) & destination_mask);
    u32 back = ((inside ^ source) & source_mask) | ((p->source ^ destination) & destination_mask);

    if (forth && back)
        return 0;
    if (filter->protocol && filter->protocol != p->protocol)
        return 0;
    return !filter->port || filter->port == p->source_port || filter->port == p->destination_port;
}

inline_always void trace(const struct packet *p, u8 kind, u32 detail, u32 address, u16 port)
{
    u32 zero = 0;
    struct trace_filter *filter = trace_filters.lookup(&zero);
    struct trace_event event = {};
    u64 now;

    if (!filter || !filter->until)
        return;
    now = bpf_ktime_get_ns();
    if (is_past((u32)(now >> TICK_SHIFT), filter->until))
        return;
    if (!is_traced(filter, p, kind == TRACE_TRANSLATED && address ? address : p->destination))
        return;
    event.source = p->source;
    event.destination = p->destination;
    event.source_port = p->source_port;
    event.destination_port = p->destination_port;
    event.address = address;
    event.port = port;
    event.length = p->length;
    event.detail = detail;
    event.protocol = p->protocol;
    event.kind = kind;
    event.ttl = p->ttl;
    event.tcp_flags = p->tcp_flags;
    trace_events.insert(&now, &event);
}

/* Whether it replies to the gateway's own echo from a pool address: shown in the trace, not counted as a drop. */
inline_always int is_probe_answer(const struct packet *p)
{
    u32 zero = 0;
    struct trace_filter *filter = trace_filters.lookup(&zero);

    if (!filter || !filter->probe || is_past(now_ticks(), filter->until))
        return 0;
    if (p->protocol != IPPROTO_ICMP || p->destination != filter->source)
        return 0;
    return p->kind == KIND_ICMP_ERROR || p->destination_port == filter->probe;
}

/* Traces the opening of a flow, by the rule that the matching program found. */
inline_always void trace_new_flow(const struct packet *p)
{
    u32 zero = 0, at;
    struct trace_filter *filter = trace_filters.lookup(&zero);
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule;

    if (!filter || !filter->until || !scratch)
        return;
    at = scratch->rule;
    rule = rules.lookup(&at);
    if (rule)
        trace(p, TRACE_OPENED, rule->number, 0, 0);
}

#endif
