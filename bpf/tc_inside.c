/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TC programs at inside interfaces: established flows, and new ones where there is no XDP. */
#include "established.h"
#include "hairpin.h"
#include "skb.h"
#include "stack_connections.h"

/* Counts as one hop: the TTL is decremented where it re-enters. */
inline_always int hairpin(struct __sk_buff *skb, u32 slot, const struct packet *p, struct outbound *outbound,
                          const struct forwarding *forwarding)
{
    count_flow(&outbound->packets, &outbound->bytes, outbound->counter, p->length);
    return rewrite_skb(skb, p, &forwarding->translation) ? drop_skb(DROP_INTERNAL, p) : hairpin_skb(skb, slot, p);
}

/* Lets the stack route the packet. */
inline_always int route_by_stack(struct __sk_buff *skb, const struct packet *p)
{
    struct path path;

    find_path(skb, skb->ifindex, p, p->destination, p->destination_port, &path);
    return is_new(path.out_ifindex) ? drop_skb(DROP_LEAK_GUARD, p) : TC_ACT_OK;
}

/* At the ingress of the inside: bypasses the stack where the path is known. A redirected flow must not
 * depend on the route it is redirected from, so it always bypasses the stack. */
inline_always int forward(struct __sk_buff *skb, u32 slot, const struct packet *p, struct outbound *outbound,
                          const struct forwarding *forwarding)
{
    u32 redirect = forwarding->redirect, out_ifindex = is_plain(p) || redirect ? forwarding->out_ifindex : 0;
    struct path path;

    if (p->ttl <= 1 || (out_ifindex && packet_length(skb, p) > forwarding->mtu))
        return TC_ACT_OK; /* the stack answers with an ICMP error */
    if (forwarding->seen & SEEN_HAIRPIN)
        return hairpin(skb, slot, p, outbound, forwarding);
    if (out_ifindex) {
        count_flow(&outbound->packets, &outbound->bytes, outbound->counter, p->length);
        return send_skb(skb, p, &forwarding->translation, forwarding->ethernet, out_ifindex);
    }
    if (!redirect)
        return route_by_stack(skb, p);
    find_path(skb, skb->ifindex, p, redirect, p->destination_port, &path);
    if (!path.out_ifindex)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    count_flow(&outbound->packets, &outbound->bytes, outbound->counter, p->length);
    if (rewrite_skb(skb, p, &forwarding->translation) || lower_skb_ttl(skb, p))
        return drop_skb(DROP_INTERNAL, p);
    return send_by_neighbour(skb, path.out_ifindex, redirect);
}

int tc_inside(struct __sk_buff *skb)
{
    u32 zero = 0, slot, now;
    struct control *state = control.lookup(&zero);
    struct interface *interface;
    struct packet p = {};
    struct record *record;
    struct forwarding forwarding;
    u64 live = 0;
    u32 outcome;

    skb->tc_index = 0;
    if (!state || !is_skb_for_gateway(skb))
        return TC_ACT_OK;
    slot = state->generation & 1;
    outcome = parse_skb(skb, &p);
    if (outcome == PARSED_NOT_IP)
        return TC_ACT_OK;
    if (outcome != PARSED)
        return route_by_stack(skb, &p);
    if (p.kind != KIND_FLOW || p.fragment != WHOLE) {
        if (find_pool_address(slot, p.destination))
            tc_programs.call(skb, TC_PROGRAM_OUTSIDE_OUT); /* it might not get to an egress: no neighbour answers */
        return route_by_stack(skb, &p);
    }
    record = find_flow_of(state, SIDE_OUTBOUND, &p, &live);
    now = now_ticks();
    if (record && goes_on_outbound(skb, skb->ifindex, record, live, &p, state, now) &&
        read_outbound(record, live, &forwarding)) {
        trace(&p, TRACE_TRANSLATED, 0, forwarding.translation.address, forwarding.translation.port);
        return forward(skb, slot, &p, &record->outbound, &forwarding);
    }
    interface = find_interface(slot, skb->ifindex);
    if (!interface ||
        (interface->flags & (INTERFACE_XDP | INTERFACE_LATE) && !reentry_interface(slot, p.destination)))
        return route_by_stack(skb, &p); /* XDP has matched it already and left it to the stack, or the mark is to come */
    tc_programs.call(skb, TC_PROGRAM_MATCH);
    return route_by_stack(skb, &p); /* the egress of the outside interface opens the flow */
}

/* Records stack connections: packets from outside to inside that were not translated on the way. */
int tc_inside_out(struct __sk_buff *skb)
{
    u32 zero = 0;
    struct control *state = control.lookup(&zero);
    struct packet p;

    if (skb->tc_index == TRANSLATED || !state || !skb->ingress_ifindex || skb->protocol != bpf_htons(ETH_P_IP) ||
        !has_role(state->generation & 1, skb->ingress_ifindex, ROLE_OUTSIDE))
        return TC_ACT_OK;
    if (parse_skb(skb, &p) == PARSED && p.kind == KIND_FLOW && p.fragment == WHOLE)
        note_stack_connection(&p, now_ticks());
    return TC_ACT_OK;
}
