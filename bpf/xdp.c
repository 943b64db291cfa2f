/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The XDP programs, native only. What they cannot handle is passed to the stack unchanged and translated by the TC
 * programs. Frames sent from here are always translated. */
#include "admission.h"
#include "config.h"
#include "counters.h"
#include "established.h"
#include "fast_path.h"
#include "hairpin.h"
#include "new_flow.h"
#include "new_flow_eim.h"
#include "own_connections.h"
#include "reclaim.h"
#include "refuse.h"
#include "reset.h"
#include "stack_connections.h"
#include "station.h"
#include "trace.h"
#include "xdp_programs.h"

inline_always u32 parse_frame(struct xdp_md *ctx, struct packet *p)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

    return parse(data, end, end - data, p);
}

inline_always int pass_to_stack(u32 reason, const struct packet *p)
{
    count_pass(reason, p->length);
    return XDP_PASS;
}

inline_always int drop_frame(u32 reason, const struct packet *p)
{
    count_drop(reason, p->length);
    return XDP_DROP;
}

/* The same, traced. Not in the programs that claim, which are dear to verify. */
inline_always int pass_traced(u32 reason, const struct packet *p)
{
    trace(p, TRACE_PASSED, reason, 0, 0);
    return pass_to_stack(reason, p);
}

inline_always int drop_traced(u32 reason, const struct packet *p)
{
    trace(p, TRACE_DROPPED, reason, 0, 0);
    return drop_frame(reason, p);
}

/* Refuses: the subscriber may get an ICMP error. */
inline_always int refuse_frame(struct xdp_md *ctx, u32 reason, const struct packet *p)
{
    u32 zero = 0;
    struct scratch *scratch = scratches.lookup(&zero);

    if (scratch && is_answered(reason)) {
        scratch->refused = reason;
        xdp_programs.call(ctx, XDP_PROGRAM_REFUSE);
    }
    return drop_frame(reason, p);
}

/* Passes a frame that is not a valid IPv4 packet to the stack. */
inline_always int pass_unparsed(struct xdp_md *ctx, u32 outcome)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    u32 reason = outcome == PARSED_MALFORMED ? PASS_MALFORMED : PASS_NOT_IP;

    if ((void *)(ethernet + 1) <= end &&
        (ethernet->h_proto == bpf_htons(ETH_P_8021Q) || ethernet->h_proto == bpf_htons(ETH_P_8021AD)))
        reason = PASS_VLAN;
    count_pass(reason, end - data);
    return XDP_PASS;
}

/* Whether the frame is for the gateway. The TC programs know better than a table that may be behind a change. */
inline_always int is_frame_for_gateway(struct xdp_md *ctx, const struct control *state)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

    if (data + L3 > end || is_for_interface(state, ctx->ingress_ifindex, data))
        return 1;
    count_pass(PASS_STATION, end - data);
    return 0;
}

/* Returns 1 when XDP can translate the packet; 0 when it was passed to the stack, with the reason counted. */
inline_always int is_translatable_by_xdp(const struct packet *p, int *verdict)
{
    if (p->kind == KIND_FLOW && p->fragment == WHOLE && p->l4 == L3 + sizeof(struct iphdr))
        return 1;
    *verdict = pass_traced(p->fragment != WHOLE         ? PASS_FRAGMENT
                       : p->kind == KIND_ICMP_ERROR ? PASS_ICMP_ERROR
                       : p->kind == KIND_OTHER      ? PASS_PROTOCOL
                                                    : PASS_OPTIONS,
                       p);
    return 0;
}

inline_always int send_frame(struct xdp_md *ctx, const struct packet *p, const struct forwarding *forwarding)
{
    if (!forwarding->out_ifindex)
        return pass_to_stack(forwarding->seen & SEEN_HAIRPIN ? PASS_HAIRPIN : PASS_NO_PATH, p);
    if (p->ttl <= 1)
        return pass_to_stack(PASS_TTL, p);
    if (p->length > forwarding->mtu)
        return pass_to_stack(PASS_MTU, p);
    if (!rewrite_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, &forwarding->translation, p->protocol,
                       forwarding->ethernet))
        return drop_frame(DROP_MALFORMED, p);
    return bpf_redirect(forwarding->out_ifindex, 0);
}

inline_always void trace_sent(const struct packet *p, int verdict, const struct forwarding *forwarding)
{
    trace(p, verdict == XDP_REDIRECT ? TRACE_TRANSLATED : TRACE_PASSED, PASS_NO_PATH, forwarding->translation.address,
          forwarding->translation.port);
}

int xdp_inside(struct xdp_md *ctx)
{
    u32 zero = 0, to, now, outcome;
    struct control *state = control.lookup(&zero);
    struct packet p;
    struct record *record;
    struct outbound *outbound;
    struct forwarding forwarding;
    u64 live = 0;
    int verdict;

    if (!state)
        return XDP_PASS;
    to = send_fast(ctx, state, SIDE_OUTBOUND);
    if (to)
        return bpf_redirect(to, 0);
    if (!is_frame_for_gateway(ctx, state))
        return XDP_PASS;
    outcome = parse_frame(ctx, &p);
    if (outcome != PARSED)
        return pass_unparsed(ctx, outcome);
    if (!is_translatable_by_xdp(&p, &verdict))
        return verdict;
    record = find_flow_of(state, SIDE_OUTBOUND, &p, &live);
    if (!record)
        goto open;
    now = now_ticks();
    if (!goes_on_outbound(ctx, ctx->ingress_ifindex, record, live, &p, state, now) ||
        !read_outbound(record, live, &forwarding))
        goto open;
    outbound = &record->outbound;
    verdict = send_frame(ctx, &p, &forwarding);
    if (verdict == XDP_REDIRECT)
        count_flow(&outbound->packets, &outbound->bytes, outbound->counter, p.length);
    trace_sent(&p, verdict, &forwarding);
    return verdict;
open:
    xdp_programs.call(ctx, XDP_PROGRAM_MATCH);
    return XDP_PASS; /* the TC programs open the flow */
}

/* An address and port that were found when the table had no room are still good. */
inline_always int call_claim(struct xdp_md *ctx, const struct scratch *scratch)
{
    if (!scratch->table_full) /* else it was before */
        trace_new_flow(&scratch->packet);
    if (scratch->table_full && !scratch->seen)
        xdp_programs.call(ctx, XDP_PROGRAM_OPEN);
    else if (scratch->seen)
        xdp_programs.call(ctx, XDP_PROGRAM_CLAIM_EIM);
    else
        xdp_programs.call(ctx, XDP_PROGRAM_CLAIM);
    return drop_frame(DROP_INTERNAL, &scratch->packet);
}

int xdp_match(struct xdp_md *ctx)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};
    struct packet *p;
    struct path path;

    if (!state || !scratch)
        return XDP_PASS;
    p = &scratch->packet;
    if (parse_frame(ctx, p) != PARSED)
        return XDP_PASS;
    if (p->ttl <= 1)
        return pass_traced(PASS_TTL, p);
    slot = state->generation & 1;
    if (is_martian(p->source) || is_local_address(slot, p->source) || !is_unicast(p->destination))
        return pass_traced(PASS_ROUTE, p);
    if (is_terminated(p, now))
        xdp_programs.call(ctx, XDP_PROGRAM_RESET);
    find_path(ctx, ctx->ingress_ifindex, p, p->destination, p->destination_port, &path);
    if (!path.out_ifindex && is_for_mapping(p, now))
        path.out_ifindex = reentry_interface(slot, p->destination);
    if (!path.out_ifindex || !has_role(slot, path.out_ifindex, ROLE_OUTSIDE))
        return pass_traced(PASS_ROUTE, p); /* to the gateway, to another inside network, or nowhere */
    if (is_stack_connection(slot, p, now))
        return pass_traced(PASS_STACK_CONNECTION, p);
    match_packet(slot, p, &path, &new_flow, now);
    if (new_flow.verdict == VERDICT_DROP)
        return is_answered(new_flow.reason) ? refuse_frame(ctx, new_flow.reason, p) : drop_traced(new_flow.reason, p);
    if (new_flow.verdict == VERDICT_PASS) {
        note_exempt_connection(p, now);
        return pass_traced(PASS_EXEMPT, p);
    }
    if (new_flow.verdict == VERDICT_TRANSLATE)
        return call_claim(ctx, scratch);
    xdp_programs.call(ctx, XDP_PROGRAM_RECLAIM);
    return drop_frame(DROP_INTERNAL, p);
}

int xdp_reclaim(struct xdp_md *ctx)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return XDP_DROP;
    reclaim(scratch, &new_flow, now);
    if (new_flow.verdict == VERDICT_DROP)
        return refuse_frame(ctx, new_flow.reason, &scratch->packet);
    if (new_flow.verdict == VERDICT_TRANSLATE)
        return call_claim(ctx, scratch);
    xdp_programs.call(ctx, XDP_PROGRAM_RECLAIM);
    return drop_frame(DROP_INTERNAL, &scratch->packet);
}

/* Goes on to the program of this index, or once more to the one that claims, or refuses the packet. */
inline_always int finish_claim(struct xdp_md *ctx, const struct scratch *scratch, const struct new_flow *new_flow,
                               u32 next, u32 claim)
{
    if (new_flow->verdict == VERDICT_DROP)
        return refuse_frame(ctx, new_flow->reason, &scratch->packet);
    if (new_flow->verdict == VERDICT_RECLAIM)
        xdp_programs.call(ctx, XDP_PROGRAM_RECLAIM);
    else
        xdp_programs.call(ctx, new_flow->verdict == VERDICT_AGAIN ? claim : next);
    return drop_frame(DROP_INTERNAL, &scratch->packet);
}

int xdp_claim(struct xdp_md *ctx)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return XDP_DROP;
    claim_flow(ctx, scratch, &new_flow, now);
    return finish_claim(ctx, scratch, &new_flow, XDP_PROGRAM_OPEN, XDP_PROGRAM_CLAIM);
}

int xdp_claim_eim(struct xdp_md *ctx)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return XDP_DROP;
    claim_eim_flow(ctx, ctx->ingress_ifindex, scratch, &new_flow, now);
    return finish_claim(ctx, scratch, &new_flow, XDP_PROGRAM_OPEN, XDP_PROGRAM_CLAIM_EIM);
}

/* Continues from the start, which finds the flow; or refuses the packet. */
int xdp_open(struct xdp_md *ctx)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (!scratch)
        return XDP_DROP;
    open_flow(scratch, &new_flow, now);
    return finish_claim(ctx, scratch, &new_flow, XDP_PROGRAM_INSIDE,
                        scratch->seen ? XDP_PROGRAM_CLAIM_EIM : XDP_PROGRAM_CLAIM);
}

/* Sends the ICMP error back where the frame came from. */
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

    if (!state || !scratch || parse_frame(ctx, &p) != PARSED)
        return XDP_DROP;
    interface = find_interface(state->generation & 1, ctx->ingress_ifindex);
    count_drop(scratch->refused, p.length);
    trace(&p, TRACE_DROPPED, scratch->refused, 0, 0);
    if (!interface || !interface->address || data + L3 + QUOTED > end || !may_send_unreachable(state->generation & 1, &p, now))
        return XDP_DROP;
    __builtin_memcpy(&ethernet, data, L3);
    swap_mac_addresses(&ethernet);
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
    return bpf_redirect(ctx->ingress_ifindex, 0); /* not XDP_TX: veth does not flush it */
}

/* Resets the subscriber's side of a connection. */
int xdp_reset(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    s32 size = end - data;
    struct ethhdr ethernet;
    struct reset *reset;
    struct packet p;
    u32 acknowledged;

    if (parse_frame(ctx, &p) != PARSED || data + sizeof(*reset) > end)
        return XDP_DROP;
    count_drop(DROP_ENDED, p.length);
    trace(&p, TRACE_DROPPED, DROP_ENDED, 0, 0);
    acknowledged = *(u32 *)(data + ACKNOWLEDGED_AT);
    __builtin_memcpy(&ethernet, data, L3);
    swap_mac_addresses(&ethernet);
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
    struct inbound *inbound;
    struct record *record;
    struct forwarding forwarding;
    struct packet p;
    u64 live = 0;
    int verdict, settled;

    if (!state)
        return XDP_PASS;
    to = send_fast(ctx, state, SIDE_INBOUND);
    if (to)
        return bpf_redirect(to, 0);
    if (!is_frame_for_gateway(ctx, state))
        return XDP_PASS;
    outcome = parse_frame(ctx, &p);
    if (outcome != PARSED)
        return pass_unparsed(ctx, outcome);
    if (!is_translatable_by_xdp(&p, &verdict))
        return verdict;
    record = find_flow_of(state, SIDE_INBOUND, &p, &live);
    now = now_ticks();
    settled = record && is_settled_inbound(record, &p, state, now);
    if (record && !settled && is_for_bound_socket(ctx, state->generation & 1, record, &p, now))
        return XDP_PASS; /* the TC program ends the flow */
    if (record && (settled || refresh(ctx, ctx->ingress_ifindex, record, live, &p, state, now, 0)) &&
        read_inbound(record, live, &forwarding)) {
        inbound = &record->inbound;
        verdict = send_frame(ctx, &p, &forwarding);
        if (verdict == XDP_REDIRECT)
            count_flow(&inbound->packets, &inbound->bytes, inbound->counter, p.length);
        trace_sent(&p, verdict, &forwarding);
        return verdict;
    }
    address = find_pool_address(state->generation & 1, p.destination);
    if (!address || address->flags & POOL_ADDRESS_TO_STACK)
        return XDP_PASS;
    if (may_be_admitted(state->generation & 1, &p, now))
        return pass_to_stack(PASS_ENDPOINT, &p);
    trace(&p, TRACE_DROPPED, DROP_NO_FLOW, 0, 0);
    return is_probe_answer(&p) ? XDP_DROP : drop_frame(DROP_NO_FLOW, &p);
}
