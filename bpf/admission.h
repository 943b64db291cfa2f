/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which packets from outside may open a flow to an endpoint-independent mapping: those that the rule in force for what
 * the endpoint would send back lets in by its filtering (RFC 4787, REQ-8). */
#ifndef SNATSH_ADMISSION_H
#define SNATSH_ADMISSION_H

#include "eim.h"
#include "hairpin.h"
#include "new_flow.h"
#include "path.h"

/* Whether rules may admit the packet, which has no flow: its mapping is in use, and filtering can be other than by
 * address and port. */
inline_always int may_be_admitted(u32 slot, const struct packet *p, u32 now)
{
    struct settings *known = settings.lookup(&slot);
    struct eim_mapping_key key;

    if (!known || !known->admits || p->protocol == IPPROTO_ICMP)
        return 0;
    if (p->protocol == IPPROTO_TCP && !is_opening_syn(p->tcp_flags))
        return 0;
    return find_eim_mapping_to(p, &key, now) != 0;
}

/* Copies the mapping of the packet into scratch->eim_mapping. The kernel may give the entry to another mapping at any
 * time, so it is looked up again after the copy. */
inline_always int copy_eim_mapping(struct scratch *scratch, const struct packet *p, u32 now)
{
    struct eim_mapping_key key;
    struct eim_mapping *eim_mapping = find_eim_mapping_to(p, &key, now);

    if (!eim_mapping)
        return 0;
    scratch->eim_mapping = *eim_mapping;
    return eim_mappings.lookup(&key) == eim_mapping;
}

inline_always int uses_pool(u32 slot, const struct rule *rule, u32 id)
{
    struct pool *pool = pool_of(slot, rule);

    return pool && pool->id == id;
}

/* The rule that matches what the endpoint of scratch->eim_mapping sends, by the link whose pool the mapping is of; its
 * index into scratch->rule. 0: no rule would make this mapping. */
inline_always struct rule *find_rule_of_eim_mapping(struct scratch *scratch, u32 slot, const struct packet *sent,
                                                    const struct path *path)
{
    struct rule *rule = find_rule(slot, sent, path);
    u32 i, at = scratch->best, first, pool = scratch->eim_mapping.pool;

    if (!rule || uses_pool(slot, rule, pool))
        return rule;
    rule = rules.lookup(&at);
    if (!rule || !rule->link_buckets)
        return 0;
    first = slot * MAX_LINK_BUCKETS + (rule->link_buckets - 1) * LINK_BUCKETS;
#pragma clang loop unroll(disable)
    for (i = 0; i < LINK_BUCKETS; i++) {
        u32 bucket = first + i, *chosen = link_buckets.lookup(&bucket);

        if (!chosen)
            return 0;
        at = *chosen;
        rule = rules.lookup(&at);
        if (rule && uses_pool(slot, rule, pool)) {
            scratch->rule = at;
            return rule;
        }
    }
    return 0;
}

/* Whether the packet may open a flow now. Leaves in scratch what open_flow needs: mapping, tuple and rule. */
inline_always int is_admitted(void *ctx, struct scratch *scratch, const struct control *state, const struct packet *p,
                              u32 now)
{
    const struct eim_mapping *eim_mapping = &scratch->eim_mapping;
    u32 slot = state->generation & 1;
    struct pool_address *address = find_pool_address(slot, p->destination);
    struct packet sent = *p;
    struct rule *rule;
    struct path path;

    scratch->epoch = state->epoch;
    if (!address || !copy_eim_mapping(scratch, p, now) || address->pool != eim_mapping->pool)
        return 0;
    key_of(p, &scratch->reply);
    sent.source = eim_mapping->inside;
    sent.source_port = eim_mapping->inside_port;
    sent.destination = p->source;
    sent.destination_port = p->source_port;
    sent.mark = eim_mapping->mark;
    find_hairpin_path(ctx, slot, eim_mapping->ifindex, &sent, &path);
    rule = find_rule_of_eim_mapping(scratch, slot, &sent, &path);
    if (!rule || rule->action != ACTION_TRANSLATE || !(rule->flags & RULE_ENDPOINT_INDEPENDENT))
        return 0;
    return rule->flags & RULE_FILTER_ENDPOINT_INDEPENDENT ||
           (rule->flags & RULE_FILTER_ADDRESS_DEPENDENT &&
            is_eim_peer(p->destination, p->destination_port, p->protocol, p->source));
}

#endif
