/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule match by tuple-space search. Mask sets are in order of precedence: longest source prefix, then longest
 * destination prefix, then more fields; ties by the lowest rule number. */
#ifndef SNATSH_RULES_H
#define SNATSH_RULES_H

#include "config.h"
#include "hash.h"
#include "parse.h"
#include "path.h"

inline_always void rule_key_of(u32 slot, u32 index, const struct mask_set *mask_set, const struct packet *p,
                               const struct scratch *scratch, struct rule_key *key)
{
    key->slot = slot;
    key->mask_set = index;
    key->source = p->source & mask_set->source_mask;
    key->destination = p->destination & mask_set->destination_mask;
    key->out_ifindex = scratch->out_ifindex & mask_set->out_ifindex_mask;
    key->next_hop = scratch->next_hop & mask_set->next_hop_mask;
    key->protocol = p->protocol & mask_set->protocol_mask;
    key->mark = p->mark & mask_set->mark_mask;
}

#define LINK_SALT 0x5a17ed /* makes the choice of the link independent of the choice of the address */

/* The rule at `at`, or its variant for the link that the hash of a new flow selects. */
inline_always u32 choose_link(u32 slot, u32 at, const struct packet *p)
{
    struct rule *rule = rules.lookup(&at);
    u32 ports = p->source_port | (u32)p->destination_port << 16, bucket, hash, *chosen;

    if (!rule || !rule->link_buckets)
        return at;
    hash = rule->flags & RULE_LINK_BY_FLOW ? jhash_3words(p->source ^ LINK_SALT, p->destination, ports)
                                          : jhash_3words(p->source ^ LINK_SALT, 0, 0);
    bucket = slot * MAX_LINK_BUCKETS + (rule->link_buckets - 1) * LINK_BUCKETS + scale(hash, LINK_BUCKETS);
    chosen = link_buckets.lookup(&bucket);
    return chosen ? *chosen : at;
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
    scratch->out_ifindex = path->out_ifindex;
    scratch->next_hop = path->next_hop;
    for (i = 0; i < MAX_MASK_SETS; i++) {
        u32 at = slot * MAX_MASK_SETS + i;
        struct mask_set *mask_set;
        struct rule *rule;
        u32 *index;

        if (i >= limits->mask_set_count)
            break;
        mask_set = mask_sets.lookup(&at);
        if (!mask_set || (scratch->found && mask_set->rank != scratch->rank))
            break;
        rule_key_of(slot, i, mask_set, p, scratch, &key);
        index = rule_index.lookup(&key);
        if (!index)
            continue;
        at = *index;
        rule = rules.lookup(&at);
        if (!rule || (scratch->found && rule->number > scratch->least))
            continue;
        scratch->best = at;
        scratch->least = rule->number;
        scratch->rank = mask_set->rank;
        scratch->found = 1;
    }
    if (!scratch->found)
        return 0;
    best = choose_link(slot, scratch->best, p);
    scratch->rule = best;
    return rules.lookup(&best);
}

#endif
