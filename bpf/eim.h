/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint-independent mapping (EIM) and filtering (RFC 4787, REQ-1 and REQ-8). The mapping reserves an external
 * address and port for all destinations, by an insert with BPF_NOEXIST; its flows then claim their tuples. A pool
 * serves either endpoint-independent rules or others, never both, so no other flow competes for the port.
 *
 * A mapping counts the flows that hold it, and ends with the last one, for whatever reason it ends. The kernel may give
 * the memory of an entry to another one while it is used, so a count can be off by a race: `expires` ends the mapping
 * in that case. */
#ifndef SNATSH_EIM_H
#define SNATSH_EIM_H

#include "allocator.h"
#include "config.h"

/* Ticks. A flow holds no mapping that is younger by more: CPUs that open flows at the same time differ by less, and
 * mappings of one port that follow each other without the flows' end by a timeout at least. */
#define HOLD_SLACK (TICKS_PER_SECOND / 2)

enum claim { CLAIMED, CLAIM_BUSY, CLAIM_FULL, CLAIM_AGAIN };

SHARED_MAP("hash", struct endpoint_key, struct eim_mapping_key, endpoints);
SHARED_MAP("hash", struct eim_mapping_key, struct eim_mapping, eim_mappings);
SHARED_MAP("hash", struct eim_peer_key, u64, eim_peers);
SHARED_MAP("lru_hash", struct eim_mapping_key, struct released_port, released_ports);

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

/* Extends the mapping that a flow holds. */
inline_always void extend_eim_mapping(u32 mapped, u16 port, u8 protocol, u32 expires)
{
    struct eim_mapping_key key;
    struct eim_mapping *eim_mapping;

    eim_mapping_key_of(mapped, port, protocol, &key);
    eim_mapping = eim_mappings.lookup(&key);
    if (eim_mapping && is_past(expires, eim_mapping->expires))
        eim_mapping->expires = expires;
}

/* Who had the port is kept for others to respect (RFC 6888, REQ-8): a stranger could go on sending to it. The state of
 * TCP is tracked, and no stranger is admitted to ICMP. */
inline_always void note_released_port(struct eim_mapping_key *key, const struct endpoint_key *endpoint)
{
    struct released_port released = {.inside = endpoint->inside, .inside_port = endpoint->inside_port, .at = now_ticks()};

    if (key->protocol == IPPROTO_UDP)
        released_ports.update(key, &released);
}

/* Whether the port was another endpoint's a short time ago. */
inline_always int is_held_back(struct eim_mapping_key *key, u32 slot, const struct eim_mapping *fresh, u32 now)
{
    struct settings *known = settings.lookup(&slot);
    struct released_port *released;

    if (!known || !known->port_hold || key->protocol != IPPROTO_UDP)
        return 0;
    released = released_ports.lookup(key);
    return released && !is_past(now, released->at + known->port_hold) &&
           (released->inside != fresh->inside || released->inside_port != fresh->inside_port);
}

/* Ends the mapping if `flows` hold it. Of several CPUs one does, and removes what is found under the key. */
inline_always int end_eim_mapping(struct eim_mapping_key *key, struct eim_mapping *eim_mapping, u64 flows)
{
    struct allocator_key hint = {.mapped = key->mapped, .protocol = key->protocol};
    struct eim_mapping_key *current;
    struct endpoint_key endpoint;

    endpoint_key_of(eim_mapping, key->protocol, &endpoint);
    if (flows & EIM_ENDED || __sync_val_compare_and_swap(&eim_mapping->flows, flows, EIM_ENDED) != flows)
        return 0;
    current = endpoints.lookup(&endpoint);
    if (current && current->mapped == key->mapped && current->mapped_port == key->mapped_port)
        endpoints.delete(&endpoint); /* else the endpoint has moved to another mapping */
    note_released_port(key, &endpoint);
    eim_mappings.delete(key);
    free_port(&hint, key->mapped_port);
    return 1;
}

/* Holds the mapping for one more flow. Returns 0 when it ends at this moment. */
inline_always int hold_eim_mapping(struct eim_mapping_key *key, struct eim_mapping *eim_mapping)
{
    return !(__sync_fetch_and_add(&eim_mapping->flows, 1) & EIM_ENDED) && eim_mappings.lookup(key) == eim_mapping;
}

/* A flow that was opened at `created` no longer holds its mapping; with the last one it ends. */
inline_always void release_eim_mapping(struct eim_mapping_key *key, u32 created)
{
    struct eim_mapping *eim_mapping = eim_mappings.lookup(key);

    if (!eim_mapping || !is_past(created + HOLD_SLACK, eim_mapping->created))
        return; /* ended with all its flows, because the time of all was over, and has a successor */
    if (__sync_fetch_and_add(&eim_mapping->flows, -1) == 1)
        end_eim_mapping(key, eim_mapping, 0);
}

inline_always void eim_peer_key_of(u32 mapped, u16 port, u8 protocol, u32 remote, struct eim_peer_key *key)
{
    key->mapped = mapped;
    key->remote = remote;
    key->mapped_port = port;
    key->protocol = protocol;
    key->pad = 0;
}

/* Counts a flow of the peer; returns 0 when that fails: its address is not admitted then. */
inline_always int hold_eim_peer(struct eim_peer_key *key)
{
    u64 one = 1, *flows;

    if (!eim_peers.insert(key, &one))
        return 1;
    flows = eim_peers.lookup(key);
    return flows && !(__sync_fetch_and_add(flows, 1) & EIM_ENDED);
}

inline_always void release_eim_peer(struct eim_peer_key *key)
{
    u64 *flows = eim_peers.lookup(key);

    if (flows && __sync_fetch_and_add(flows, -1) == 1 && __sync_val_compare_and_swap(flows, 0, EIM_ENDED) == 0)
        eim_peers.delete(key);
}

inline_always int is_eim_peer(u32 mapped, u16 port, u8 protocol, u32 remote)
{
    struct eim_peer_key key;

    eim_peer_key_of(mapped, port, protocol, remote, &key);
    return eim_peers.lookup(&key) != 0;
}

/* The mapping of this external address and port if it is in use; else 0. */
inline_always struct eim_mapping *find_eim_mapping(struct eim_mapping_key *key, u32 now)
{
    struct eim_mapping *eim_mapping = eim_mappings.lookup(key);

    return eim_mapping && !(eim_mapping->flows & EIM_ENDED) && !is_past(now, eim_mapping->expires) ? eim_mapping : 0;
}

/* The mapping that the packet is addressed to, and its key. */
inline_always struct eim_mapping *find_eim_mapping_to(const struct packet *p, struct eim_mapping_key *key, u32 now)
{
    eim_mapping_key_of(p->destination, p->destination_port, p->protocol, key);
    return find_eim_mapping(key, now);
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
    if (held && !end_eim_mapping(key, held, held->flows))
        return CLAIM_BUSY;
    return !eim_mappings.insert(key, fresh) ? CLAIMED : CLAIM_BUSY;
}

/* Holds the mapping that the internal endpoint already has, into scratch->reply; 0 when there is no usable one. */
inline_always int hold_known_eim_mapping(struct scratch *scratch, u32 slot, const struct endpoint_key *endpoint, u32 now)
{
    struct eim_mapping_key *known = endpoints.lookup((struct endpoint_key *)endpoint), key;
    struct pool_address *address;
    struct eim_mapping *eim_mapping;

    if (!known)
        return 0;
    key = *known;
    eim_mapping = find_eim_mapping(&key, now);
    if (!eim_mapping || eim_mapping->inside != endpoint->inside || eim_mapping->inside_port != endpoint->inside_port)
        return 0;
    address = find_pool_address(slot, key.mapped);
    if (!address || address->pool != endpoint->pool || !hold_eim_mapping(&key, eim_mapping))
        return 0;
    scratch->reply.destination = key.mapped;
    scratch->reply.destination_port = key.mapped_port;
    return 1;
}

#endif
