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

inline_always int is_low_port(u16 port)
{
    return bpf_ntohs(port) < FIRST_HIGH_PORT;
}

/* Sets the ports that serve a source port: of a pool that keeps classes of ports, those of its class (RFC 4787, REQ-3a). */
inline_always void set_port_range(struct scratch *scratch, const struct pool *pool, u16 source_port)
{
    u32 low = pool->low_count;

    scratch->is_low = low && is_low_port(source_port);
    scratch->port_first = scratch->is_low ? pool->port_first : pool->port_first + low;
    scratch->port_count = scratch->is_low ? low : pool->port_count - low;
    scratch->half_bits = scratch->is_low ? pool->low_half_bits : pool->half_bits;
}

inline_always int in_range(const struct scratch *scratch, u16 port)
{
    return (u32)bpf_ntohs(port) - scratch->port_first < scratch->port_count;
}

inline_always void allocator_key_of(const struct flow_key *reply, u32 is_low, struct allocator_key *key)
{
    key->mapped = reply->destination;
    key->remote = reply->source;
    key->remote_port = reply->source_port;
    key->protocol = reply->protocol;
    key->is_low = is_low;
}

/* The allocator of a port. Low ports have one of their own only where the pool keeps them apart. */
inline_always struct allocator *find_allocator_of(struct allocator_key *key, u16 port)
{
    struct allocator *allocator;

    key->is_low = is_low_port(port);
    allocator = allocators.lookup(key);
    if (allocator || !key->is_low)
        return allocator;
    key->is_low = 0;
    return allocators.lookup(key);
}

/* Makes a port available again; it is the first to be reused. */
inline_always void free_port(struct allocator_key *key, u16 port)
{
    struct allocator *allocator = find_allocator_of(key, port);
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

    allocator_key_of(reply, 0, &key);
    free_port(&key, reply->destination_port);
}

/* The key is made in memory of its own: on the stack, the verifier would tell paths apart by what was there before. */
inline_always struct allocator *find_allocator(struct scratch *scratch)
{
    allocator_key_of(&scratch->reply, scratch->is_low, &scratch->allocator);
    return allocators.lookup(&scratch->allocator);
}

inline_always struct allocator *make_allocator(struct scratch *scratch)
{
    u64 zero = 0;
    struct allocator *fresh = fresh_allocators.lookup((u32 *)&zero);

    if (!fresh)
        return 0;
    fresh->seed = bpf_get_prandom_u32();
    allocators.insert(&scratch->allocator, fresh);
    return allocators.lookup(&scratch->allocator);
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

/* The next port to try, in network order; 0 when the permuted index is outside the range. */
inline_always u16 next_shuffled(struct allocator *allocator, const struct scratch *scratch)
{
    u32 half = scratch->half_bits & 15;
    u32 index = shuffled(allocator->cursor, half, allocator->seed);

    allocator->cursor++;
    allocator->misses++;
    return index < scratch->port_count ? bpf_htons(scratch->port_first + index) : 0;
}

inline_always int is_exhausted(const struct allocator *allocator, const struct scratch *scratch)
{
    return allocator->misses >> (2 * (scratch->half_bits & 15));
}

inline_always u16 random_port(const struct scratch *scratch)
{
    return bpf_htons(scratch->port_first + scale(bpf_get_prandom_u32(), scratch->port_count));
}

inline_always int is_full(const struct allocator *allocator, u32 now)
{
    return allocator->full_until && !is_past(now, allocator->full_until);
}

/* Whether to go on to another address at once: that of `reply` has no port left towards its destination, or so few
 * that only some flows look for them. */
inline_always int should_skip_address(struct scratch *scratch, u32 now)
{
    struct allocator *allocator = find_allocator(scratch);

    if (!allocator)
        return 0;
    return is_full(allocator, now) || (allocator->misses > NEARLY_FULL && bpf_get_prandom_u32() & NEARLY_FULL_SAMPLE_MASK);
}

/* A port towards the destination of `reply`, in network order; 0: none this time, try on. Sets
 * scratch->full when the address is full or had its share of tries. */
inline_always u16 allocate(struct scratch *scratch, const struct pool *pool, u32 now)
{
    struct allocator *allocator = find_allocator(scratch);
    u16 port;
    u32 at;

    if (!allocator && scratch->step <= RANDOM_TRIES)
        return random_port(scratch);
    if (!allocator)
        allocator = make_allocator(scratch);
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
        return in_range(scratch, port) ? port : 0; /* the pool's range may have changed */
    }
    if (is_exhausted(allocator, scratch)) {
        allocator->misses = 0;
        allocator->full_until = (now + FULL_TICKS) | 1;
        scratch->full = 1;
        return 0;
    }
    return next_shuffled(allocator, scratch);
}

inline_always void reset_misses(struct scratch *scratch)
{
    struct allocator *allocator = find_allocator(scratch);

    if (allocator)
        allocator->misses = 0;
}

#endif
