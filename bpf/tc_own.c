/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway's own packets at the egress of an outside interface: what its sockets send, its ICMP errors, and what
 * the stack has translated to one of its addresses. From a pool address they open own connections. */
#include "hash.h"
#include "icmp.h"
#include "own_connections.h"
#include "skb.h"

#define OWN_TRIES 8 /* random ports for a connection that has to move */
#define FIRST_OWN_PORT 1024
#define OWN_PORTS (65536 - FIRST_OWN_PORT)

/* Packets of the gateway belong to the stack. Its ICMP errors may quote an internal address. */
inline_always int translate_local_error(struct __sk_buff *skb, const struct packet *p, u32 now)
{
    u32 redirect;

    if (translate_error_outbound(skb, p, 1, now, &redirect) < 0)
        return drop_skb(DROP_LEAK_GUARD, p);
    return let_pass(skb);
}

/* Whether the packet is of a connection whose replies the gateway waits for. Not resets and handshakes of a listener,
 * which anyone outside could cause without end. */
inline_always int begins_own_connection(const struct packet *p)
{
    if (p->protocol == IPPROTO_ICMP)
        return !p->is_reply;
    if (p->protocol != IPPROTO_TCP)
        return 1;
    return !(p->tcp_flags & TCP_RST) && (p->tcp_flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK);
}

/* Notes the tuple of a reply for the socket's port. First noted, then the flows are searched: a flow is first added
 * and then searches here. Returns 0, with nothing noted, when a flow or another own connection has the tuple. */
inline_always int claim_own_tuple(const struct control *state, struct flow_key *reply, u16 port, u32 now)
{
    struct own_connection fresh = {.seen = now, .port = port};

    if (find_own_connection(state->generation & 1, reply, now))
        return 0;
    own_connections.update(reply, &fresh);
    if (is_free(state, reply, now))
        return 1;
    own_connections.delete(reply);
    return 0;
}

/* Looks for another port, and moves the connection there; 0 when none was found. */
inline_always u16 move_own_connection(struct __sk_buff *skb, const struct control *state, const struct packet *p,
                                      struct flow_key *reply, u32 now)
{
    struct own_connection moved = {.seen = now};
    struct flow_key sent;
    u32 i;

    for (i = 0; i < OWN_TRIES; i++) {
        reply->destination_port = bpf_htons(FIRST_OWN_PORT + scale(bpf_get_prandom_u32(), OWN_PORTS));
        if (!is_taken_by_socket(skb, reply) && claim_own_tuple(state, reply, p->source_port, now))
            break;
    }
    if (i == OWN_TRIES)
        return 0;
    moved.port = reply->destination_port;
    key_of(p, &sent);
    own_connections.update(&sent, &moved);
    return moved.port;
}

/* Takes the tuple from the flow that has it: nearly all others are in use as well. */
inline_always void take_tuple(const struct control *state, struct flow_key *reply, u16 port, u32 now)
{
    struct own_connection own = {.seen = now, .port = port};
    struct record *holder;
    u64 live = 0;

    own_connections.update(reply, &own);
    holder = find_record(state, SIDE_INBOUND, reply, &live);
    if (holder)
        end_flow(state, holder, live);
}

/* The port that the packet leaves from. */
inline_always u16 own_port(struct __sk_buff *skb, const struct control *state, const struct packet *p, u32 now)
{
    u32 slot = state->generation & 1;
    struct own_connection *own, *moved;
    struct flow_key reply, sent;
    u16 port;

    key_of_reply(p, p->source, p->source_port, &reply);
    own = find_own_connection(slot, &reply, now);
    if (own && own->port == p->source_port) {
        own->seen = now;
        return p->source_port;
    }
    key_of(p, &sent);
    moved = find_own_connection(slot, &sent, now);
    if (moved) {
        moved->seen = now;
        port = reply.destination_port = moved->port;
        own = own_connections.lookup(&reply);
        if (own)
            own->seen = now;
        return port;
    }
    if (!begins_own_connection(p) || claim_own_tuple(state, &reply, p->source_port, now))
        return p->source_port;
    port = move_own_connection(skb, state, p, &reply, now);
    if (port)
        return port;
    reply.destination_port = p->source_port;
    take_tuple(state, &reply, p->source_port, now);
    return p->source_port;
}

int tc_own(struct __sk_buff *skb)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct translation translation = {.is_source = 1};
    struct scratch *scratch = scratches.lookup(&zero);
    struct packet *p;

    if (!state || !scratch)
        return let_pass(skb);
    p = &scratch->packet;
    if (parse_skb(skb, p) != PARSED)
        return let_pass(skb);
    slot = state->generation & 1;
    if (p->kind == KIND_ICMP_ERROR && !skb->ingress_ifindex)
        return translate_local_error(skb, p, now);
    if (p->kind != KIND_FLOW || !is_local_address(slot, p->source) || !find_pool_address(slot, p->source))
        return let_pass(skb);
    translation.address = p->source;
    translation.port = own_port(skb, state, p, now);
    if (translation.port == p->source_port)
        return let_pass(skb);
    trace(p, TRACE_TRANSLATED, 0, translation.address, translation.port);
    return rewrite_skb_l4(skb, p, &translation) ? drop_skb(DROP_INTERNAL, p) : let_pass(skb);
}
