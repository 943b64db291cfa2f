/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections that the stack lets in from outside by itself, as port forwarding and load balancers do: what
 * answers them is the stack's too. Noted as they go out to the inside; the least recently seen make room. */
#ifndef SNATSH_FOREIGN_H
#define SNATSH_FOREIGN_H

#include "config.h"
#include "flows.h"
#include "parse.h"

SHARED_MAP("lru_hash", struct flow_key, u32, foreign);

inline_always void note_foreign(const struct packet *p, u32 now)
{
    struct flow_key key;

    key_of_reply(p, p->source, p->source_port, &key);
    key.source = p->destination;
    key.source_port = p->destination_port;
    if (!find_flow(&key))
        foreign.update(&key, &now);
}

/* An answer of the inside in such a connection. */
inline_always int is_foreign(u32 slot, const struct packet *p, u32 now)
{
    struct flow_key key;
    u32 *seen;

    if (p->kind != KIND_FLOW)
        return 0;
    key_of(p, &key);
    seen = foreign.lookup(&key);
    return seen && !is_past(now, *seen + timeout_ticks(slot, p->protocol, STATE_ESTABLISHED));
}

/* Whether the address is the box's own: a source that came in by the inside is none of these, unless the stack
 * has put it there. The routing table can't be asked: it calls broadcast addresses local too. */
inline_always int is_own_address(u32 slot, u32 address)
{
    struct own_key key = {.slot = slot, .address = address};

    return own_addresses.lookup(&key) != 0;
}

#endif
