/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TC half at the outside interfaces. Inbound packets are translated before routing. Outbound ones
 * are translated at the egress, which is the leak guard too: what came in by an inside interface leaves
 * translated, exempted by a rule, or not at all. */
#include "arp.h"
#include "fragments.h"
#include "icmp.h"
#include "known.h"
#include "open_endpoint.h"
#include "skb.h"

inline_always int refuse_inbound(u32 slot, const struct packet *p)
{
    struct pool_address *address = find_pool_address(slot, p->destination);
    u32 reason = p->kind == KIND_FLOW         ? DROP_NO_FLOW
                 : p->kind == KIND_ICMP_ERROR ? DROP_ICMP_NO_FLOW
                 : p->kind == KIND_FRAGMENT   ? DROP_FRAGMENT
                                              : DROP_PROTOCOL;

    if (!address || address->flags & POOL_ADDRESS_TO_STACK)
        return TC_ACT_OK;
    trace(p, TRACE_DROPPED, reason, 0, 0);
    return is_probe_answer(p) ? TC_ACT_SHOT : drop_skb(reason, p);
}

inline_always int translate_fragment_inbound(struct __sk_buff *skb, u32 slot, const struct packet *p, u32 now)
{
    struct fragment *fragment = find_fragment(p, now);
    struct change change = {.is_source = 0};

    if (!fragment)
        return refuse_inbound(slot, p);
    change.address = fragment->address;
    return rewrite_skb_address(skb, &change, p->destination) ? drop_skb(DROP_INTERNAL, p) : TC_ACT_OK;
}

int tc_outside_in(struct __sk_buff *skb)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct mapping *mapping;
    struct record *record;
    struct change change;
    struct flow_key reply;
    struct packet p;
    int outcome;

    if (!state)
        return TC_ACT_OK;
    slot = state->generation & 1;
    if (skb->protocol == bpf_htons(ETH_P_ARP))
        return answer_arp(skb, slot);
    if (parse_skb(skb, &p) != PARSED)
        return TC_ACT_OK;
    if (p.kind == KIND_ICMP_ERROR) {
        outcome = translate_error_inbound(skb, &p, now);
        if (outcome < 0)
            return drop_skb(DROP_INTERNAL, &p);
        return outcome ? TC_ACT_OK : refuse_inbound(slot, &p);
    }
    if (p.kind == KIND_FRAGMENT)
        return translate_fragment_inbound(skb, slot, &p, now);
    if (p.kind != KIND_FLOW)
        return refuse_inbound(slot, &p);
    key_of(&p, &reply);
    record = find_record(state, SIDE_REPLY, &reply);
    if (!record && open_from_outside(slot, &p, now))
        record = find_record(state, SIDE_REPLY, &reply);
    if (!record)
        return refuse_inbound(slot, &p);
    mapping = &record->mapping;
    if (!is_settled(mapping->touched, mapping->epoch, now, state->epoch, p.tcp_flags) &&
        !refresh_inbound(skb, skb->ifindex, record, &p, state, now))
        return refuse_inbound(slot, &p);
    if (p.ttl <= 1)
        return TC_ACT_OK; /* untouched: the error the stack sends must not show the inside address */
    change_of_mapping(mapping, &change);
    count_flow(&mapping->packets, &mapping->bytes, mapping->counter, p.length);
    trace(&p, TRACE_TRANSLATED, 0, change.address, change.port);
    note_fragment(&p, change.address, 0, now);
    if (mapping->out_ifindex && p.fragment == WHOLE && packet_length(skb, &p) <= mapping->mtu)
        return send_skb(skb, &p, &change, mapping->ethernet, mapping->out_ifindex);
    return rewrite_skb(skb, &p, &change) ? drop_skb(DROP_INTERNAL, &p) : TC_ACT_OK;
}

/* Translates at the egress. */
inline_always int leave(struct __sk_buff *skb, const struct packet *p, struct flow *flow, u32 now)
{
    u32 redirect = flow->redirect;
    struct change change;

    change_of_flow(flow, &change);
    count_flow(&flow->packets, &flow->bytes, flow->counter, p->length);
    note_fragment(p, change.address, redirect, now);
    if (rewrite_skb(skb, p, &change))
        return drop_skb(DROP_INTERNAL, p);
    if (flow->seen & SEEN_HAIRPIN)
        return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
    return go_on(skb, p, redirect);
}

inline_always int leave_fragment(struct __sk_buff *skb, const struct packet *p, const struct fragment *fragment)
{
    struct change change = {.address = fragment->address, .is_source = 1};
    u32 redirect = fragment->redirect;

    if (rewrite_skb_address(skb, &change, p->source))
        return drop_skb(DROP_INTERNAL, p);
    return go_on(skb, p, redirect);
}

inline_always int leave_local(struct __sk_buff *skb, u32 now)
{
    struct packet p;
    u32 redirect;

    /* The box's own packets are the stack's. Its ICMP errors may quote an inside address. */
    if (parse_skb(skb, &p) == PARSED && p.kind == KIND_ICMP_ERROR &&
        translate_error_outbound(skb, &p, 1, now, &redirect) < 0)
        return drop_skb(DROP_LEAK_GUARD, &p);
    return let_pass(skb);
}

int tc_outside_out(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct packet p = {};
    struct flow_key key;
    struct record *record;
    u32 outcome;

    if (skb->tc_index == TRANSLATED) {
        skb->tc_index = 0;
        return TC_ACT_OK;
    }
    if (!state || skb->protocol != bpf_htons(ETH_P_IP))
        return let_pass(skb);
    if (skb->vlan_present)
        return let_pass(skb); /* left by a VLAN device, which has hooks of its own if it is an outside interface */
    if (!skb->ingress_ifindex)
        return leave_local(skb, now);
    if (!has_role(state->generation & 1, skb->ingress_ifindex, ROLE_INSIDE))
        return let_pass(skb);
    outcome = parse_skb(skb, &p);
    if (outcome != PARSED)
        return drop_skb(outcome == PARSED_MALFORMED ? DROP_MALFORMED : DROP_LEAK_GUARD, &p);
    if (p.kind == KIND_FLOW) {
        key_of(&p, &key);
        record = find_record(state, SIDE_FLOW, &key);
        if (record && (is_settled(record->flow.touched, record->flow.epoch, now, state->epoch, p.tcp_flags) ||
                       refresh_outbound(skb, skb->ingress_ifindex, record, &p, state, now))) {
            trace(&p, TRACE_TRANSLATED, 0, record->flow.mapped, record->flow.mapped_port);
            return leave(skb, &p, &record->flow, now);
        }
    }
    if (p.kind == KIND_FRAGMENT) {
        struct fragment *fragment = find_fragment(&p, now);

        if (fragment)
            return leave_fragment(skb, &p, fragment);
    }
    tc_programs.call(skb, TC_PROGRAM_MATCH);
    return drop_traced_skb(DROP_LEAK_GUARD, &p);
}
