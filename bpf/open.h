/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet without a flow: match the rules, choose an address, claim a port, publish the flow. */
#ifndef SNATSH_OPEN_H
#define SNATSH_OPEN_H

#include "allocator.h"
#include "counters.h"
#include "limits.h"
#include "parse.h"
#include "pools.h"
#include "ports.h"
#include "pressure.h"
#include "rules.h"

enum verdict { VERDICT_TRANSLATE, VERDICT_PASS, VERDICT_DROP, VERDICT_AGAIN };

struct opening {
    u32 verdict;
    u32 reason; /* of a drop */
    u32 by_endpoint; /* the flow is claimed by its endpoint-independent rule's program */
};

/* Packets that may not open a flow: an answer nobody asked for, a reset of nothing, and where the profile
 * says so a TCP packet from the middle of a connection. */
inline_always int may_open(const struct packet *p, const struct settings *limits)
{
    if (p->kind != KIND_FLOW)
        return 0;
    if (p->protocol == IPPROTO_ICMP)
        return p->source_port != 0;
    if (p->protocol != IPPROTO_TCP)
        return 1;
    if (limits->tcp_syn_only)
        return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
    return !(p->tcp_flags & TCP_RST);
}

inline_always void settle_claim(u32 mapped, u32 inside, u8 protocol)
{
    struct address_usage *usage = address_usage.lookup(&mapped);
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (usage) {
        add_active(usage, protocol, 1);
        lock_xadd(&usage->created, 1);
    }
    if (!subscriber)
        return;
    lock_xadd(&subscriber->sessions, 1);
    lock_xadd(&subscriber->half_open, 1);
}

inline_always void note_exhausted(u32 mapped)
{
    struct address_usage *usage = address_usage.lookup(&mapped);

    if (usage)
        lock_xadd(&usage->exhausted, 1);
}

/* Whether an address of the pool was ever full towards some destination: else nobody needs to ask. */
inline_always int has_full_addresses(const struct scratch *scratch)
{
    u32 at = scratch->pool, *roomy = roomy_addresses.lookup(&at);

    return scratch->addresses || (roomy && *roomy);
}

/* The port to try next on an address: the kept one, then by the allocator. */
inline_always u16 port_to_try(struct scratch *scratch, const struct pool *pool, const struct packet *p,
                              const struct flow_key *reply, u32 now)
{
    u32 step = scratch->step++;

    if (step == 0 && has_full_addresses(scratch) && is_passed_over(reply, now)) {
        scratch->full = 1;
        return 0;
    }
    if (step == 0 && !scratch->addresses && in_range(pool, p->source_port))
        return p->source_port;
    if (step >= TRIES_PER_ADDRESS) {
        scratch->full = 1;
        return 0;
    }
    return allocate(scratch, pool, reply, now);
}

inline_always void start_address(struct scratch *scratch, const struct pool *pool)
{
    u32 address = address_at(scratch->slot & 1, pool, scratch->index, scratch);
    struct address_usage fresh = {};

    scratch->address = address;
    scratch->step = 0;
    scratch->full = 0;
    if (!address_usage.lookup(&address))
        address_usage.insert(&address, &fresh); /* the first flow of an address makes its counters */
}

/* Goes on to another address of the pool: to that where room was found last, then to its neighbours. 0 when enough
 * were tried. */
inline_always int next_pool_address(struct scratch *scratch, const struct pool *pool)
{
    u32 at = scratch->pool, next = scratch->index + 1, *roomy = roomy_addresses.lookup(&at);

    if (roomy && *roomy && !scratch->addresses)
        next = *roomy - 1;
    scratch->index = next < pool->size ? next : 0;
    scratch->addresses++;
    if (scratch->addresses >= ADDRESS_TRIES || scratch->addresses > pool->size || pool->size == 1)
        return 0;
    start_address(scratch, pool);
    return 1;
}

inline_always void note_room(const struct scratch *scratch)
{
    u32 at = scratch->pool, *roomy = roomy_addresses.lookup(&at);

    if (roomy && scratch->addresses)
        *roomy = scratch->index + 1;
}

inline_always u32 next_round(struct scratch *scratch)
{
    scratch->rounds++;
    return scratch->rounds < CLAIM_ROUNDS ? CLAIM_AGAIN : CLAIM_BUSY;
}

/* Looks for an address and a port for the packet, into scratch->reply. Starts with the chosen address, goes on
 * to the next ones when it has no port left for this flow. CLAIMED: found, and to be claimed. */
inline_always u32 find_free(const struct control *state, struct scratch *scratch, const struct pool *pool,
                            const struct packet *p, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    u32 i;

    for (i = 0; i < CLAIM_TRIES; i++) {
        u16 port;

        key_of_reply(p, scratch->address, 0, reply);
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
        if (is_free(state, reply, now)) {
            note_room(scratch);
            return CLAIMED;
        }
    }
    return next_round(scratch);
}

inline_always void refuse(struct opening *opening, u32 reason)
{
    opening->verdict = VERDICT_DROP;
    opening->reason = reason;
}

inline_always struct pool *pool_of(u32 slot, const struct rule *rule)
{
    u32 at = slot * MAX_POOLS + rule->pool;
    struct pool *pool = pools.lookup(&at);

    return pool && pool->size && pool->port_count ? pool : 0;
}

/* A record for a flow of this key, with everything but what the claim decides. 0: the table is full. */
inline_always struct record *prepare_record(u32 slot, const struct flow_key *key, u32 rule, u32 counter, u32 redirect,
                                            u32 now)
{
    u32 number = 0;
    struct record *record = take_record(&number);

    if (!record)
        return 0;
    record->key = *key;
    __builtin_memset(&record->flow, 0, sizeof(record->flow));
    __builtin_memset(&record->mapping, 0, sizeof(record->mapping));
    set_state(&record->flow, slot, key->protocol, STATE_UNREPLIED, now);
    record->flow.counter = counter;
    record->flow.redirect = redirect;
    record->flow.touched = now - TOUCH_TICKS; /* so that this very packet looks the path up */
    record->mapping.inside = key->source;
    record->mapping.inside_port = key->source_port;
    record->mapping.rule = rule;
    record->mapping.counter = counter;
    record->mapping.created = now;
    record->mapping.touched = now - TOUCH_TICKS; /* the first reply looks its path up */
    name_record(record, number);
    return record;
}

/* The record has its mapped address and port: now it is the flow of its key. */
inline_always void publish_flow(const struct control *state, struct record *record, u8 seen, struct opening *opening)
{
    u8 protocol = record->key.protocol;
    u32 outcome, counter = record->mapping.counter;
    struct record *holder;
    struct rule_count *count;

    record->flow.seen |= seen;
    if (seen & SEEN_ENDPOINT)
        keep_exterior(record->flow.mapped, record->flow.mapped_port, protocol, record->flow.expires);
    settle_claim(record->reply.destination, record->key.source, protocol);
    outcome = add_tuple(state, SIDE_FLOW, &record->key, number_of(record), &holder);
    opening->verdict = VERDICT_TRANSLATE;
    if (outcome != ADDED) {
        end_flow(state, record, live_of(record));
        if (outcome != HELD) /* else another CPU opened the same flow; its record serves */
            refuse(opening, DROP_TABLE_FULL);
        return;
    }
    count = rule_counters.lookup(&counter);
    if (count)
        count->flows++;
    note_recent(&record->key);
}

/* What a claim that failed means for the packet. */
inline_always void settle_failure(struct scratch *scratch, u32 outcome, struct opening *opening)
{
    if (outcome == CLAIM_AGAIN || (outcome == CLAIM_FULL && make_room(scratch)))
        opening->verdict = VERDICT_AGAIN;
    else
        refuse(opening, outcome == CLAIM_FULL ? DROP_TABLE_FULL : DROP_POOL_EXHAUSTED);
}

inline_always void start_flow(void *ctx, struct scratch *scratch, const struct rule *rule, struct packet *p,
                              struct opening *opening, u32 now)
{
    struct pool *pool = pool_of(scratch->slot & 1, rule);
    const struct control *state = running();
    struct record *record;
    struct flow_key key;
    u32 outcome;

    if (!pool || !state)
        return refuse(opening, DROP_INTERNAL);
    key_of(p, &key);
    record = prepare_record(scratch->slot & 1, &key, rule->number, rule->counter, rule->redirect, now);
    if (!record)
        return settle_failure(scratch, CLAIM_FULL, opening);
    outcome = find_free(state, scratch, pool, p, now);
    if (outcome == CLAIMED) {
        outcome = claim(state, record, &scratch->reply, now);
        if (outcome == CLAIM_BUSY) /* another CPU was faster */
            outcome = next_round(scratch);
        else if (scratch->step > 1)
            found_free(&scratch->reply);
    }
    if (outcome == CLAIMED && pool->flags & POOL_LOCAL && is_taken_by_socket(ctx, &record->reply)) {
        /* and the port is not given back: nobody else may have it */
        remove_tuple(state, SIDE_REPLY, &record->reply, number_of(record));
        outcome = next_round(scratch);
    }
    if (outcome != CLAIMED) {
        drop_record(record);
        return settle_failure(scratch, outcome, opening);
    }
    publish_flow(state, record, 0, opening);
}

/* Notes the rule and the pool address for claim_flow, which runs next on this CPU. */
inline_always void hand_to_claim(u32 slot, const struct rule *rule, const struct packet *p, struct opening *opening,
                                 u32 now)
{
    u32 zero = 0, limit = limit_reached(slot, p->source, now);
    struct scratch *scratch = scratches.lookup(&zero);
    struct pool *pool = pool_of(slot, rule);

    if (limit != NOT_REFUSED)
        return refuse(opening, limit);
    if (!scratch || !pool)
        return refuse(opening, DROP_INTERNAL);
    scratch->pool = rule->pool;
    scratch->index = choose_address(slot, rule, pool, p, scratch);
    scratch->slot = slot;
    scratch->addresses = scratch->rounds = scratch->evictions = 0;
    opening->by_endpoint = rule->flags & RULE_ENDPOINT_INDEPENDENT;
    start_address(scratch, pool);
    opening->verdict = VERDICT_TRANSLATE;
}

/* Says what becomes of a packet that no flow covers; VERDICT_TRANSLATE: claim_flow comes next. `path`
 * is the route before any redirect. */
inline_always void match_packet(u32 slot, struct packet *p, const struct path *path, struct opening *opening,
                                u32 now)
{
    struct settings *limits = settings.lookup(&slot);
    struct rule *rule = find_rule(slot, p, path);

    opening->verdict = VERDICT_PASS;
    if (!limits)
        return refuse(opening, DROP_INTERNAL);
    if (!rule) {
        if (!limits->default_pass)
            refuse(opening, DROP_NO_RULE);
        return;
    }
    if (rule->action == ACTION_EXEMPT)
        return;
    if (rule->action == ACTION_DROP) {
        count_rule(rule->counter, p->length);
        return refuse(opening, DROP_RULE);
    }
    if (p->kind == KIND_ICMP_ERROR)
        return refuse(opening, DROP_ICMP_NO_FLOW);
    if (p->kind == KIND_FRAGMENT)
        return refuse(opening, DROP_FRAGMENT);
    if (p->kind == KIND_OTHER)
        return refuse(opening, DROP_PROTOCOL);
    if (!may_open(p, limits))
        return refuse(opening, DROP_NO_STATE);
    hand_to_claim(slot, rule, p, opening, now);
}

inline_always struct rule *matched_rule(const struct scratch *scratch)
{
    u32 at = scratch->rule;

    return rules.lookup(&at);
}

/* The second half, in a program of its own for the verifier's sake: the rule that match_packet found on
 * this CPU a moment ago gives the packet its flow. */
inline_always void claim_flow(void *ctx, struct packet *p, struct opening *opening, u32 now)
{
    u32 zero = 0;
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule = scratch ? matched_rule(scratch) : 0;

    if (!rule)
        return refuse(opening, DROP_INTERNAL);
    start_flow(ctx, scratch, rule, p, opening, now);
}

#endif
