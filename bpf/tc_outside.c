/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TC programs at outside interfaces. Inbound packets are translated before routing. Outbound ones are
 * translated at the egress, which is the leak guard: what came in by an inside interface leaves translated,
 * exempted by a rule, or not at all. */
#include "admission.h"
#include "arp.h"
#include "established.h"
#include "fragments.h"
#include "hairpin.h"
#include "icmp.h"
#include "own_connections.h"
#include "skb.h"

/* Leaves a packet from outside that belongs to no flow to the program that decides about such (tc_unmatched.c). */
inline_always int leave_unmatched(struct __sk_buff *skb)
{
    tc_programs.call(skb, TC_PROGRAM_UNMATCHED);
    count_drop(DROP_INTERNAL, skb->len);
    return TC_ACT_SHOT;
}

/* Hands a translated packet to routing. The source of one that is hairpinned may be an address of the gateway, which
 * is martian to the stack: it goes to its next hop from here. */
inline_always int route_inbound(struct __sk_buff *skb, const struct packet *p, u32 inside, int is_hairpinned)
{
    struct path path;

    if (!is_hairpinned || p->ttl <= 1)
        return TC_ACT_OK;
    find_path(skb, skb->ifindex, p, inside, p->destination_port, &path);
    if (!path.out_ifindex)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    return lower_skb_ttl(skb, p) ? drop_skb(DROP_INTERNAL, p)
                                 : send_by_neighbour(skb, path.out_ifindex, path.next_hop);
}

inline_always int translate_fragment_inbound(struct __sk_buff *skb, const struct packet *p, int is_hairpinned, u32 now)
{
    struct translation translation = {.is_source = 0};
    struct fragment fragment;

    if (!find_fragment(p, &fragment, now))
        return leave_unmatched(skb);
    translation.address = fragment.address;
    if (rewrite_skb_address(skb, &translation, p->destination))
        return drop_skb(DROP_INTERNAL, p);
    return route_inbound(skb, p, translation.address, is_hairpinned);
}

/* A flow whose first reply is for a socket that the claim did not see yields: the gateway takes over the tuple. */
inline_always int yields_to_socket(struct __sk_buff *skb, const struct control *state, struct record *record, u64 live,
                                   const struct packet *p, u32 now)
{
    struct own_connection own = {.seen = now, .port = p->destination_port};
    struct flow_key reply;

    if (!is_for_bound_socket(skb, state->generation & 1, record, p, now))
        return 0;
    key_of(p, &reply);
    own_connections.update(&reply, &own);
    end_flow(state, record, live);
    return 1;
}

int tc_outside_in(struct __sk_buff *skb)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct inbound *inbound;
    struct record *record;
    struct forwarding forwarding;
    struct flow_key reply;
    struct packet p;
    u64 live = 0;
    int outcome, settled, is_hairpinned = skb->tc_index == HAIRPINNED;
    u32 inside;

    if (!state)
        return TC_ACT_OK;
    slot = state->generation & 1;
    if (skb->protocol == bpf_htons(ETH_P_ARP))
        return answer_arp(skb, slot);
    if (!is_skb_for_gateway(skb))
        return TC_ACT_OK;
    outcome = parse_skb(skb, &p);
    if (outcome != PARSED)
        return outcome == PARSED_NOT_IP ? TC_ACT_OK : leave_unmatched(skb);
    if (p.kind == KIND_ICMP_ERROR) {
        outcome = translate_error_inbound(skb, &p, &inside, now);
        if (outcome < 0)
            return drop_skb(DROP_INTERNAL, &p);
        return outcome ? route_inbound(skb, &p, inside, is_hairpinned) : leave_unmatched(skb);
    }
    if (p.kind == KIND_FRAGMENT)
        return translate_fragment_inbound(skb, &p, is_hairpinned, now);
    if (p.kind != KIND_FLOW)
        return leave_unmatched(skb);
    record = find_flow_of(state, SIDE_INBOUND, &p, &live);
    settled = record && is_settled_inbound(record, &p, state, now);
    if (record && !settled && yields_to_socket(skb, state, record, live, &p, now))
        return leave_unmatched(skb);
    if (!record || (!settled && !refresh(skb, skb->ifindex, record, live, &p, state, now, 0)) ||
        !read_inbound(record, live, &forwarding)) {
        if (!is_hairpinned && is_local_address(slot, p.source))
            return TC_ACT_OK; /* a martian */
        key_of(&p, &reply);
        if (may_be_admitted(slot, &p, now) && !find_own_connection(slot, &reply, now))
            tc_programs.call(skb, TC_PROGRAM_ADMIT);
        return leave_unmatched(skb);
    }
    inbound = &record->inbound;
    if (p.ttl <= 1 && !is_local_address(slot, p.destination))
        return TC_ACT_OK; /* unchanged: the stack's ICMP error must not show the internal address. To an address of the
                           * gateway it would answer as a host: what it quotes then is translated at the egress */
    count_flow(&inbound->packets, &inbound->bytes, inbound->counter, p.length);
    trace(&p, TRACE_TRANSLATED, 0, forwarding.translation.address, forwarding.translation.port);
    note_fragment(&p, forwarding.translation.address, 0, now);
    if (forwarding.out_ifindex && is_plain(&p) && p.ttl > 1 && packet_length(skb, &p) <= forwarding.mtu)
        return send_skb(skb, &p, &forwarding.translation, forwarding.ethernet, forwarding.out_ifindex);
    if (rewrite_skb(skb, &p, &forwarding.translation))
        return drop_skb(DROP_INTERNAL, &p);
    return route_inbound(skb, &p, forwarding.translation.address, is_hairpinned);
}

/* Translates at the egress. */
inline_always int translate_egress(struct __sk_buff *skb, u32 slot, const struct packet *p, struct outbound *outbound,
                                   const struct forwarding *forwarding, u32 now)
{
    u32 redirect = forwarding->redirect;

    count_flow(&outbound->packets, &outbound->bytes, outbound->counter, p->length);
    note_fragment(p, forwarding->translation.address, redirect, now);
    if (rewrite_skb(skb, p, &forwarding->translation))
        return drop_skb(DROP_INTERNAL, p);
    if (forwarding->seen & SEEN_HAIRPIN)
        return hairpin_skb(skb, slot, p);
    return forward_translated(skb, p, redirect);
}

inline_always int translate_fragment_egress(struct __sk_buff *skb, u32 slot, const struct packet *p,
                                            const struct fragment *fragment)
{
    struct translation translation = {.address = fragment->address, .is_source = 1};
    u32 redirect = fragment->redirect;

    if (rewrite_skb_address(skb, &translation, p->source))
        return drop_skb(DROP_INTERNAL, p);
    if (find_pool_address(slot, p->destination))
        return hairpin_skb(skb, slot, p);
    return forward_translated(skb, p, redirect);
}

/* Leaves a packet of the gateway itself to the program that notes its connections (tc_own.c). */
inline_always int leave_own(struct __sk_buff *skb)
{
    tc_programs.call(skb, TC_PROGRAM_OWN);
    return let_pass(skb);
}

int tc_outside_out(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct packet p = {};
    struct record *record;
    struct forwarding forwarding;
    u64 live = 0;
    u32 outcome;

    if (skb->tc_index == TRANSLATED) {
        skb->tc_index = 0;
        return TC_ACT_OK;
    }
    if (!state || skb->protocol != bpf_htons(ETH_P_IP))
        return let_pass(skb);
    if (skb->vlan_present)
        return let_pass(skb); /* left by a VLAN device, which has its own hooks if it is an outside interface */
    if (!skb->ingress_ifindex || !has_role(state->generation & 1, skb->ingress_ifindex, ROLE_INSIDE))
        return is_new(skb->ingress_ifindex) ? drop_skb(DROP_LEAK_GUARD, &p) : leave_own(skb);
    outcome = parse_skb(skb, &p);
    if (outcome != PARSED)
        return drop_skb(outcome == PARSED_MALFORMED ? DROP_MALFORMED : DROP_LEAK_GUARD, &p);
    if (p.kind == KIND_FLOW) {
        record = find_flow_of(state, SIDE_OUTBOUND, &p, &live);
        if (record && goes_on_outbound(skb, skb->ingress_ifindex, record, live, &p, state, now) &&
            read_outbound(record, live, &forwarding)) {
            trace(&p, TRACE_TRANSLATED, 0, forwarding.translation.address, forwarding.translation.port);
            return translate_egress(skb, state->generation & 1, &p, &record->outbound, &forwarding, now);
        }
    }
    if (p.kind == KIND_FRAGMENT) {
        struct fragment fragment;

        if (find_fragment(&p, &fragment, now))
            return translate_fragment_egress(skb, state->generation & 1, &p, &fragment);
    }
    tc_programs.call(skb, TC_PROGRAM_MATCH);
    return drop_traced_skb(DROP_LEAK_GUARD, &p);
}
