/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fast path: native XDP. What it can't finish goes up to the stack untouched; the TC half
 * translates it there. Frames that leave from here are translated, always. */
#include "config.h"
#include "counters.h"
#include "foreign.h"
#include "known.h"
#include "open.h"
#include "open_endpoint.h"
#include "refuse.h"
#include "reset.h"
#include "short.h"
#include "trace.h"

SHARED_MAP("prog", u32, u32, xdp_programs);

/* Indices into xdp_programs (snatsh/datapath/programs.py). */
enum xdp_tail_call {
    XDP_PROGRAM_MATCH,
    XDP_PROGRAM_CLAIM,
    XDP_PROGRAM_ENDPOINT,
    XDP_PROGRAM_REFUSE,
    XDP_PROGRAM_RESET,
    XDP_PROGRAM_INSIDE,
};

inline_always int hand_up(u32 reason, const struct packet *p)
{
    count_up(reason, p->length);
    return XDP_PASS;
}

inline_always int drop_frame(u32 reason, const struct packet *p)
{
    count_drop(reason, p->length);
    return XDP_DROP;
}

/* The same, traced. Not in the programs that claim: they are at the verifier's limit without it. */
inline_always int hand_up_traced(u32 reason, const struct packet *p)
{
    trace(p, TRACE_HANDED_UP, reason, 0, 0);
    return hand_up(reason, p);
}

inline_always int drop_traced(u32 reason, const struct packet *p)
{
    trace(p, TRACE_DROPPED, reason, 0, 0);
    return drop_frame(reason, p);
}

/* The inside host may be told. */
inline_always int refuse_frame(struct xdp_md *ctx, u32 reason, const struct packet *p)
{
    u32 zero = 0;
    struct scratch *scratch = scratches.lookup(&zero);

    if (scratch && is_told(reason)) {
        scratch->refused = reason;
        xdp_programs.call(ctx, XDP_PROGRAM_REFUSE);
    }
    return drop_frame(reason, p);
}

/* A frame that is no IPv4 packet to us: the stack's, counted. */
inline_always int hand_up_unread(struct xdp_md *ctx, u32 outcome)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    u32 reason = outcome == PARSED_MALFORMED ? UP_MALFORMED : UP_NOT_IP;

    if ((void *)(ethernet + 1) <= end &&
        (ethernet->h_proto == bpf_htons(ETH_P_8021Q) || ethernet->h_proto == bpf_htons(ETH_P_8021AD)))
        reason = UP_VLAN;
    count_up(reason, end - data);
    return XDP_PASS;
}

/* 1: XDP may translate it. 0: the stack and the TC half have to; the reason is counted. */
inline_always int is_plain(const struct packet *p, int *verdict)
{
    if (p->kind == KIND_FLOW && p->fragment == WHOLE && p->l4 == L3 + sizeof(struct iphdr))
        return 1;
    *verdict = hand_up_traced(p->fragment != WHOLE         ? UP_FRAGMENT
                       : p->kind == KIND_ICMP_ERROR ? UP_ICMP_ERROR
                       : p->kind == KIND_OTHER      ? UP_PROTOCOL
                                                    : UP_OPTIONS,
                       p);
    return 0;
}

inline_always int send_frame(struct xdp_md *ctx, const struct packet *p, const struct change *change,
                             const u8 *ethernet, u32 out_ifindex, u16 mtu)
{
    if (!out_ifindex)
        return hand_up(UP_NO_PATH, p);
    if (p->ttl <= 1)
        return hand_up(UP_TTL, p);
    if (p->length > mtu)
        return hand_up(UP_MTU, p);
    if (!rewrite_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, change, p->protocol, ethernet))
        return drop_frame(DROP_MALFORMED, p);
    return bpf_redirect(out_ifindex, 0);
}

inline_always int send_out(struct xdp_md *ctx, const struct packet *p, struct flow *flow)
{
    struct change change;
    int verdict;

    if (!flow->out_ifindex && flow->seen & SEEN_HAIRPIN)
        return hand_up(UP_HAIRPIN, p);
    change_of_flow(flow, &change);
    verdict = send_frame(ctx, p, &change, flow->ethernet, flow->out_ifindex, flow->mtu);
    if (verdict == XDP_REDIRECT)
        count_flow(&flow->packets, &flow->bytes, flow->counter, p->length);
    return verdict;
}

int xdp_inside(struct xdp_md *ctx)
{
    u32 zero = 0, to, now, outcome;
    struct control *state = control.lookup(&zero);
    struct packet p;
    struct record *record;
    struct flow_key key;
    struct flow *flow;
    int verdict;

    if (!state)
        return XDP_PASS;
    to = send_short(ctx, state, SIDE_FLOW);
    if (to)
        return bpf_redirect(to, 0);
    outcome = parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p);
    if (outcome != PARSED)
        return hand_up_unread(ctx, outcome);
    if (!is_plain(&p, &verdict))
        return verdict;
    key_of(&p, &key);
    record = find_record(state, SIDE_FLOW, &key);
    if (!record)
        goto open;
    now = now_ticks();
    flow = &record->flow;
    if (!is_settled(flow->touched, flow->epoch, now, state->epoch, p.tcp_flags) &&
        !refresh_outbound(ctx, ctx->ingress_ifindex, record, &p, state, now))
        goto open;
    verdict = send_out(ctx, &p, flow);
    trace(&p, verdict == XDP_REDIRECT ? TRACE_TRANSLATED : TRACE_HANDED_UP, UP_NO_PATH, flow->mapped, flow->mapped_port);
    return verdict;
open:
    xdp_programs.call(ctx, XDP_PROGRAM_MATCH);
    return XDP_PASS; /* the TC half opens the flow */
}

int xdp_match(struct xdp_md *ctx)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct opening opening = {};
    struct packet p;
    struct path path;

    if (!state || parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p) != PARSED)
        return XDP_PASS;
    if (p.ttl <= 1)
        return hand_up_traced(UP_TTL, &p);
    if (is_martian(p.source))
        return hand_up_traced(UP_ROUTE, &p);
    if (is_ended(&p, now))
        xdp_programs.call(ctx, XDP_PROGRAM_RESET);
    slot = state->generation & 1;
    find_path(ctx, ctx->ingress_ifindex, p.source, p.destination, &path);
    if (!path.out_ifindex || !has_role(slot, path.out_ifindex, ROLE_OUTSIDE))
        return hand_up_traced(UP_ROUTE, &p); /* to the box itself, to another inside network, or nowhere */
    if (is_foreign(slot, &p, now))
        return hand_up_traced(UP_FOREIGN, &p);
    match_packet(slot, &p, &path, &opening, now);
    if (opening.verdict == VERDICT_DROP)
        return is_told(opening.reason) ? refuse_frame(ctx, opening.reason, &p) : drop_traced(opening.reason, &p);
    if (opening.verdict == VERDICT_PASS)
        return hand_up_traced(UP_EXEMPT, &p);
    trace_opening(&p);
    if (opening.by_endpoint)
        xdp_programs.call(ctx, XDP_PROGRAM_ENDPOINT);
    else
        xdp_programs.call(ctx, XDP_PROGRAM_CLAIM);
    return drop_frame(DROP_INTERNAL, &p);
}

/* The packet's flow is there, and found from the start; or the packet is refused. */
inline_always int go_on_frame(struct xdp_md *ctx, const struct packet *p, const struct opening *opening)
{
    if (opening->verdict == VERDICT_DROP)
        return refuse_frame(ctx, opening->reason, p);
    xdp_programs.call(ctx, XDP_PROGRAM_INSIDE);
    return drop_frame(DROP_INTERNAL, p);
}

int xdp_claim(struct xdp_md *ctx)
{
    struct opening opening = {};
    u32 now = now_ticks();
    struct packet p;

    if (parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p) != PARSED)
        return XDP_DROP;
    claim_flow(ctx, &p, &opening, now);
    if (opening.verdict == VERDICT_AGAIN) {
        xdp_programs.call(ctx, XDP_PROGRAM_CLAIM);
        return drop_frame(DROP_INTERNAL, &p);
    }
    return go_on_frame(ctx, &p, &opening);
}

int xdp_endpoint(struct xdp_md *ctx)
{
    struct opening opening = {};
    u32 now = now_ticks();
    struct packet p;

    if (parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p) != PARSED)
        return XDP_DROP;
    claim_flow_of_endpoint(ctx, &p, &opening, now);
    if (opening.verdict == VERDICT_AGAIN) {
        xdp_programs.call(ctx, XDP_PROGRAM_ENDPOINT);
        return drop_frame(DROP_INTERNAL, &p);
    }
    return go_on_frame(ctx, &p, &opening);
}

/* Tells the inside host: the error goes back where the frame came from. */
int xdp_refuse(struct xdp_md *ctx)
{
    u32 zero = 0, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct scratch *scratch = scratches.lookup(&zero);
    struct interface *interface;
    struct refusal *refusal;
    struct packet p;
    struct ethhdr ethernet;
    u8 quoted[QUOTED];
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    s32 size = end - data;

    if (!state || !scratch || parse(data, end, &p) != PARSED)
        return XDP_DROP;
    interface = find_interface(state->generation & 1, ctx->ingress_ifindex);
    count_drop(scratch->refused, p.length);
    trace(&p, TRACE_DROPPED, scratch->refused, 0, 0);
    if (!interface || !interface->address || data + L3 + QUOTED > end || !may_be_told(state->generation & 1, &p, now))
        return XDP_DROP;
    __builtin_memcpy(&ethernet, data, L3);
    swap_ends(&ethernet);
    __builtin_memcpy(quoted, data + L3, QUOTED);
    if (bpf_xdp_adjust_head(ctx, -REFUSAL_GROWTH) ||
        bpf_xdp_adjust_tail(ctx, (s32)sizeof(*refusal) - (size + REFUSAL_GROWTH)))
        return XDP_DROP;
    refusal = data = (void *)(long)ctx->data;
    if ((void *)(refusal + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    refusal->ethernet = ethernet;
    __builtin_memcpy(refusal->quoted, quoted, QUOTED);
    fill_refusal(refusal, interface->address, p.source);
    return bpf_redirect(ctx->ingress_ifindex, 0); /* not XDP_TX: veth would let it lie */
}

/* Ends the inside host's side of a connection. */
int xdp_reset(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    s32 size = end - data;
    struct ethhdr ethernet;
    struct reset *reset;
    struct packet p;
    u32 acknowledged;

    if (parse(data, end, &p) != PARSED || data + sizeof(*reset) > end)
        return XDP_DROP;
    count_drop(DROP_ENDED, p.length);
    trace(&p, TRACE_DROPPED, DROP_ENDED, 0, 0);
    acknowledged = *(u32 *)(data + ACKNOWLEDGED_AT);
    __builtin_memcpy(&ethernet, data, L3);
    swap_ends(&ethernet);
    if (bpf_xdp_adjust_tail(ctx, (s32)sizeof(*reset) - size))
        return XDP_DROP;
    reset = data = (void *)(long)ctx->data;
    if ((void *)(reset + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    reset->ethernet = ethernet;
    fill_reset(reset, &p, acknowledged);
    return bpf_redirect(ctx->ingress_ifindex, 0);
}

int xdp_outside(struct xdp_md *ctx)
{
    u32 zero = 0, to, now, outcome;
    struct control *state = control.lookup(&zero);
    struct pool_address *address;
    struct mapping *mapping;
    struct record *record;
    struct change change;
    struct flow_key reply;
    struct packet p;
    int verdict;

    if (!state)
        return XDP_PASS;
    to = send_short(ctx, state, SIDE_REPLY);
    if (to)
        return bpf_redirect(to, 0);
    outcome = parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p);
    if (outcome != PARSED)
        return hand_up_unread(ctx, outcome);
    if (!is_plain(&p, &verdict))
        return verdict;
    key_of(&p, &reply);
    record = find_record(state, SIDE_REPLY, &reply);
    now = now_ticks();
    if (record && (is_settled(record->mapping.touched, record->mapping.epoch, now, state->epoch, p.tcp_flags) ||
                   refresh_inbound(ctx, ctx->ingress_ifindex, record, &p, state, now))) {
        mapping = &record->mapping;
        change_of_mapping(mapping, &change);
        verdict = send_frame(ctx, &p, &change, mapping->ethernet, mapping->out_ifindex, mapping->mtu);
        if (verdict == XDP_REDIRECT)
            count_flow(&mapping->packets, &mapping->bytes, mapping->counter, p.length);
        trace(&p, verdict == XDP_REDIRECT ? TRACE_TRANSLATED : TRACE_HANDED_UP, UP_NO_PATH, change.address, change.port);
        return verdict;
    }
    address = find_pool_address(state->generation & 1, p.destination);
    if (!address || address->flags & POOL_ADDRESS_TO_STACK)
        return XDP_PASS;
    if (open_exterior(&p, now))
        return hand_up(UP_ENDPOINT, &p);
    trace(&p, TRACE_DROPPED, DROP_NO_FLOW, 0, 0);
    return is_probe_answer(&p) ? XDP_DROP : drop_frame(DROP_NO_FLOW, &p);
}
