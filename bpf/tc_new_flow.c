/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The new-flow path in TC, in tail-called programs: at the ingress of the inside where there is no XDP, else at
 * the egress of the outside. */
#include "established.h"
#include "hairpin.h"
#include "icmp.h"
#include "new_flow_eim.h"
#include "reclaim.h"
#include "refuse.h"
#include "reset.h"
#include "skb.h"
#include "stack_connections.h"

/* Refuses: the subscriber may get an ICMP error. */
inline_always int refuse_skb(struct __sk_buff *skb, u32 reason, const struct packet *p)
{
    u32 zero = 0;
    struct scratch *scratch = scratches.lookup(&zero);

    if (scratch && is_answered(reason)) {
        scratch->refused = reason;
        tc_programs.call(skb, TC_PROGRAM_REFUSE);
    }
    return drop_skb(reason, p);
}

/* An address and port that were found when the table had no room are still good. */
inline_always int call_claim_skb(struct __sk_buff *skb, const struct scratch *scratch)
{
    if (!scratch->table_full && !(scratch->seen & SEEN_FROM_OUTSIDE)) /* else it was before */
        trace_new_flow(&scratch->packet);
    if (scratch->seen & SEEN_FROM_OUTSIDE || (scratch->table_full && !scratch->seen))
        tc_programs.call(skb, TC_PROGRAM_OPEN);
    else if (scratch->seen)
        tc_programs.call(skb, TC_PROGRAM_CLAIM_EIM);
    else
        tc_programs.call(skb, TC_PROGRAM_CLAIM);
    return drop_skb(DROP_INTERNAL, &scratch->packet);
}

int tc_match(struct __sk_buff *skb)
{
    u32 zero = 0, slot, redirect = 0, now = now_ticks(), came_in = skb->ingress_ifindex, here = skb->ifindex;
    struct control *state = control.lookup(&zero);
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};
    struct packet *p;
    struct path path;
    int outcome;

    if (!state || !scratch)
        return TC_ACT_SHOT;
    p = &scratch->packet;
    if (parse_skb(skb, p) != PARSED)
        return TC_ACT_SHOT;
    slot = state->generation & 1;
    if (p->kind == KIND_ICMP_ERROR) {
        outcome = translate_error_outbound(skb, p, 0, now, &redirect);
        if (outcome < 0)
            return drop_skb(DROP_INTERNAL, p);
        if (outcome && find_pool_address(slot, p->destination)) /* about a hairpinned packet (RFC 5508, REQ-7) */
            return hairpin_skb(skb, slot, p);
        if (outcome)
            return forward_translated(skb, p, redirect);
    }
    if (is_terminated(p, now))
        tc_programs.call(skb, TC_PROGRAM_RESET);
    find_path(skb, came_in, p, p->destination, p->destination_port, &path);
    if (here == came_in) {
        if (!path.out_ifindex && is_for_mapping(p, now))
            path.out_ifindex = reentry_interface(slot, p->destination);
        if (!path.out_ifindex || !has_role(slot, path.out_ifindex, ROLE_OUTSIDE))
            return is_new(path.out_ifindex) ? drop_traced_skb(DROP_LEAK_GUARD, p)
                                                  : TC_ACT_OK; /* to the gateway, another inside network, or nowhere */
        if (p->ttl <= 1 || is_martian(p->source) || is_local_address(slot, p->source) || !is_unicast(p->destination) || is_stack_connection(slot, p, now))
            return TC_ACT_OK;
    } else if (is_local_address(slot, p->source)) {
        tc_programs.call(skb, TC_PROGRAM_OWN); /* reply of a forwarded port: the stack has translated it */
        return let_pass(skb);
    } else if (path.out_ifindex != here) { /* the stack knows a route that the lookup doesn't */
        path.out_ifindex = here;
        path.next_hop = 0;
    }
    match_packet(slot, p, &path, &new_flow, now);
    if (new_flow.verdict == VERDICT_DROP)
        return is_answered(new_flow.reason) ? refuse_skb(skb, new_flow.reason, p) : drop_traced_skb(new_flow.reason, p);
    if (new_flow.verdict == VERDICT_PASS) {
        note_exempt_connection(p, now);
        return let_pass(skb);
    }
    if (new_flow.verdict == VERDICT_TRANSLATE)
        return call_claim_skb(skb, scratch);
    tc_programs.call(skb, TC_PROGRAM_RECLAIM);
    return drop_skb(DROP_INTERNAL, p);
}

int tc_reclaim(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return TC_ACT_SHOT;
    reclaim(scratch, &new_flow, now);
    if (new_flow.verdict == VERDICT_RECLAIM)
        tc_programs.call(skb, TC_PROGRAM_RECLAIM);
    else if (new_flow.verdict == VERDICT_TRANSLATE)
        return call_claim_skb(skb, scratch);
    else if (scratch->seen & SEEN_FROM_OUTSIDE)
        tc_programs.call(skb, TC_PROGRAM_UNMATCHED);
    else
        return refuse_skb(skb, new_flow.reason, &scratch->packet);
    return drop_skb(DROP_INTERNAL, &scratch->packet);
}

inline_always int finish_claim_skb(struct __sk_buff *skb, const struct scratch *scratch,
                                   const struct new_flow *new_flow, u32 claim)
{
    if (new_flow->verdict == VERDICT_DROP)
        return refuse_skb(skb, new_flow->reason, &scratch->packet);
    if (new_flow->verdict == VERDICT_RECLAIM)
        tc_programs.call(skb, TC_PROGRAM_RECLAIM);
    else
        tc_programs.call(skb, new_flow->verdict == VERDICT_AGAIN ? claim : TC_PROGRAM_OPEN);
    return drop_skb(DROP_INTERNAL, &scratch->packet);
}

int tc_claim(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return TC_ACT_SHOT;
    claim_flow(skb, scratch, &new_flow, now);
    return finish_claim_skb(skb, scratch, &new_flow, TC_PROGRAM_CLAIM);
}

int tc_claim_eim(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return TC_ACT_SHOT;
    claim_eim_flow(skb, skb->ingress_ifindex, scratch, &new_flow, now);
    return finish_claim_skb(skb, scratch, &new_flow, TC_PROGRAM_CLAIM_EIM);
}

/* Continues from the start, which finds the flow; or refuses the packet. */
int tc_open(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return TC_ACT_SHOT;
    open_flow(scratch, &new_flow, now);
    if (new_flow.verdict == VERDICT_RECLAIM)
        tc_programs.call(skb, TC_PROGRAM_RECLAIM);
    else if (scratch->seen & SEEN_FROM_OUTSIDE)
        tc_programs.call(skb, new_flow.verdict == VERDICT_TRANSLATE ? TC_PROGRAM_OUTSIDE_IN : TC_PROGRAM_UNMATCHED);
    else if (new_flow.verdict == VERDICT_AGAIN)
        tc_programs.call(skb, scratch->seen ? TC_PROGRAM_CLAIM_EIM : TC_PROGRAM_CLAIM);
    else if (new_flow.verdict == VERDICT_DROP)
        return refuse_skb(skb, new_flow.reason, &scratch->packet);
    else
        tc_programs.call(skb, at_ingress(skb) ? TC_PROGRAM_INSIDE : TC_PROGRAM_OUTSIDE_OUT);
    return drop_skb(DROP_INTERNAL, &scratch->packet);
}

/* At the egress the source MAC address is lost, so the packet goes back by a route lookup. */
inline_always int send_back(struct __sk_buff *skb, u32 from)
{
    return at_ingress(skb) ? bpf_redirect(from, 0) : redirect_by_neighbour(from, 0, 0, 0);
}

/* Turns the packet into the ICMP error and sends it back by the interface it came from. */
int tc_refuse(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks(), from = skb->ingress_ifindex;
    struct control *state = control.lookup(&zero);
    struct scratch *scratch = scratches.lookup(&zero);
    struct refusal refusal = {};
    struct interface *interface;
    struct packet p;

    if (!state || !scratch || parse_skb(skb, &p) != PARSED)
        return TC_ACT_SHOT;
    interface = find_interface(state->generation & 1, from);
    count_drop(scratch->refused, p.length);
    trace(&p, TRACE_DROPPED, scratch->refused, 0, 0);
    if (!interface || !interface->address || !may_send_unreachable(state->generation & 1, &p, now) ||
        bpf_skb_load_bytes(skb, 0, &refusal.ethernet, L3) || bpf_skb_load_bytes(skb, L3, refusal.quoted, QUOTED) ||
        bpf_skb_change_tail(skb, L3 + QUOTED, 0) || bpf_skb_adjust_room(skb, REFUSAL_GROWTH, BPF_ADJ_ROOM_MAC, 0))
        return TC_ACT_SHOT;
    fill_refusal(&refusal, interface->address, p.source);
    swap_mac_addresses(&refusal.ethernet);
    if (bpf_skb_store_bytes(skb, 0, &refusal, sizeof(refusal), BPF_F_INVALIDATE_HASH))
        return TC_ACT_SHOT;
    return send_back(skb, from);
}

/* Resets the subscriber's side of a connection: the packet becomes the reset. */
int tc_reset(struct __sk_buff *skb)
{
    struct reset reset = {};
    struct packet p;
    u32 acknowledged;

    if (parse_skb(skb, &p) != PARSED)
        return TC_ACT_SHOT;
    count_drop(DROP_ENDED, p.length);
    trace(&p, TRACE_DROPPED, DROP_ENDED, 0, 0);
    if (bpf_skb_load_bytes(skb, 0, &reset.ethernet, L3) ||
        bpf_skb_load_bytes(skb, ACKNOWLEDGED_AT, &acknowledged, sizeof(acknowledged)) ||
        bpf_skb_change_tail(skb, sizeof(reset), 0))
        return TC_ACT_SHOT;
    fill_reset(&reset, &p, acknowledged);
    swap_mac_addresses(&reset.ethernet);
    if (bpf_skb_store_bytes(skb, 0, &reset, sizeof(reset), BPF_F_INVALIDATE_HASH))
        return TC_ACT_SHOT;
    return send_back(skb, skb->ingress_ifindex);
}
