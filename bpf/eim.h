/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint-independent mapping (EIM) and filtering (RFC 4787, REQ-1 and REQ-8). The mapping reserves an external
 * address and port for all destinations, by an insert with BPF_NOEXIST; its flows then claim their tuples. A pool
 * serves either endpoint-independent rules or others, never both, so no other flow competes for the port. */
#ifndef SNATSH_EIM_H
#define SNATSH_EIM_H

#include "allocator.h"
#include "config.h"

enum claim { CLAIMED, CLAIM_BUSY, CLAIM_FULL, CLAIM_AGAIN };

SHARED_MAP("hash", struct endpoint_key, struct eim_mapping_key, endpoints);
SHARED_MAP("hash", struct eim_mapping_key, struct eim_mapping, eim_mappings);

inline_always void eim_mapping_key_of(u32 mapped, u16 port, u8 protocol, struct eim_mapping_key *key)
{
    key->mapped = mapped;
    key->mapped_port = port;
    key->protocol = protocol;
    key->pad = 0;
}

inline_always void endpoint_key_of(const struct eim_mapping *eim_mapping, u8 protocol, struct endpoint_key *key)
{
    key->inside = eim_mapping->inside;
    key->pool = eim_mapping->pool;
    key->inside_port = eim_mapping->inside_port;
    key->protocol = protocol;
    key->pad = 0;
}

/* Extends the mapping that a flow uses. */
inline_always void extend_eim_mapping(u32 mapped, u16 port, u8 protocol, u32 expires)
{
    struct eim_mapping_key key;
    struct eim_mapping *eim_mapping;

    eim_mapping_key_of(mapped, port, protocol, &key);
    eim_mapping = eim_mappings.lookup(&key);
    if (eim_mapping && is_past(expires, eim_mapping->expires))
        eim_mapping->expires = expires;
}

inline_always void end_eim_mapping(struct eim_mapping_key *key, const struct eim_mapping *eim_mapping)
{
    struct allocator_key hint = {.mapped = key->mapped, .protocol = key->protocol};
    struct eim_mapping_key *current;
    struct endpoint_key endpoint;

    endpoint_key_of(eim_mapping, key->protocol, &endpoint);
    if (eim_mappings.delete(key))
        return;
    current = endpoints.lookup(&endpoint);
    if (current && current->mapped == key->mapped && current->mapped_port == key->mapped_port)
        endpoints.delete(&endpoint); /* else the endpoint has moved to another mapping */
    free_port(&hint, key->mapped_port);
}

/* CLAIM_FULL: there is no room for another mapping. */
inline_always u32 claim_eim_mapping(struct eim_mapping_key *key, struct eim_mapping *fresh, u32 now)
{
    int outcome = eim_mappings.insert(key, fresh);
    struct eim_mapping *held;

    if (outcome != -17) /* EEXIST */
        return !outcome ? CLAIMED : CLAIM_FULL;
    held = eim_mappings.lookup(key);
    if (held && !is_past(now, held->expires))
        return CLAIM_BUSY;
    if (held)
        end_eim_mapping(key, held);
    return !eim_mappings.insert(key, fresh) ? CLAIMED : CLAIM_BUSY;
}

/* The mapping that the internal endpoint already has, into scratch->reply; 0 when there is no usable one. */
inline_always int find_eim_mapping(struct scratch *scratch, u32 slot, const struct endpoint_key *endpoint, u32 now)
{
    struct eim_mapping_key *known = endpoints.lookup((struct endpoint_key *)endpoint), key;
    struct pool_address *address;
    struct eim_mapping *eim_mapping;

    if (!known)
        return 0;
    key = *known;
    eim_mapping = eim_mappings.lookup(&key);
    if (!eim_mapping || eim_mapping->inside != endpoint->inside || eim_mapping->inside_port != endpoint->inside_port ||
        is_past(now, eim_mapping->expires))
        return 0;
    address = find_pool_address(slot, key.mapped);
    if (!address || address->pool != endpoint->pool)
        return 0;
    scratch->reply.destination = key.mapped;
    scratch->reply.destination_port = key.mapped_port;
    return 1;
}

#endif
