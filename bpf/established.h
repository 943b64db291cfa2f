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

/* The mapping that a flow from outside was opened by, as long as it is in use and the rules are those it was opened by;
 * else 0: the flow is over. */
inline_always struct eim_mapping *admitting_eim_mapping(const struct record *record, u32 epoch, struct eim_mapping_key *key,
                                                        u32 now)
{
    struct eim_mapping *eim_mapping;

    eim_mapping_key_of(record->outbound.mapped, record->outbound.mapped_port, record->key.protocol, key);
    eim_mapping = record->inbound.epoch == epoch ? find_eim_mapping(key, now) : 0;
    return eim_mapping && eim_mapping->inside == record->inbound.inside &&
                   eim_mapping->inside_port == record->inbound.inside_port
               ? eim_mapping
               : 0;
}

/* The subscriber replies to a flow that was opened from outside: it holds the mapping from now on, once; not by a reset.
 * Returns 0 when the flow is over. */
inline_always int accept_unasked(struct record *record, u64 live, u32 epoch, const struct packet *p, u32 now)
{
    u32 inside = record->key.source, created = record->inbound.created;
    struct eim_mapping_key key;
    struct eim_mapping *eim_mapping = admitting_eim_mapping(record, epoch, &key, now);

    if (!eim_mapping)
        return 0;
    if (p->tcp_flags & TCP_RST)
        return 1;
    if (!hold_eim_mapping(&key, eim_mapping))
        return 0;
    if (mark_seen(record, live, SEEN_REPLY | SEEN_EIM) != CHANGED) { /* another CPU has accepted it */
        release_eim_mapping(&key, created);
        return is_still(record, live);
    }
    record->inbound.touched = now - TOUCH_TICKS; /* so that the next inbound packet is seen to complete a handshake */
    add_half_open(inside, -1);
    return 1;
}

/* The subscriber sends to the destination, which address-dependent filtering may admit by other ports. Once in an epoch:
 * rules that need to know can only have come with it. */
inline_always void note_eim_peer(struct record *record, u64 live, u32 slot)
{
    struct settings *known = settings.lookup(&slot);
    struct eim_peer_key peer;

    if ((record->outbound.seen & (SEEN_EIM | SEEN_PEER)) != SEEN_EIM || !known || !known->notes_peers)
        return;
    eim_peer_key_of(record->outbound.mapped, record->outbound.mapped_port, record->key.protocol, record->key.destination,
                    &peer);
    if (hold_eim_peer(&peer) && mark_seen(record, live, SEEN_PEER) != CHANGED)
        release_eim_peer(&peer);
}

/* `live` is the record's as it was found. Returns 0 when the flow is over and the packet has to open a new one. */
inline_always int refresh_outbound(void *ctx, u32 ifindex, struct record *record, u64 live, const struct packet *p,
                                   const struct control *state, u32 now)
{
    u32 slot = state->generation & 1, epoch = state->epoch;
    struct outbound *outbound = &record->outbound;
    struct path path;
    u8 hairpin;
    int direct;

    if (!live || is_past(now, outbound->expires) || (outbound->epoch != epoch && leaves_pool(slot, outbound->mapped)) ||
        (is_unasked(outbound->seen) && !accept_unasked(record, live, epoch, p, now))) {
        end_flow(state, record, live);
        return 0;
    }
    if (outbound->epoch != epoch)
        note_eim_peer(record, live, slot);
    if (!touch_flow(record, live, slot, p, now, 1))
        return 0;
    if (is_path_known(outbound->out_ifindex, outbound->epoch, state, now))
        return 1;
    find_path(ctx, ifindex, p, outbound->redirect ? outbound->redirect : p->destination, p->destination_port, &path);
    /* RFC 4787, REQ-9: traffic to a pool address never leaves the gateway. */
    hairpin = find_pool_address(slot, p->destination) ? SEEN_HAIRPIN : 0;
    direct = path.complete && !hairpin && may_redirect(slot, ifindex, path.out_ifindex, ROLE_OUTSIDE);
    if (!set_hairpin(record, live, hairpin))
        return is_still(record, live);
    outbound->epoch = epoch - 1;
    in_order();
    outbound->out_ifindex = 0;
    if (direct) {
        outbound->mtu = path.mtu;
        __builtin_memcpy(outbound->ethernet, path.ethernet, 12);
        outbound->out_ifindex = path.out_ifindex;
    }
    in_order();
    outbound->epoch = epoch;
    if (is_still(record, live))
        return 1;
    outbound->epoch = epoch - 1; /* the record's next flow looks its own path up */
    return 0;
}

/* Returns 0 when the flow is over. */
inline_always int refresh_inbound(void *ctx, u32 ifindex, struct record *record, u64 live, const struct packet *p,
                                  const struct control *state, u32 now)
{
    u32 slot = state->generation & 1, epoch = state->epoch;
    struct inbound *inbound = &record->inbound;
    struct outbound *outbound = &record->outbound;
    struct eim_mapping_key key;
    u32 inside = inbound->inside;
    struct path path;
    int direct;

    if (!live || is_past(now, outbound->expires) || (inbound->epoch != epoch && leaves_pool(slot, outbound->mapped)) ||
        (is_unasked(outbound->seen) && !admitting_eim_mapping(record, epoch, &key, now))) {
        end_flow(state, record, live);
        return 0;
    }
    if (!touch_flow(record, live, slot, p, now, 0))
        return 0;
    if (is_path_known(inbound->out_ifindex, inbound->epoch, state, now))
        return 1;
    find_path(ctx, ifindex, p, inside, inbound->inside_port, &path);
    direct = path.complete && may_redirect(slot, ifindex, path.out_ifindex, ROLE_INSIDE);
    if (!is_still(record, live))
        return 0;
    inbound->epoch = epoch - 1;
    in_order();
    inbound->out_ifindex = 0;
    if (direct) {
        inbound->mtu = path.mtu;
        __builtin_memcpy(inbound->ethernet, path.ethernet, 12);
        inbound->out_ifindex = path.out_ifindex;
    }
    in_order();
    inbound->epoch = epoch;
    if (is_still(record, live))
        return 1;
    inbound->epoch = epoch - 1;
    return 0;
}

/* Either of them, rare enough for the packet to go through per-CPU memory. There the verifier forgets what it knows of
 * the fields that it tells paths apart by: it walks through this part once, not for each combination of them. */
inline_always int refresh(void *ctx, u32 ifindex, struct record *record, u64 live, struct packet *p,
                          const struct control *state, u32 now, int is_outbound)
{
    u32 zero = 0;
    struct scratch *scratch = scratches.lookup(&zero);
    int goes_on;

    if (!scratch)
        return 0;
    scratch->packet = *p;
    in_order();
    goes_on = is_outbound ? refresh_outbound(ctx, ifindex, record, live, &scratch->packet, state, now)
                          : refresh_inbound(ctx, ifindex, record, live, &scratch->packet, state, now);
    in_order();
    p->protocol = scratch->packet.protocol;
    p->tcp_flags = scratch->packet.tcp_flags;
    p->fragment = scratch->packet.fragment;
    p->l4 = scratch->packet.l4;
    return goes_on;
}

/* Whether the flow of the record, which was found with this `live`, goes on. */
inline_always int goes_on_outbound(void *ctx, u32 ifindex, struct record *record, u64 live, struct packet *p,
                                   const struct control *state, u32 now)
{
    return is_settled(record->outbound.touched, record->outbound.epoch, now, state->epoch, p->tcp_flags) ||
           refresh(ctx, ifindex, record, live, p, state, now, 1);
}

inline_always int is_settled_inbound(const struct record *record, const struct packet *p, const struct control *state,
                                     u32 now)
{
    return is_settled(record->inbound.touched, record->inbound.epoch, now, state->epoch, p->tcp_flags);
}

/* A copy of what sends a packet in one direction of a flow: the record may be another flow's by the time it is sent. */
struct forwarding {
    struct translation translation;
    u64 ethernet[2]; /* destination and source; the rest is something else */
    u32 out_ifindex;
    u32 redirect;
    u16 mtu;
    u8 seen;
};

/* What several fields of a record are read by as one word: a register each is more than there are. Little-endian. */
inline_always u64 word_at(const void *first)
{
    return *(const volatile u64 *)first;
}

inline_always void read_address(u64 word, struct forwarding *forwarding)
{
    forwarding->translation.address = word;
    forwarding->translation.port = word >> 32;
    forwarding->translation.ip_delta = word >> 48;
}

/* Returns 0 when the record is no longer the flow it was found as. */
inline_always int read_outbound(const struct record *record, u64 live, struct forwarding *forwarding)
{
    const struct outbound *outbound = &record->outbound;
    u64 address = word_at(&outbound->mapped), rest = word_at(outbound->ethernet + 8);

    forwarding->ethernet[0] = word_at(outbound->ethernet);
    forwarding->translation.l4_delta = outbound->l4_delta;
    forwarding->translation.is_source = 1;
    forwarding->out_ifindex = outbound->out_ifindex;
    forwarding->mtu = outbound->mtu;
    forwarding->seen = outbound->seen;
    if (!is_still(record, live))
        return 0;
    read_address(address, forwarding);
    forwarding->ethernet[1] = rest;
    forwarding->redirect = rest >> 32;
    return 1;
}

inline_always int read_inbound(const struct record *record, u64 live, struct forwarding *forwarding)
{
    const struct inbound *inbound = &record->inbound;
    u64 address = word_at(&inbound->inside);

    forwarding->ethernet[0] = word_at(inbound->ethernet);
    forwarding->ethernet[1] = word_at(inbound->ethernet + 8);
    forwarding->translation.l4_delta = inbound->l4_delta;
    forwarding->translation.is_source = 0;
    forwarding->out_ifindex = inbound->out_ifindex;
    forwarding->redirect = 0;
    forwarding->mtu = inbound->mtu;
    forwarding->seen = 0;
    if (!is_still(record, live))
        return 0;
    read_address(address, forwarding);
    return 1;
}

/* Plain adds: a flow's packets come in on one CPU at a time, and an atomic add costs 5 % of the whole. */
inline_always void count_flow(u64 *packets, u64 *bytes, u32 counter, u32 length)
{
    (*packets)++;
    *bytes += length;
    count_rule(counter, length);
}

#endif
