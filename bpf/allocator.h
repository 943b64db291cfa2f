/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finding a free port at any fill, with bounded work. The kept source port comes first. Else, towards a destination
 * where a random port was taken once, ports that ended flows gave back are taken; then all ports are gone
 * through in an order that looks random, each once a round, from where the last flow stopped. What lies ahead in
 * that order is free but for kept ports, so that a flow finds its port at once until the last ones are left. */
#ifndef SNATSH_ALLOCATOR_H
#define SNATSH_ALLOCATOR_H

#include "config.h"
#include "hash.h"

SHARED_MAP("lru_hash", struct allocator_key, struct allocator, allocators);
/* What a new one begins as: too large for the stack. */
BPF_TABLE("percpu_array", u32, struct allocator, fresh_allocators, 1);
/* By pool: the address that had room when another was full, counted from 1; 0 while none has been. */
BPF_TABLE("array", u32, u32, roomy_addresses, MAX_POOLS);

#define LUCKY_TRIES 2 /* the kept port and a random one */
#define TRIES_PER_ADDRESS 112
#define NEARLY_FULL 256 /* tries in a row that found nothing: on to the next address soon … */
#define TRIES_NEARLY_FULL 3 /* … after so many */
#define LOOKED_AT_MASK 7 /* and by one flow of eight only, if another address has room */
#define FULL_TICKS 60 /* how long an address counts as full towards a destination, if no flow ends */

inline_always int in_range(const struct pool *pool, u16 port)
{
    return (u32)bpf_ntohs(port) - pool->port_first < pool->port_count;
}

inline_always void allocator_key_of(const struct flow_key *reply, struct allocator_key *key)
{
    key->mapped = reply->destination;
    key->remote = reply->source;
    key->remote_port = reply->source_port;
    key->protocol = reply->protocol;
    key->pad = 0;
}

/* A port is free again: it is the first to be handed out. */
inline_always void give_back_port(struct allocator_key *key, u16 port)
{
    struct allocator *allocator = allocators.lookup(key);
    u32 at;

    if (!allocator)
        return;
    allocator->misses = 0;
    allocator->full_until = 0;
    at = allocator->freed_count;
    if (at >= FREED_PORTS)
        return;
    allocator->freed[at & (FREED_PORTS - 1)] = port;
    allocator->freed_count = at + 1;
}

inline_always void give_back(const struct flow_key *reply)
{
    struct allocator_key key;

    allocator_key_of(reply, &key);
    give_back_port(&key, reply->destination_port);
}

inline_always struct allocator *find_allocator(const struct flow_key *reply)
{
    struct allocator_key key;

    allocator_key_of(reply, &key);
    return allocators.lookup(&key);
}

inline_always struct allocator *make_allocator(const struct flow_key *reply)
{
    u32 zero = 0;
    struct allocator *fresh = fresh_allocators.lookup(&zero);
    struct allocator_key key;

    if (!fresh)
        return 0;
    allocator_key_of(reply, &key);
    fresh->seed = bpf_get_prandom_u32();
    allocators.insert(&key, fresh);
    return allocators.lookup(&key);
}

/* The place-th element of a random-looking order of 0 … 2^(2*half)-1: a Feistel network of three rounds. */
inline_always u32 shuffled(u32 place, u32 half, u32 seed)
{
    u32 mask = (1 << half) - 1;
    u32 left = (place >> half) & mask, right = place & mask, next;

    next = left ^ (jhash_3words(right, seed, 1) & mask);
    left = right;
    right = next;
    next = left ^ (jhash_3words(right, seed, 2) & mask);
    left = right;
    right = next;
    next = left ^ (jhash_3words(right, seed, 3) & mask);
    return right << half | next;
}

/* The next port to try, in network order; 0: a place of the order that is no port of the pool. */
inline_always u16 next_in_order(struct allocator *allocator, const struct pool *pool)
{
    u32 half = pool->half_bits & 15;
    u32 index = shuffled(allocator->cursor, half, allocator->seed);

    allocator->cursor++;
    allocator->misses++;
    return index < pool->port_count ? bpf_htons(pool->port_first + index) : 0;
}

inline_always int went_round(const struct allocator *allocator, const struct pool *pool)
{
    return allocator->misses >> (2 * (pool->half_bits & 15));
}

inline_always u16 random_port(const struct pool *pool)
{
    return bpf_htons(pool->port_first + scale(bpf_get_prandom_u32(), pool->port_count));
}

inline_always int is_full(const struct allocator *allocator, u32 now)
{
    return allocator->full_until && !is_past(now, allocator->full_until);
}

/* Whether to go on to another address at once: that of `reply` has no port left towards its destination, or so few
 * that only some flows look for them. */
inline_always int is_passed_over(const struct flow_key *reply, u32 now)
{
    struct allocator *allocator = find_allocator(reply);

    if (!allocator)
        return 0;
    return is_full(allocator, now) || (allocator->misses > NEARLY_FULL && bpf_get_prandom_u32() & LOOKED_AT_MASK);
}

/* A port towards the destination of `reply`, in network order; 0: none this time, try on. Sets
 * scratch->full when the address is full or had its share of tries. */
inline_always u16 allocate(struct scratch *scratch, const struct pool *pool, const struct flow_key *reply, u32 now)
{
    struct allocator *allocator = find_allocator(reply);
    u16 port;
    u32 at;

    if (!allocator && scratch->step <= LUCKY_TRIES)
        return random_port(pool);
    if (!allocator)
        allocator = make_allocator(reply);
    if (!allocator) {
        scratch->full = 1;
        return 0;
    }
    if (is_full(allocator, now) ||
        (allocator->misses > NEARLY_FULL && scratch->step > TRIES_NEARLY_FULL && pool->size > 1)) {
        scratch->full = 1;
        return 0;
    }
    at = allocator->freed_count;
    if (at) {
        allocator->freed_count = at - 1;
        port = allocator->freed[(at - 1) & (FREED_PORTS - 1)];
        return in_range(pool, port) ? port : 0; /* the pool may have been given other ports since */
    }
    if (went_round(allocator, pool)) {
        allocator->misses = 0;
        allocator->full_until = (now + FULL_TICKS) | 1;
        scratch->full = 1;
        return 0;
    }
    return next_in_order(allocator, pool);
}

inline_always void found_free(const struct flow_key *reply)
{
    struct allocator_key key;
    struct allocator *allocator;

    allocator_key_of(reply, &key);
    allocator = allocators.lookup(&key);
    if (allocator)
        allocator->misses = 0;
}

#endif
