/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections that the stack admits from outside, by port forwarding or a load balancer: their replies belong to
 * the stack. Recorded as they leave towards the inside; the least recently used are replaced. */
#ifndef SNATSH_STACK_CONNECTIONS_H
#define SNATSH_STACK_CONNECTIONS_H

#include "config.h"
#include "flows.h"
#include "parse.h"

SHARED_MAP("lru_hash", struct flow_key, u32, stack_connections);

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
    return seen && !is_past(now, *seen + timeout_ticks(slot, p->protocol, STATE_ESTABLISHED));
}

/* Whether the address is local to the gateway. A source that came in by the inside is not, unless the stack put
 * it there. The routing table is no help: broadcast addresses are local to it too. */
inline_always int is_local_address(u32 slot, u32 address)
{
    struct local_address_key key = {.slot = slot, .address = address};

    return local_addresses.lookup(&key) != 0;
}

#endif
