/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* New flows of endpoint-independent rules: find or claim the mapping of the internal endpoint, then open the flow. */
#ifndef SNATSH_NEW_FLOW_EIM_H
#define SNATSH_NEW_FLOW_EIM_H

#include "eim.h"
#include "new_flow.h"

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
        port = next_port(scratch, pool, p, reply, now);
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
            reset_misses(reply);
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

/* Whether the gateway receives what the destination sends to the address and port in scratch->reply. */
inline_always int is_taken_towards(void *ctx, struct scratch *scratch, const struct pool *pool, const struct packet *p, u32 now)
{
    struct flow_key *reply = &scratch->reply;

    reply->source = p->destination;
    reply->source_port = p->destination_port;
    reply->protocol = p->protocol;
    return pool->flags & POOL_LOCAL && is_taken_by_gateway(ctx, scratch->slot & 1, reply, now);
}

/* Releases the mapping in scratch->reply, which was held or claimed for a flow that is not opened. */
inline_always void release_claimed_eim_mapping(const struct scratch *scratch, u32 now)
{
    struct eim_mapping_key key;

    eim_mapping_key_of(scratch->reply.destination, scratch->reply.destination_port, scratch->reply.protocol, &key);
    release_eim_mapping(&key, now);
}

/* An endpoint whose mapping cannot serve this destination, where the gateway has the tuple, moves to another one. Its
 * flows keep the one that they have. */
inline_always u32 hold_or_claim_eim_mapping(void *ctx, u32 ifindex, struct scratch *scratch, const struct rule *rule,
                                            const struct pool *pool, const struct packet *p, u32 now)
{
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
        if (!is_taken_towards(ctx, scratch, pool, p, now))
            return CLAIMED;
        release_claimed_eim_mapping(scratch, now);
    }
    outcome = claim_new_eim_mapping(scratch, pool, p, now);
    if (outcome == CLAIM_BUSY)
        return give_up_holding(scratch, p);
    if (outcome != CLAIMED)
        return outcome;
    eim_mapping_key_of(reply->destination, reply->destination_port, p->protocol, &key);
    if (is_taken_towards(ctx, scratch, pool, p, now)) {
        eim_mappings.delete(&key); /* the port is not released: no mapping may use it now */
        return next_round(scratch);
    }
    endpoints.update(&endpoint, &key);
    return CLAIMED;
}

/* Opens the flow of this key by a rule, with the mapped address and port in scratch->reply. `seen`: whether its mapping
 * is held for it, which is released where no flow is opened. */
inline_always u32 open_by_eim_mapping(struct scratch *scratch, const struct flow_key *key, const struct rule *rule, u8 seen,
                                      struct new_flow *new_flow, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    const struct control *state = running();
    u32 outcome = CLAIM_BUSY, number = 0;
    struct record *record = 0;

    reply->source = key->destination;
    reply->source_port = key->destination_port;
    reply->protocol = key->protocol;
    if (state) {
        record = prepare_record(scratch->slot & 1, key, rule->number, rule->counter, rule->redirect, now, &number);
        outcome = record ? claim(state, record, number, reply, now) : CLAIM_FULL;
    }
    if (outcome == CLAIMED && find_own_connection(scratch->slot & 1, reply, now)) { /* noted meanwhile */
        remove_tuple(state, SIDE_INBOUND, reply, number);
        outcome = next_round(scratch);
    }
    if (outcome == CLAIMED)
        record->inbound.epoch = seen & SEEN_FROM_OUTSIDE ? scratch->epoch : 0; /* of the rules that admitted it */
    else if (record)
        free_record(number);
    if ((outcome != CLAIMED || !publish_flow(state, scratch, record, number, seen, new_flow)) && seen & SEEN_EIM)
        release_claimed_eim_mapping(scratch, now);
    return outcome;
}

/* Holds or claims the mapping of the packet's endpoint. VERDICT_TRANSLATE: open_eim_flow comes next, in a program of its
 * own because of the verifier's limit. */
inline_always void claim_eim_flow(void *ctx, u32 ifindex, struct packet *p, struct new_flow *new_flow, u32 now)
{
    u32 zero = 0, outcome;
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule = scratch ? matched_rule(scratch) : 0;
    struct pool *pool = rule ? pool_of(scratch->slot & 1, rule) : 0;

    if (!pool)
        return refuse(new_flow, DROP_INTERNAL);
    new_flow->verdict = VERDICT_TRANSLATE;
    outcome = hold_or_claim_eim_mapping(ctx, ifindex, scratch, rule, pool, p, now);
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
}

/* Opens the flow by the mapping in scratch->reply, which claim_eim_flow holds for it. */
inline_always void open_eim_flow(const struct packet *p, struct new_flow *new_flow, u32 now)
{
    u32 zero = 0, outcome;
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule = scratch ? matched_rule(scratch) : 0;
    struct flow_key key;

    if (!rule)
        return refuse(new_flow, DROP_INTERNAL);
    key_of(p, &key);
    scratch->rounds++; /* another try takes two tail calls */
    outcome = open_by_eim_mapping(scratch, &key, rule, SEEN_EIM, new_flow, now);
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
}

#endif
