/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule match by tuple-space search. Tuples lie in the order of precedence: longest source prefix,
 * then longest destination prefix, then more fields given; ties by the lowest rule number. */
#ifndef SNATSH_RULES_H
#define SNATSH_RULES_H

#include "config.h"
#include "hash.h"
#include "parse.h"
#include "path.h"

inline_always void rule_key_of(u32 slot, u32 index, const struct tuple *tuple, const struct packet *p,
                               const struct path *path, struct rule_key *key)
{
    key->slot = slot;
    key->tuple = index;
    key->source = p->source & tuple->source_mask;
    key->destination = p->destination & tuple->destination_mask;
    key->out_ifindex = path->out_ifindex & tuple->out_ifindex_mask;
    key->next_hop = path->next_hop & tuple->next_hop_mask;
    key->protocol = p->protocol & tuple->protocol_mask;
    key->mark = p->mark & tuple->mark_mask;
}

#define WAY_SALT 0x5a17ed /* so that the choice of a way says nothing of the choice of an address */

/* The rule at `at`, or what stands in for it on the way that a new flow's hash has. */
inline_always u32 choose_way(u32 slot, u32 at, const struct packet *p)
{
    struct rule *rule = rules.lookup(&at);
    u32 ports = p->source_port | (u32)p->destination_port << 16, bucket, hash, *way;

    if (!rule || !rule->ways)
        return at;
    hash = rule->flags & RULE_WAY_BY_FLOW ? jhash_3words(p->source ^ WAY_SALT, p->destination, ports)
                                          : jhash_3words(p->source ^ WAY_SALT, 0, 0);
    bucket = slot * MAX_WAYS + (rule->ways - 1) * WAY_BUCKETS + scale(hash, WAY_BUCKETS);
    way = ways.lookup(&bucket);
    return way ? *way : at;
}

inline_always struct rule *find_rule(u32 slot, const struct packet *p, const struct path *path)
{
    u32 zero = 0, best, i;
    struct settings *limits = settings.lookup(&slot);
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule_key key;

    if (!limits || !scratch)
        return 0;
    scratch->found = 0;
    for (i = 0; i < MAX_TUPLES; i++) {
        u32 at = slot * MAX_TUPLES + i;
        struct tuple *tuple;
        struct rule *rule;
        u32 *index;

        if (i >= limits->tuple_count)
            break;
        tuple = tuples.lookup(&at);
        if (!tuple || (scratch->found && tuple->rank != scratch->rank))
            break;
        rule_key_of(slot, i, tuple, p, path, &key);
        index = rule_index.lookup(&key);
        if (!index)
            continue;
        at = *index;
        rule = rules.lookup(&at);
        if (!rule || (scratch->found && rule->number > scratch->least))
            continue;
        scratch->best = at;
        scratch->least = rule->number;
        scratch->rank = tuple->rank;
        scratch->found = 1;
    }
    if (!scratch->found)
        return 0;
    best = choose_way(slot, scratch->best, p);
    scratch->rule = best;
    return rules.lookup(&best);
}

#endif
