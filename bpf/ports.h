/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Port claim: the tuple of the reply first, and only then that of the flow. The source port is
 * kept where it is free and in the pool's range; else an unpredictable one is taken. Work is bounded:
 * so many tries for a packet, on so many addresses. */
#ifndef SNATSH_PORTS_H
#define SNATSH_PORTS_H

#include "checksum.h"
#include "flows.h"
#include "table.h"

#define CLAIM_TRIES 8  /* in one run of the claiming program, for the verifier's sake; … */
#define ENDPOINT_TRIES 4 /* the same for an endpoint-independent mapping */
#define CLAIM_ROUNDS 16 /* … which calls itself again so many times; the kernel allows 33 calls in all */
#define ADDRESS_TRIES 17 /* one of them may come twice */

enum claim { CLAIMED, CLAIM_BUSY, CLAIM_FULL, CLAIM_AGAIN };

/* Translates the record's flow to where `reply` goes. */
inline_always void aim(struct record *record, const struct flow_key *reply)
{
    u32 inside = record->key.source, mapped = reply->destination;
    u16 inside_port = record->key.source_port, mapped_port = reply->destination_port;
    u32 address = delta_of_address(inside, mapped), back = delta_of_address(mapped, inside);

    record->reply = *reply;
    record->flow.mapped = mapped;
    record->flow.mapped_port = mapped_port;
    record->flow.ip_delta = fold(address + TTL_DELTA);
    record->flow.l4_delta = fold(address + delta_of_port(inside_port, mapped_port));
    record->mapping.ip_delta = fold(back + TTL_DELTA);
    record->mapping.l4_delta = fold(back + delta_of_port(mapped_port, inside_port));
}

/* Whether nobody has the mapped address and port of `reply`, or only a flow that has expired. */
inline_always int is_free(const struct control *state, const struct flow_key *reply, u32 now)
{
    struct record *holder = find_record(state, SIDE_REPLY, reply);

    return !holder || is_past(now, holder->flow.expires);
}

/* Gives the mapped address and port of `reply` to the record, which is not in the table yet but complete. */
inline_always u32 claim(const struct control *state, struct record *record, const struct flow_key *reply, u32 now)
{
    struct record *holder;
    u32 outcome, i;
    u64 live;

    aim(record, reply);
    for (i = 0; i < 2; i++) {
        outcome = add_tuple(state, SIDE_REPLY, &record->reply, number_of(record), &holder);
        if (outcome == ADDED)
            return CLAIMED;
        if (outcome == NO_ROOM || !holder)
            break;
        live = live_of(holder);
        if (!is_past(now, holder->flow.expires))
            break;
        end_flow(state, holder, live);
    }
    return CLAIM_BUSY;
}

/* Whether a socket of this box would get the replies: a listener's port is never handed out, nor the tuple of
 * a connection. Asked for pools that hold an address of the box. */
inline_always int is_taken_by_socket(void *ctx, const struct flow_key *reply)
{
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock *socket = 0;

    tuple.ipv4.saddr = reply->source;
    tuple.ipv4.daddr = reply->destination;
    tuple.ipv4.sport = reply->source_port;
    tuple.ipv4.dport = reply->destination_port;
    if (reply->protocol == IPPROTO_TCP)
        socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    else if (reply->protocol == IPPROTO_UDP)
        socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!socket)
        return 0;
    bpf_sk_release(socket);
    return 1;
}

#endif
