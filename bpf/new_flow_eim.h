/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* New flows of endpoint-independent rules: find or claim the mapping of the internal endpoint. */
#ifndef SNATSH_NEW_FLOW_EIM_H
#define SNATSH_NEW_FLOW_EIM_H

#include "eim.h"
#include "open_flow.h"

/* Claims a mapping; its address and port into scratch->reply. */
inline_always u32 claim_new_eim_mapping(struct scratch *scratch, const struct pool *pool, const struct packet *p, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    struct eim_mapping_key key;
    u32 i, outcome;

    for (i = 0; i < ENDPOINT_TRIES; i++) {
        u16 port;

        __builtin_memset(reply, 0, sizeof(*reply)); /* the allocator's hints are for all destinations */
        reply->destination = scratch->address;
        reply->protocol = p->protocol;
        port = next_port(scratch, pool, now);
        if (scratch->full) {
            note_exhausted(scratch->address);
            if (!next_pool_address(scratch, pool))
                return CLAIM_BUSY;
            continue;
        }
        if (!port)
            continue;
        reply->destination_port = port;
        eim_mapping_key_of(scratch->address, port, p->protocol, &key);
        if (!scratch->holds_none && is_held_back(&key, scratch->slot & 1, &scratch->eim_mapping, now)) {
            scratch->held_address = scratch->address;
            scratch->held_port = port;
            continue;
        }
        outcome = claim_eim_mapping(&key, &scratch->eim_mapping, now);
        if (outcome == CLAIM_FULL)
            return CLAIM_FULL;
        if (outcome != CLAIMED)
            continue;
        note_spare_address(scratch);
        if (scratch->step > 1)
            reset_misses(scratch);
        return CLAIMED;
    }
    return next_round(scratch);
}

/* When no other port is left, the next run of the program takes one that is held back for a former endpoint. */
inline_always u32 give_up_holding(struct scratch *scratch, const struct packet *p)
{
    struct allocator_key hint = {.mapped = scratch->held_address, .protocol = p->protocol};

    if (!scratch->held_port)
        return CLAIM_BUSY;
    free_port(&hint, scratch->held_port); /* the first that the allocator gives */
    scratch->address = scratch->held_address;
    scratch->held_port = scratch->full = 0;
    scratch->step = scratch->holds_none = 1;
    scratch->rounds = CLAIM_ROUNDS - 2;
    return CLAIM_AGAIN;
}

/* The same for an address and port that are not the packet's alone. */
inline_always int is_taken_towards(void *ctx, struct scratch *scratch, const struct pool *pool, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    const struct packet *p = &scratch->packet;

    reply->source = p->destination;
    reply->source_port = p->destination_port;
    reply->protocol = p->protocol;
    return is_taken(ctx, scratch, pool, now);
}

/* An endpoint whose mapping cannot serve this destination, where the gateway has the tuple, moves to another one. Its
 * flows keep the one that they have. */
inline_always u32 hold_or_claim_eim_mapping(void *ctx, u32 ifindex, struct scratch *scratch, const struct rule *rule,
                                            const struct pool *pool, u32 now)
{
    const struct packet *p = &scratch->packet;
    struct eim_mapping *eim_mapping = &scratch->eim_mapping;
    struct flow_key *reply = &scratch->reply;
    struct endpoint_key endpoint;
    struct eim_mapping_key key;
    u32 outcome;

    eim_mapping->inside = p->source;
    eim_mapping->pool = pool->id;
    eim_mapping->inside_port = p->source_port;
    eim_mapping->pad = 0;
    eim_mapping->rule = rule->number;
    eim_mapping->expires = now + timeout_ticks(scratch->slot & 1, p->protocol, STATE_UNREPLIED);
    eim_mapping->flows = 1;
    eim_mapping->created = now;
    eim_mapping->mark = p->mark;
    eim_mapping->ifindex = ifindex;
    eim_mapping->reserved = 0;
    endpoint_key_of(eim_mapping, p->protocol, &endpoint);
    if (hold_known_eim_mapping(scratch, scratch->slot & 1, &endpoint, now)) {
        if (!is_taken_towards(ctx, scratch, pool, now))
            return CLAIMED;
        release_claimed_eim_mapping(scratch, now);
    }
    outcome = claim_new_eim_mapping(scratch, pool, p, now);
    if (outcome == CLAIM_BUSY)
        return give_up_holding(scratch, p);
    if (outcome != CLAIMED)
        return outcome;
    eim_mapping_key_of(reply->destination, reply->destination_port, p->protocol, &key);
    if (is_taken_towards(ctx, scratch, pool, now)) {
        eim_mappings.delete(&key); /* the port is not released: no mapping may use it now */
        return next_round(scratch);
    }
    endpoints.update(&endpoint, &key);
    return CLAIMED;
}

/* Holds or claims the mapping of the packet's endpoint. VERDICT_TRANSLATE: open_flow comes next. */
inline_always void claim_eim_flow(void *ctx, u32 ifindex, struct scratch *scratch, struct new_flow *new_flow, u32 now)
{
    struct rule *rule = matched_rule(scratch);
    struct pool *pool = rule ? pool_of(scratch->slot & 1, rule) : 0;
    u32 outcome;

    if (!pool)
        return refuse(new_flow, DROP_INTERNAL);
    scratch->is_shared = pool->flags & POOL_LOCAL;
    new_flow->verdict = VERDICT_TRANSLATE;
    outcome = hold_or_claim_eim_mapping(ctx, ifindex, scratch, rule, pool, now);
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
}

#endif
