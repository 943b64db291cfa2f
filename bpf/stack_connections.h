/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections that the stack forwards without translation of ours. Those it admits from outside, by port forwarding
 * or a load balancer, are recorded as they leave towards the inside: their replies belong to the stack. Exempt ones
 * from inside are recorded as they leave, by the tuple of a reply: their replies are let in. The least recently used
 * are replaced. */
#ifndef SNATSH_STACK_CONNECTIONS_H
#define SNATSH_STACK_CONNECTIONS_H

#include "config.h"
#include "flows.h"
#include "parse.h"

SHARED_MAP("lru_hash", struct flow_key, u32, stack_connections);
SHARED_MAP("lru_hash", struct flow_key, u32, exempt_connections);

/* Whether a connection with this tick of its last packet may still be in use. */
inline_always int is_recent(u32 slot, u8 protocol, u32 seen, u32 now)
{
    return !is_past(now, seen + timeout_ticks(slot, protocol, STATE_ESTABLISHED));
}

inline_always void note_stack_connection(const struct packet *p, u32 now)
{
    struct flow_key key;
    struct record *record;

    key_of_reply(p, p->source, p->source_port, &key);
    key.source = p->destination;
    key.source_port = p->destination_port;
    record = find_flow(&key, 0);
    if (!record || is_past(now, record->outbound.expires))
        stack_connections.update(&key, &now);
}

/* Whether the packet from inside is a reply in such a connection. */
inline_always int is_stack_connection(u32 slot, const struct packet *p, u32 now)
{
    struct flow_key key;
    u32 *seen;

    if (p->kind != KIND_FLOW)
        return 0;
    key_of(p, &key);
    seen = stack_connections.lookup(&key);
    return seen && is_recent(slot, p->protocol, *seen, now);
}

/* Protocols without ports have ports of 0. */
inline_always void note_exempt_connection(const struct packet *p, u32 now)
{
    struct flow_key reply;
    u32 *seen;

    if (p->kind != KIND_FLOW && p->kind != KIND_OTHER)
        return;
    key_of_reply(p, p->source, p->source_port, &reply);
    seen = exempt_connections.lookup(&reply);
    if (!seen)
        exempt_connections.update(&reply, &now);
    else if (now - *seen >= TOUCH_TICKS)
        *seen = now;
}

inline_always int is_exempt_reply(u32 slot, const struct flow_key *reply, u32 now)
{
    u32 *seen = exempt_connections.lookup((struct flow_key *)reply);

    return seen && is_recent(slot, reply->protocol, *seen, now);
}

/* Whether the address is local to the gateway. A source that came in by the inside is not, unless the stack put
 * it there. The routing table is no help: broadcast addresses are local to it too. */
inline_always int is_local_address(u32 slot, u32 address)
{
    struct local_address_key key = {.slot = slot, .address = address};

    return local_addresses.lookup(&key) != 0;
}

#endif
