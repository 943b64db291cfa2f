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
inline_always u32 hold_or_claim_eim_mapping(void *ctx, struct scratch *scratch, const struct rule *rule, const struct pool *pool,
                                  const struct packet *p, u32 now)
{
    struct eim_mapping *eim_mapping = &scratch->eim_mapping;
    struct flow_key *reply = &scratch->reply;
    struct endpoint_key endpoint;
    struct eim_mapping_key key;
    u32 outcome;

    eim_mapping->inside = p->source;
    eim_mapping->pool = pool->id;
    eim_mapping->inside_port = p->source_port;
    eim_mapping->flags = rule->flags;
    eim_mapping->rule = rule->number;
    eim_mapping->counter = rule->counter;
    eim_mapping->expires = now + timeout_ticks(scratch->slot & 1, p->protocol, STATE_UNREPLIED);
    eim_mapping->flows = 1;
    eim_mapping->created = now;
    endpoint_key_of(eim_mapping, p->protocol, &endpoint);
    if (hold_known_eim_mapping(scratch, scratch->slot & 1, &endpoint, now)) {
        if (!is_taken_towards(ctx, scratch, pool, p, now))
            return CLAIMED;
        release_claimed_eim_mapping(scratch, now);
    }
    outcome = claim_new_eim_mapping(scratch, pool, p, now);
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

/* The flow of this key, with the mapped address and port in scratch->reply, whose mapping is held for it. Releases
 * it where no flow is opened. */
inline_always u32 open_by_eim_mapping(struct scratch *scratch, const struct flow_key *key, const struct eim_mapping *eim_mapping,
                                   u32 redirect, struct new_flow *new_flow, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    const struct control *state = running();
    struct record *record;
    u32 outcome, number = 0;

    reply->source = key->destination;
    reply->source_port = key->destination_port;
    reply->protocol = key->protocol;
    if (!state) {
        release_claimed_eim_mapping(scratch, now);
        return CLAIM_BUSY;
    }
    record = prepare_record(scratch->slot & 1, key, eim_mapping->rule, eim_mapping->counter, redirect, now, &number);
    outcome = record ? claim(state, record, number, reply, now) : CLAIM_FULL;
    if (outcome == CLAIMED && find_own_connection(scratch->slot & 1, reply, now)) { /* noted meanwhile */
        remove_tuple(state, SIDE_INBOUND, reply, number);
        outcome = next_round(scratch);
    }
    if (outcome != CLAIMED && record)
        free_record(number);
    if (outcome != CLAIMED || !publish_flow(state, scratch, record, number, SEEN_EIM, new_flow))
        release_claimed_eim_mapping(scratch, now);
    return outcome;
}

inline_always void claim_eim_flow(void *ctx, struct packet *p, struct new_flow *new_flow, u32 now)
{
    u32 zero = 0, outcome;
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule = scratch ? matched_rule(scratch) : 0;
    struct pool *pool = rule ? pool_of(scratch->slot & 1, rule) : 0;
    struct flow_key key;

    if (!pool)
        return refuse(new_flow, DROP_INTERNAL);
    key_of(p, &key);
    outcome = hold_or_claim_eim_mapping(ctx, scratch, rule, pool, p, now);
    if (outcome == CLAIMED)
        outcome = open_by_eim_mapping(scratch, &key, &scratch->eim_mapping, rule->redirect, new_flow, now);
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
}

/* Copies the mapping with endpoint-independent filtering that admits this packet from outside. Returns 0 for none. The
 * kernel may give the entry to another mapping at any time, so it is looked up again after the copy. */
inline_always int find_unfiltered_eim_mapping(const struct packet *p, struct eim_mapping *copy, u32 now)
{
    struct eim_mapping_key key;
    struct eim_mapping *eim_mapping;

    if (p->protocol == IPPROTO_ICMP)
        return 0;
    eim_mapping_key_of(p->destination, p->destination_port, p->protocol, &key);
    eim_mapping = eim_mappings.lookup(&key);
    if (!eim_mapping)
        return 0;
    *copy = *eim_mapping;
    return eim_mappings.lookup(&key) == eim_mapping && copy->flags & RULE_FILTER_ENDPOINT_INDEPENDENT &&
           !is_past(now, copy->expires);
}

/* Whether a packet from outside without a flow may open one. Its tuple into scratch->reply, and the mapping into
 * scratch->eim_mapping, for open_from_outside. */
inline_always int may_open_from_outside(struct scratch *scratch, u32 slot, const struct packet *p, u32 now)
{
    if (!find_unfiltered_eim_mapping(p, &scratch->eim_mapping, now))
        return 0;
    if (p->protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return 0;
    key_of(p, &scratch->reply);
    return find_pool_address(slot, p->destination) != 0;
}

/* Opens a flow to the endpoint of scratch->eim_mapping. */
inline_always void open_from_outside(struct scratch *scratch, struct new_flow *new_flow, u32 now)
{
    struct eim_mapping *eim_mapping = &scratch->eim_mapping;
    struct eim_mapping_key mapping_key;
    struct eim_mapping *held;
    struct flow_key key = {};
    u32 outcome;

    key.source = eim_mapping->inside;
    key.destination = scratch->reply.source;
    key.source_port = eim_mapping->inside_port;
    key.destination_port = scratch->reply.source_port;
    key.protocol = scratch->reply.protocol;
    eim_mapping_key_of(scratch->reply.destination, scratch->reply.destination_port, key.protocol, &mapping_key);
    held = eim_mappings.lookup(&mapping_key);
    if (!held || !hold_eim_mapping(&mapping_key, held))
        return refuse(new_flow, DROP_NO_FLOW);
    outcome = open_by_eim_mapping(scratch, &key, eim_mapping, 0, new_flow, now);
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
}

#endif
