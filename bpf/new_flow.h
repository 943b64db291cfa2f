/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The new-flow path: match the rules, choose an address, find a port. The flow is opened after that (open_flow.h). */
#ifndef SNATSH_NEW_FLOW_H
#define SNATSH_NEW_FLOW_H

#include "allocator.h"
#include "counters.h"
#include "eviction.h"
#include "limits.h"
#include "own_connections.h"
#include "parse.h"
#include "pools.h"
#include "ports.h"
#include "rules.h"
#include "sweep_place.h"

enum verdict { VERDICT_TRANSLATE, VERDICT_PASS, VERDICT_DROP, VERDICT_AGAIN, VERDICT_RECLAIM };

struct new_flow {
    u32 verdict;
    u32 reason; /* of a drop */
};

/* Packets that may not open a flow: an unsolicited reply, a reset without a flow, TCP flags that no connection has, and
 * if so configured a mid-stream TCP packet. */
inline_always int may_open(const struct packet *p, const struct settings *limits)
{
    if (p->kind != KIND_FLOW)
        return 0;
    if (p->protocol == IPPROTO_ICMP)
        return !p->is_reply;
    if (p->protocol != IPPROTO_TCP)
        return 1;
    return is_opening_syn(p->tcp_flags) || (!limits->tcp_syn_only && is_mid_stream(p->tcp_flags));
}

inline_always void note_exhausted(u32 mapped)
{
    struct address_usage *usage = address_usage.lookup(&mapped);

    if (usage)
        lock_xadd(&usage->exhausted, 1);
}

/* Whether an address of the pool was ever full towards some destination; if not, the check is skipped. */
inline_always int has_full_addresses(const struct scratch *scratch)
{
    u32 at = scratch->pool, *spare = spare_addresses.lookup(&at);

    return scratch->addresses || (spare && *spare);
}

/* The next port to try on an address: the preserved one, then by the allocator. */
inline_always u16 next_port(struct scratch *scratch, const struct pool *pool, u32 now)
{
    u32 step = scratch->step++;

    if (step == 0 && has_full_addresses(scratch) && should_skip_address(scratch, now)) {
        scratch->full = 1;
        return 0;
    }
    if (step == 0 && !scratch->addresses && in_range(scratch, scratch->packet.source_port))
        return scratch->packet.source_port;
    if (step >= TRIES_PER_ADDRESS) {
        scratch->full = 1;
        return 0;
    }
    return allocate(scratch, pool, now);
}

inline_always void start_address(struct scratch *scratch, const struct pool *pool)
{
    u32 address = address_at(scratch->slot & 1, pool, scratch->index, scratch);
    struct address_usage fresh = {};

    scratch->address = address;
    scratch->step = 0;
    scratch->full = 0;
    if (!address_usage.lookup(&address))
        address_usage.insert(&address, &fresh); /* created with the first flow of the address */
}

/* Goes on to another address of the pool: to that where room was found last, then to its neighbours. 0 when enough
 * were tried. */
inline_always int next_pool_address(struct scratch *scratch, const struct pool *pool)
{
    u32 at = scratch->pool, next = scratch->index + 1, *spare = spare_addresses.lookup(&at);

    if (spare && *spare && !scratch->addresses)
        next = *spare - 1;
    scratch->index = next < pool->size ? next : 0;
    scratch->addresses++;
    if (scratch->addresses >= ADDRESS_TRIES || scratch->addresses > pool->size || pool->size == 1)
        return 0;
    start_address(scratch, pool);
    return 1;
}

inline_always void note_spare_address(const struct scratch *scratch)
{
    u32 at = scratch->pool, *spare = spare_addresses.lookup(&at);

    if (spare && scratch->addresses)
        *spare = scratch->index + 1;
}

inline_always u32 next_round(struct scratch *scratch)
{
    scratch->rounds++;
    return scratch->rounds < CLAIM_ROUNDS ? CLAIM_AGAIN : CLAIM_BUSY;
}

/* Looks for an address and a port for the packet, into scratch->reply. Starts with the chosen address, goes on
 * to the next ones when it has no port left for this flow. CLAIMED: found, and to be claimed. */
inline_always u32 find_free(const struct control *state, struct scratch *scratch, const struct pool *pool, u32 now)
{
    const struct packet *p = &scratch->packet;
    struct flow_key *reply = &scratch->reply;
    u32 i;

    for (i = 0; i < CLAIM_TRIES; i++) {
        u16 port;

        key_of_reply(p, scratch->address, 0, reply);
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
        if (is_free(state, reply, now)) {
            note_spare_address(scratch);
            return CLAIMED;
        }
    }
    return next_round(scratch);
}

inline_always void refuse(struct new_flow *new_flow, u32 reason)
{
    new_flow->verdict = VERDICT_DROP;
    new_flow->reason = reason;
}

/* Sets the verdict after a failed claim. */
inline_always void handle_claim_failure(struct scratch *scratch, u32 outcome, struct new_flow *new_flow)
{
    if (outcome == CLAIM_AGAIN) {
        new_flow->verdict = VERDICT_AGAIN;
    } else if (outcome == CLAIM_FULL) {
        scratch->table_full = 1;
        new_flow->verdict = VERDICT_RECLAIM;
    } else {
        refuse(new_flow, DROP_POOL_EXHAUSTED);
    }
}

/* The pool of a rule; 0: it has no address. */
inline_always struct pool *pool_of(u32 slot, const struct rule *rule)
{
    u32 at = slot * MAX_POOLS + rule->pool;
    struct pool *pool = pools.lookup(&at);

    return pool && pool->size && pool->port_count ? pool : 0;
}

/* Counts that the subscriber asks for a flow, and sets what `reclaim` starts from. Returns 1 when that has something to
 * do before the claim: because of a limit, or the sweep of the table while snatd does not see to it. */
inline_always int start_reclaim(struct scratch *scratch, u32 slot, u32 inside, u32 seen, u32 now)
{
    u32 zero = 0;
    struct settings *limits = settings.lookup(&slot);
    struct subscriber *subscriber = subscribers.lookup(&inside);
    struct sweep *sweep = sweeps.lookup(&zero);
    const struct control *state = running();

    scratch->slot = slot;
    scratch->inside = inside;
    scratch->seen = seen;
    scratch->runs = scratch->table_full = scratch->evictions = 0;
    note_request(subscriber, now);
    if (!limits || is_near_limit(limits, subscriber) || limit_reached(limits, subscriber) != NOT_REFUSED)
        return 1;
    return sweep && state && is_past(now, state->watched) && is_sweep_due(sweep, now);
}

/* Stores the rule and the pool address for claim_flow, which runs next on this CPU, or after `reclaim`. */
inline_always void prepare_claim(u32 slot, const struct rule *rule, const struct packet *p, struct new_flow *new_flow,
                                 u32 now)
{
    u32 zero = 0, seen;
    struct scratch *scratch = scratches.lookup(&zero);
    struct pool *pool = pool_of(slot, rule);

    if (!scratch)
        return refuse(new_flow, DROP_INTERNAL);
    if (!pool)
        return refuse(new_flow, DROP_POOL_EMPTY);
    scratch->slot = slot; /* before an address is looked up by it */
    scratch->pool = rule->pool;
    scratch->index = choose_address(slot, rule, pool, p, scratch);
    scratch->addresses = scratch->rounds = 0;
    scratch->held_port = scratch->holds_none = 0;
    set_port_range(scratch, pool, p->source_port);
    start_address(scratch, pool);
    seen = rule->flags & RULE_ENDPOINT_INDEPENDENT ? SEEN_EIM : 0;
    new_flow->verdict = start_reclaim(scratch, slot, p->source, seen, now) ? VERDICT_RECLAIM : VERDICT_TRANSLATE;
}

/* Decides about a packet without a flow; VERDICT_TRANSLATE: claim_flow comes next, VERDICT_RECLAIM: `reclaim`. `path`
 * is the route before any redirect. */
inline_always void match_packet(u32 slot, struct packet *p, const struct path *path, struct new_flow *new_flow,
                                u32 now)
{
    struct settings *limits = settings.lookup(&slot);
    struct rule *rule = find_rule(slot, p, path);

    new_flow->verdict = VERDICT_PASS;
    if (!limits)
        return refuse(new_flow, DROP_INTERNAL);
    if (!rule) {
        if (!limits->default_pass)
            refuse(new_flow, DROP_NO_RULE);
        return;
    }
    if (rule->action == ACTION_EXEMPT)
        return;
    if (rule->action == ACTION_DROP) {
        count_rule(rule->counter, p->length);
        return refuse(new_flow, DROP_RULE);
    }
    if (p->kind == KIND_ICMP_ERROR)
        return refuse(new_flow, DROP_ICMP_NO_FLOW);
    if (p->kind == KIND_FRAGMENT)
        return refuse(new_flow, DROP_FRAGMENT);
    if (p->kind == KIND_OTHER)
        return refuse(new_flow, DROP_PROTOCOL);
    if (!may_open(p, limits))
        return refuse(new_flow, DROP_NO_STATE);
    prepare_claim(slot, rule, p, new_flow, now);
}

inline_always struct rule *matched_rule(const struct scratch *scratch)
{
    u32 at = scratch->rule;

    return rules.lookup(&at);
}

/* Whether the gateway receives what the destination sends to the address and port in scratch->reply. */
inline_always int is_taken(void *ctx, const struct scratch *scratch, const struct pool *pool, u32 now)
{
    return pool->flags & POOL_LOCAL && is_taken_by_gateway(ctx, scratch->slot & 1, &scratch->reply, now);
}

/* The second part, in a separate program because of the verifier's limit: finds an address and a port for the flow, by
 * the rule that match_packet found on this CPU just before. VERDICT_TRANSLATE: open_flow comes next. */
inline_always void claim_flow(void *ctx, struct scratch *scratch, struct new_flow *new_flow, u32 now)
{
    struct rule *rule = matched_rule(scratch);
    struct pool *pool = rule ? pool_of(scratch->slot & 1, rule) : 0;
    const struct control *state = running();
    u32 outcome;

    if (!pool || !state)
        return refuse(new_flow, DROP_INTERNAL);
    outcome = find_free(state, scratch, pool, now);
    if (outcome == CLAIMED && is_taken(ctx, scratch, pool, now))
        outcome = next_round(scratch); /* the port is not released: no flow may use it */
    scratch->is_shared = pool->flags & POOL_LOCAL;
    new_flow->verdict = VERDICT_TRANSLATE;
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
    else if (scratch->step > 1)
        reset_misses(scratch);
}

#endif
