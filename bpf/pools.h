/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Selection of the pool address by the rule's algorithm. The hashes are those of lvs-snat: index = (hash * n) >>
 * 32. */
#ifndef SNATSH_POOLS_H
#define SNATSH_POOLS_H

#include "config.h"
#include "flows.h"
#include "hash.h"
#include "parse.h"

#define LEAST_USED_SCAN 64 /* in larger pools, the least used of this many neighbours at a random position */
#define RANGE_SEARCH_STEPS 17 /* 2^16 runs at most */

/* The pool's address number `index`, in network order; 0 when there is none. */
inline_always u32 address_at(u32 slot, const struct pool *pool, u32 index, struct scratch *scratch)
{
    u32 base = slot * MAX_RANGES + pool->first_range;
    struct range *range;
    u32 at, i;

    scratch->low = 0;
    scratch->high = pool->range_count - 1;
    for (i = 0; i < RANGE_SEARCH_STEPS && scratch->low < scratch->high; i++) {
        u32 middle = (scratch->low + scratch->high + 1) >> 1;

        at = base + middle;
        range = ranges.lookup(&at);
        if (!range)
            return 0;
        if (range->start <= index)
            scratch->low = middle;
        else
            scratch->high = middle - 1;
    }
    at = base + scratch->low;
    range = ranges.lookup(&at);
    return range ? bpf_htonl(range->first + (index - range->start)) : 0;
}

/* The address at scratch->index in the run scratch->low; moves both on by one, around the pool's end. */
inline_always u32 next_address(u32 slot, const struct pool *pool, struct scratch *scratch)
{
    u32 at = slot * MAX_RANGES + pool->first_range + scratch->low, address;
    struct range *range = ranges.lookup(&at);

    if (!range)
        return 0;
    address = bpf_htonl(range->first + (scratch->index - range->start));
    scratch->index++;
    if (scratch->index >= pool->size) {
        scratch->index = 0;
        scratch->low = 0;
        return address;
    }
    at++;
    range = ranges.lookup(&at);
    if (range && scratch->low + 1 < pool->range_count && scratch->index >= range->start)
        scratch->low++;
    return address;
}

inline_always u32 choose_least_used(u32 slot, const struct pool *pool, struct scratch *scratch)
{
    u32 i;

    scratch->index = pool->size > LEAST_USED_SCAN ? scale(bpf_get_prandom_u32(), pool->size) : 0;
    scratch->best = scratch->index;
    scratch->least = ~0U;
    address_at(slot, pool, scratch->index, scratch); /* leaves the run in scratch->low */
    for (i = 0; i < LEAST_USED_SCAN && i < pool->size; i++) {
        u32 index = scratch->index;
        u32 address = next_address(slot, pool, scratch);
        struct address_usage *usage = address_usage.lookup(&address);
        u32 active = usage ? usage->tcp + usage->udp + usage->icmp : 0;

        if (active >= scratch->least)
            continue;
        scratch->least = active;
        scratch->best = index;
        if (!active)
            break;
    }
    return scratch->best;
}

inline_always u32 choose_round_robin(u32 pool_index, u32 size)
{
    u32 *turn = round_robin_positions.lookup(&pool_index);
    u32 index;

    if (!turn)
        return 0;
    index = *turn % size; /* two CPUs may use the same position: harmless */
    *turn = index + 1;
    return index;
}

inline_always u32 choose_address(u32 slot, const struct rule *rule, const struct pool *pool, const struct packet *p,
                                 struct scratch *scratch)
{
    u32 ports = p->source_port | (u32)p->destination_port << 16;

    switch (rule->algorithm) {
    case ALGORITHM_SOURCE_HASH:
        return scale(jhash_3words(p->source, 0, 0), pool->size);
    case ALGORITHM_SOURCE_DESTINATION_HASH:
        return scale(jhash_3words(p->source, p->destination, 0), pool->size);
    case ALGORITHM_TUPLE_HASH:
        return scale(jhash_3words(p->source, p->destination, ports), pool->size);
    case ALGORITHM_ROUND_ROBIN:
        return choose_round_robin(rule->pool, pool->size);
    case ALGORITHM_LEAST_USED:
        return choose_least_used(slot, pool, scratch);
    default:
        return scale(bpf_get_prandom_u32(), pool->size);
    }
}

#endif
