/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refresh of established flows: once a second, on significant TCP flags and after every change of epoch, the state
 * of a flow is updated, and its path looked up if it may have changed. */
#ifndef SNATSH_ESTABLISHED_H
#define SNATSH_ESTABLISHED_H

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

/* RFC 4787, REQ-9: traffic to a pool address never leaves the gateway. */
inline_always void note_hairpin(struct outbound *outbound, u32 slot, u32 destination)
{
    outbound->seen &= ~SEEN_HAIRPIN;
    if (find_pool_address(slot, destination))
        outbound->seen |= SEEN_HAIRPIN;
}

/* Returns 0 when the flow is over and the packet has to open a new one. */
inline_always int refresh_outbound(void *ctx, u32 ifindex, struct record *record, const struct packet *p,
                                   const struct control *state, u32 now)
{
    u32 slot = state->generation & 1, epoch = state->epoch;
    struct outbound *outbound = &record->outbound;
    u8 answered = outbound->seen & SEEN_REPLY;
    u64 live = live_of(record);
    struct path path;

    if (!live || is_past(now, outbound->expires) || (outbound->epoch != epoch && leaves_pool(slot, outbound->mapped))) {
        end_flow(state, record, live);
        return 0;
    }
    touch_outbound(outbound, slot, p, now);
    if (answered && !(outbound->seen & SEEN_REPLY)) /* a SYN has reopened it */
        add_half_open(p->source, 1);
    if (is_path_known(outbound->out_ifindex, outbound->epoch, state, now))
        return 1;
    note_hairpin(outbound, slot, p->destination);
    find_path(ctx, ifindex, p->source, outbound->redirect ? outbound->redirect : p->destination, &path);
    outbound->out_ifindex = 0;
    if (path.complete && !(outbound->seen & SEEN_HAIRPIN) && may_redirect(slot, ifindex, path.out_ifindex, ROLE_OUTSIDE)) {
        outbound->mtu = path.mtu;
        __builtin_memcpy(outbound->ethernet, path.ethernet, 12);
        outbound->out_ifindex = path.out_ifindex;
    }
    outbound->epoch = epoch;
    return 1;
}

/* Returns 0 when the flow is over. */
inline_always int refresh_inbound(void *ctx, u32 ifindex, struct record *record, const struct packet *p,
                                  const struct control *state, u32 now)
{
    u32 slot = state->generation & 1, epoch = state->epoch;
    struct inbound *inbound = &record->inbound;
    struct outbound *outbound = &record->outbound;
    u32 inside = inbound->inside;
    u64 live = live_of(record);
    struct path path;
    u8 answered;

    if (!live || is_past(now, outbound->expires) || (inbound->epoch != epoch && leaves_pool(slot, outbound->mapped))) {
        end_flow(state, record, live);
        return 0;
    }
    answered = outbound->seen & SEEN_REPLY;
    touch_inbound(outbound, slot, p, now);
    if (!answered)
        add_half_open(inside, -1);
    inbound->touched = now;
    if (is_path_known(inbound->out_ifindex, inbound->epoch, state, now))
        return 1;
    find_path(ctx, ifindex, p->source, inside, &path);
    inbound->out_ifindex = 0;
    if (path.complete && may_redirect(slot, ifindex, path.out_ifindex, ROLE_INSIDE)) {
        inbound->mtu = path.mtu;
        __builtin_memcpy(inbound->ethernet, path.ethernet, 12);
        inbound->out_ifindex = path.out_ifindex;
    }
    inbound->epoch = epoch;
    return 1;
}

inline_always void outbound_translation(const struct outbound *outbound, struct translation *translation)
{
    translation->address = outbound->mapped;
    translation->port = outbound->mapped_port;
    translation->ip_delta = outbound->ip_delta;
    translation->l4_delta = outbound->l4_delta;
    translation->is_source = 1;
}

inline_always void inbound_translation(const struct inbound *inbound, struct translation *translation)
{
    translation->address = inbound->inside;
    translation->port = inbound->inside_port;
    translation->ip_delta = inbound->ip_delta;
    translation->l4_delta = inbound->l4_delta;
    translation->is_source = 0;
}

/* Plain adds: a flow's packets come in on one CPU at a time, and an atomic add costs 5 % of the whole. */
inline_always void count_flow(u64 *packets, u64 *bytes, u32 counter, u32 length)
{
    (*packets)++;
    *bytes += length;
    count_rule(counter, length);
}

#endif
