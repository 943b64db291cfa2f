/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* New flows of endpoint-independent rules: the inside endpoint's exterior, found or claimed, then the flow. */
#ifndef SNATSH_OPEN_ENDPOINT_H
#define SNATSH_OPEN_ENDPOINT_H

#include "endpoints.h"
#include "open.h"

/* Claims an exterior; its address and port into scratch->reply. */
inline_always u32 claim_new_exterior(struct scratch *scratch, const struct pool *pool, const struct packet *p, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    struct exterior_key key;
    u32 i;

    for (i = 0; i < ENDPOINT_TRIES; i++) {
        u16 port;

        __builtin_memset(reply, 0, sizeof(*reply)); /* the allocator's hints are for all destinations */
        reply->destination = scratch->address;
        reply->protocol = p->protocol;
        port = port_to_try(scratch, pool, p, reply, now);
        if (scratch->full) {
            note_exhausted(scratch->address);
            if (!next_pool_address(scratch, pool))
                return CLAIM_BUSY;
            continue;
        }
        if (!port)
            continue;
        reply->destination_port = port;
        exterior_key_of(scratch->address, port, p->protocol, &key);
        if (!claim_exterior(&key, &scratch->exterior, now))
            continue;
        note_room(scratch);
        if (scratch->step > 1)
            found_free(reply);
        return CLAIMED;
    }
    return next_round(scratch);
}

inline_always u32 settle_exterior(void *ctx, struct scratch *scratch, const struct rule *rule, const struct pool *pool,
                                  const struct packet *p, u32 now)
{
    struct exterior *exterior = &scratch->exterior;
    struct flow_key *reply = &scratch->reply;
    struct endpoint_key endpoint;
    struct exterior_key key;
    u32 outcome;

    exterior->inside = p->source;
    exterior->pool = pool->id;
    exterior->inside_port = p->source_port;
    exterior->flags = rule->flags;
    exterior->rule = rule->number;
    exterior->counter = rule->counter;
    exterior->expires = now + timeout_ticks(scratch->slot & 1, p->protocol, STATE_UNREPLIED);
    endpoint_key_of(exterior, p->protocol, &endpoint);
    if (find_exterior(scratch, scratch->slot & 1, &endpoint, now))
        return CLAIMED;
    outcome = claim_new_exterior(scratch, pool, p, now);
    if (outcome != CLAIMED)
        return outcome;
    exterior_key_of(reply->destination, reply->destination_port, p->protocol, &key);
    reply->source = p->destination;
    reply->source_port = p->destination_port;
    if (pool->flags & POOL_LOCAL && is_taken_by_socket(ctx, reply)) {
        exteriors.delete(&key);
        return next_round(scratch);
    }
    endpoints.update(&endpoint, &key);
    return CLAIMED;
}

/* The flow of this key, with the mapped address and port in scratch->reply. */
inline_always u32 open_by_exterior(struct scratch *scratch, const struct flow_key *key, const struct exterior *exterior,
                                   u32 redirect, struct opening *opening, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    const struct control *state = running();
    struct record *record;
    u32 outcome;

    if (!state)
        return CLAIM_BUSY;
    reply->source = key->destination;
    reply->source_port = key->destination_port;
    reply->protocol = key->protocol;
    record = prepare_record(scratch->slot & 1, key, exterior->rule, exterior->counter, redirect, now);
    outcome = record ? claim(state, record, reply, now) : CLAIM_FULL;
    if (outcome == CLAIMED)
        publish_flow(state, record, SEEN_ENDPOINT, opening);
    else if (record)
        drop_record(record);
    return outcome;
}

inline_always void claim_flow_of_endpoint(void *ctx, struct packet *p, struct opening *opening, u32 now)
{
    u32 zero = 0, outcome;
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule = scratch ? matched_rule(scratch) : 0;
    struct pool *pool = rule ? pool_of(scratch->slot & 1, rule) : 0;
    struct flow_key key;

    if (!pool)
        return refuse(opening, DROP_INTERNAL);
    key_of(p, &key);
    outcome = settle_exterior(ctx, scratch, rule, pool, p, now);
    if (outcome == CLAIMED)
        outcome = open_by_exterior(scratch, &key, &scratch->exterior, rule->redirect, opening, now);
    if (outcome != CLAIMED)
        settle_failure(scratch, outcome, opening);
}

/* The exterior that filters by nothing and takes this packet from outside; 0 when there is none. */
inline_always struct exterior *open_exterior(const struct packet *p, u32 now)
{
    struct exterior_key key;
    struct exterior *exterior;

    if (p->protocol == IPPROTO_ICMP)
        return 0;
    exterior_key_of(p->destination, p->destination_port, p->protocol, &key);
    exterior = exteriors.lookup(&key);
    if (!exterior || !(exterior->flags & RULE_FILTER_ENDPOINT_INDEPENDENT) || is_past(now, exterior->expires))
        return 0;
    return exterior;
}

/* A packet from outside opens a flow to the endpoint behind an exterior. Returns 1 when the flow is there. */
inline_always int open_from_outside(u32 slot, const struct packet *p, u32 now)
{
    struct exterior *exterior = open_exterior(p, now);
    struct opening opening = {};
    struct scratch *scratch;
    struct flow_key key = {};
    u32 zero = 0;

    scratch = scratches.lookup(&zero);
    if (!exterior || !scratch || !find_pool_address(slot, p->destination) || limit_reached(slot, exterior->inside, now) != NOT_REFUSED)
        return 0;
    if (p->protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return 0;
    scratch->slot = slot;
    scratch->reply.destination = p->destination;
    scratch->reply.destination_port = p->destination_port;
    key.source = exterior->inside;
    key.destination = p->source;
    key.source_port = exterior->inside_port;
    key.destination_port = p->source_port;
    key.protocol = p->protocol;
    return open_by_exterior(scratch, &key, exterior, 0, &opening, now) == CLAIMED &&
           opening.verdict == VERDICT_TRANSLATE;
}

#endif
