/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Port allocation at any fill level with bounded work. Port preservation comes first. Towards a destination where
 * a random port was once in use, ports released by ended flows are reused next; then all ports are tried in a
 * pseudo-random order, each once per round, from where the previous flow stopped. Ports ahead in that order are
 * free unless they were preserved, so a flow finds a port at once until the last ones are left. */
#ifndef SNATSH_ALLOCATOR_H
#define SNATSH_ALLOCATOR_H

#include "config.h"
#include "hash.h"

SHARED_MAP("lru_hash", struct allocator_key, struct allocator, allocators);
/* Template of a new one, which is too large for the stack. */
BPF_TABLE("percpu_array", u32, struct allocator, fresh_allocators, 1);
/* By pool: index + 1 of the address that had a free port when another was full; 0 for none. */
BPF_TABLE("array", u32, u32, spare_addresses, MAX_POOLS);

#define RANDOM_TRIES 2 /* the preserved port and a random one */
#define TRIES_PER_ADDRESS 112
#define NEARLY_FULL 256 /* after so many failed tries in a row the next address comes sooner, … */
#define TRIES_NEARLY_FULL 3 /* … after so many tries */
#define NEARLY_FULL_SAMPLE_MASK 7 /* and only one flow of eight tries at all if another address has free ports */
#define FULL_TICKS 60 /* how long an address counts as full towards a destination unless a flow ends */

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

/* Makes a port available again; it is the first to be reused. */
inline_always void free_port(struct allocator_key *key, u16 port)
{
    struct allocator *allocator = allocators.lookup(key);
    u32 at;

    if (!allocator)
        return;
    allocator->misses = 0;
    allocator->full_until = 0;
    at = allocator->free_port_count;
    if (at >= FREE_PORTS)
        return;
    allocator->free_ports[at & (FREE_PORTS - 1)] = port;
    allocator->free_port_count = at + 1;
}

inline_always void free_port_of(const struct flow_key *reply)
{
    struct allocator_key key;

    allocator_key_of(reply, &key);
    free_port(&key, reply->destination_port);
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

/* Element `place` of a pseudo-random permutation of 0 … 2^(2*half)-1: a Feistel network of three rounds. */
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

/* The next port to try, in network order; 0 when the permuted index is outside the pool's range. */
inline_always u16 next_shuffled(struct allocator *allocator, const struct pool *pool)
{
    u32 half = pool->half_bits & 15;
    u32 index = shuffled(allocator->cursor, half, allocator->seed);

    allocator->cursor++;
    allocator->misses++;
    return index < pool->port_count ? bpf_htons(pool->port_first + index) : 0;
}

inline_always int is_exhausted(const struct allocator *allocator, const struct pool *pool)
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
inline_always int should_skip_address(const struct flow_key *reply, u32 now)
{
    struct allocator *allocator = find_allocator(reply);

    if (!allocator)
        return 0;
    return is_full(allocator, now) || (allocator->misses > NEARLY_FULL && bpf_get_prandom_u32() & NEARLY_FULL_SAMPLE_MASK);
}

/* A port towards the destination of `reply`, in network order; 0: none this time, try on. Sets
 * scratch->full when the address is full or had its share of tries. */
inline_always u16 allocate(struct scratch *scratch, const struct pool *pool, const struct flow_key *reply, u32 now)
{
    struct allocator *allocator = find_allocator(reply);
    u16 port;
    u32 at;

    if (!allocator && scratch->step <= RANDOM_TRIES)
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
    at = allocator->free_port_count;
    if (at) {
        allocator->free_port_count = at - 1;
        port = allocator->free_ports[(at - 1) & (FREE_PORTS - 1)];
        return in_range(pool, port) ? port : 0; /* the pool's range may have changed */
    }
    if (is_exhausted(allocator, pool)) {
        allocator->misses = 0;
        allocator->full_until = (now + FULL_TICKS) | 1;
        scratch->full = 1;
        return 0;
    }
    return next_shuffled(allocator, pool);
}

inline_always void reset_misses(const struct flow_key *reply)
{
    struct allocator_key key;
    struct allocator *allocator;

    allocator_key_of(reply, &key);
    allocator = allocators.lookup(&key);
    if (allocator)
        allocator->misses = 0;
}

#endif
