/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet of a known flow needs beside its one lookup: once a second, on TCP flags that matter and
 * after every change of epoch, its state is looked at again, and its path where that may have changed. */
#ifndef SNATSH_KNOWN_H
#define SNATSH_KNOWN_H

#include "config.h"
#include "counters.h"
#include "flows.h"
#include "path.h"
#include "rewrite.h"

inline_always int is_path_known(u32 out_ifindex, u32 epoch, const struct control *state, u32 now)
{
    return out_ifindex && epoch == state->epoch && !is_past(now, state->watched);
}

inline_always int leaves_pool(u32 slot, u32 mapped)
{
    return !find_pool_address(slot, mapped);
}

inline_always int has_role(u32 slot, u32 ifindex, u8 role)
{
    struct interface *interface = find_interface(slot, ifindex);

    return interface && interface->role == role;
}

/* Whether frames from one interface may be redirected into another: where the first has XDP, XDP will do
 * it, and the second needs XDP too. The rule looks at the interfaces only, so both hooks may store a path. */
inline_always int may_redirect(u32 slot, u32 from, u32 to, u8 role)
{
    struct interface *source = find_interface(slot, from);
    struct interface *target = find_interface(slot, to);

    if (!source || !target || target->role != role)
        return 0;
    return !(source->flags & INTERFACE_XDP) || target->flags & INTERFACE_XDP;
}

/* RFC 4787, REQ-9: what goes to a pool address never leaves the box. */
inline_always void note_hairpin(struct flow *flow, u32 slot, u32 destination)
{
    flow->seen &= ~SEEN_HAIRPIN;
    if (find_pool_address(slot, destination))
        flow->seen |= SEEN_HAIRPIN;
}

/* Returns 0 when the flow is over and the packet has to open a new one. */
inline_always int refresh_outbound(void *ctx, u32 ifindex, struct record *record, const struct packet *p,
                                   const struct control *state, u32 now)
{
    u32 slot = state->generation & 1, epoch = state->epoch;
    struct flow *flow = &record->flow;
    u8 answered = flow->seen & SEEN_REPLY;
    u64 live = live_of(record);
    struct path path;

    if (!live || is_past(now, flow->expires) || (flow->epoch != epoch && leaves_pool(slot, flow->mapped))) {
        end_flow(state, record, live);
        return 0;
    }
    touch_outbound(flow, slot, p, now);
    if (answered && !(flow->seen & SEEN_REPLY)) /* a SYN has opened it afresh */
        add_half_open(p->source, 1);
    if (is_path_known(flow->out_ifindex, flow->epoch, state, now))
        return 1;
    note_hairpin(flow, slot, p->destination);
    find_path(ctx, ifindex, p->source, flow->redirect ? flow->redirect : p->destination, &path);
    flow->out_ifindex = 0;
    if (path.complete && !(flow->seen & SEEN_HAIRPIN) && may_redirect(slot, ifindex, path.out_ifindex, ROLE_OUTSIDE)) {
        flow->mtu = path.mtu;
        __builtin_memcpy(flow->ethernet, path.ethernet, 12);
        flow->out_ifindex = path.out_ifindex;
    }
    flow->epoch = epoch;
    return 1;
}

/* Returns 0 when the flow is over. */
inline_always int refresh_inbound(void *ctx, u32 ifindex, struct record *record, const struct packet *p,
                                  const struct control *state, u32 now)
{
    u32 slot = state->generation & 1, epoch = state->epoch;
    struct mapping *mapping = &record->mapping;
    struct flow *flow = &record->flow;
    u32 inside = mapping->inside;
    u64 live = live_of(record);
    struct path path;
    u8 answered;

    if (!live || is_past(now, flow->expires) || (mapping->epoch != epoch && leaves_pool(slot, flow->mapped))) {
        end_flow(state, record, live);
        return 0;
    }
    answered = flow->seen & SEEN_REPLY;
    touch_inbound(flow, slot, p, now);
    if (!answered)
        add_half_open(inside, -1);
    mapping->touched = now;
    if (is_path_known(mapping->out_ifindex, mapping->epoch, state, now))
        return 1;
    find_path(ctx, ifindex, p->source, inside, &path);
    mapping->out_ifindex = 0;
    if (path.complete && may_redirect(slot, ifindex, path.out_ifindex, ROLE_INSIDE)) {
        mapping->mtu = path.mtu;
        __builtin_memcpy(mapping->ethernet, path.ethernet, 12);
        mapping->out_ifindex = path.out_ifindex;
    }
    mapping->epoch = epoch;
    return 1;
}

inline_always void change_of_flow(const struct flow *flow, struct change *change)
{
    change->address = flow->mapped;
    change->port = flow->mapped_port;
    change->ip_delta = flow->ip_delta;
    change->l4_delta = flow->l4_delta;
    change->is_source = 1;
}

inline_always void change_of_mapping(const struct mapping *mapping, struct change *change)
{
    change->address = mapping->inside;
    change->port = mapping->inside_port;
    change->ip_delta = mapping->ip_delta;
    change->l4_delta = mapping->l4_delta;
    change->is_source = 0;
}

/* Plain adds: a flow's packets come in on one CPU at a time, and an atomic add costs 5 % of the whole. */
inline_always void count_flow(u64 *packets, u64 *bytes, u32 counter, u32 length)
{
    (*packets)++;
    *bytes += length;
    count_rule(counter, length);
}

#endif
