/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint-independent mapping and filtering (RFC 4787, REQ-1 and REQ-8). The exterior, a mapped address
 * and port, is claimed with BPF_NOEXIST as a whole; the flows behind it then take their tuples. A pool
 * serves either endpoint-independent rules or others, never both, so no mapping crosses an exterior. */
#ifndef SNATSH_ENDPOINTS_H
#define SNATSH_ENDPOINTS_H

#include "allocator.h"
#include "config.h"

SHARED_MAP("hash", struct endpoint_key, struct exterior_key, endpoints);
SHARED_MAP("hash", struct exterior_key, struct exterior, exteriors);

inline_always void exterior_key_of(u32 mapped, u16 port, u8 protocol, struct exterior_key *key)
{
    key->mapped = mapped;
    key->mapped_port = port;
    key->protocol = protocol;
    key->pad = 0;
}

inline_always void endpoint_key_of(const struct exterior *exterior, u8 protocol, struct endpoint_key *key)
{
    key->inside = exterior->inside;
    key->pool = exterior->pool;
    key->inside_port = exterior->inside_port;
    key->protocol = protocol;
    key->pad = 0;
}

/* A flow lives on: so does the exterior it uses. */
inline_always void keep_exterior(u32 mapped, u16 port, u8 protocol, u32 expires)
{
    struct exterior_key key;
    struct exterior *exterior;

    exterior_key_of(mapped, port, protocol, &key);
    exterior = exteriors.lookup(&key);
    if (exterior && is_past(expires, exterior->expires))
        exterior->expires = expires;
}

inline_always void end_exterior(struct exterior_key *key, const struct exterior *exterior)
{
    struct allocator_key hint = {.mapped = key->mapped, .protocol = key->protocol};
    struct endpoint_key endpoint;

    endpoint_key_of(exterior, key->protocol, &endpoint);
    if (exteriors.delete(key))
        return;
    endpoints.delete(&endpoint);
    give_back_port(&hint, key->mapped_port);
}

/* 1 when the exterior is ours now. */
inline_always int claim_exterior(struct exterior_key *key, struct exterior *fresh, u32 now)
{
    int outcome = exteriors.insert(key, fresh);
    struct exterior *held;

    if (outcome != -17) /* EEXIST */
        return !outcome;
    held = exteriors.lookup(key);
    if (held && !is_past(now, held->expires))
        return 0;
    if (held)
        end_exterior(key, held);
    return !exteriors.insert(key, fresh);
}

/* The exterior this inside endpoint has already, into scratch->reply; 0 when it has none that serves. */
inline_always int find_exterior(struct scratch *scratch, u32 slot, const struct endpoint_key *endpoint, u32 now)
{
    struct exterior_key *known = endpoints.lookup((struct endpoint_key *)endpoint), key;
    struct pool_address *address;
    struct exterior *exterior;

    if (!known)
        return 0;
    key = *known;
    exterior = exteriors.lookup(&key);
    if (!exterior || exterior->inside != endpoint->inside || exterior->inside_port != endpoint->inside_port ||
        is_past(now, exterior->expires))
        return 0;
    address = find_pool_address(slot, key.mapped);
    if (!address || address->pool != endpoint->pool)
        return 0;
    scratch->reply.destination = key.mapped;
    scratch->reply.destination_port = key.mapped_port;
    return 1;
}

#endif
