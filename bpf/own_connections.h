/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Own connections: those of the gateway itself from a pool address, by whatever kind of socket. They are noted at
 * the egress of the outside interface, and no flow may take a tuple that one has. A connection that begins after a
 * flow has taken its tuple is moved to another port, as netfilter does (tc_own.c).
 *
 * An entry is found by the tuple of a reply as it arrives; `port` is that of the socket. A moved connection is also
 * found by the tuple of the socket; `port` is then the one it was moved to. */
#ifndef SNATSH_OWN_CONNECTIONS_H
#define SNATSH_OWN_CONNECTIONS_H

#include "ports.h"
#include "stack_connections.h"

SHARED_MAP("lru_hash", struct flow_key, struct own_connection, own_connections);

/* The entry with this tuple; 0 when there is none, or only one that was idle for too long. */
inline_always struct own_connection *find_own_connection(u32 slot, const struct flow_key *key, u32 now)
{
    struct own_connection *own = own_connections.lookup((struct flow_key *)key);

    return own && is_recent(slot, key->protocol, own->seen, now) ? own : 0;
}

/* Whether the gateway receives the replies: by a connection noted, or by a socket that is bound. The port of a
 * listener and the tuple of a connection are never allocated. Checked for pools with an address of the gateway,
 * after the tuple was claimed: of a claim and an own connection at the same time, one sees the other. */
inline_always int is_taken_by_gateway(void *ctx, u32 slot, const struct flow_key *reply, u32 now)
{
    return find_own_connection(slot, reply, now) || is_taken_by_socket(ctx, reply);
}

/* Whether the first reply of a flow is for a socket that is bound to the outside interface. A lookup at the inside
 * does not see such a socket; one here does. Not if the socket's connection was moved out of the flow's way. Asked of
 * flows that are not settled alone, which is so before the first reply. */
inline_always int is_for_bound_socket(void *ctx, u32 slot, const struct record *record, const struct packet *p, u32 now)
{
    struct flow_key reply, sent;

    if (record->outbound.seen & SEEN_REPLY || !is_local_address(slot, p->destination))
        return 0;
    key_of(p, &reply);
    key_of_reply(p, p->source, p->source_port, &sent); /* as the socket sends: the reply turned around */
    return is_taken_by_bound_socket(ctx, &reply) && !find_own_connection(slot, &sent, now);
}

#endif
