/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Port claim: the reply tuple first, and only then the tuple of the flow. The source port is preserved where it is
 * free and in the range of the pool; otherwise an unpredictable one is used. Work is bounded: a fixed number of
 * tries for a packet, on a fixed number of addresses. */
#ifndef SNATSH_PORTS_H
#define SNATSH_PORTS_H

#include "checksum.h"
#include "flows.h"
#include "table.h"

#define CLAIM_TRIES 8  /* in one run of the claiming program, because of the verifier's limit; … */
#define ENDPOINT_TRIES 4 /* the same for an endpoint-independent mapping */
#define CLAIM_ROUNDS 16 /* … which tail-calls itself so many times; the kernel allows 33 tail calls */
#define ADDRESS_TRIES 17 /* one may be tried twice */

/* Sets the translation of the record's flow to the destination of `reply`. */
inline_always void set_translation(struct record *record, const struct flow_key *reply)
{
    u32 inside = record->key.source, mapped = reply->destination;
    u16 inside_port = record->key.source_port, mapped_port = reply->destination_port;
    u32 address = delta_of_address(inside, mapped), back = delta_of_address(mapped, inside);

    record->outbound.mapped = mapped;
    record->outbound.mapped_port = mapped_port;
    record->outbound.ip_delta = fold(address + TTL_DELTA);
    record->outbound.l4_delta = fold(address + delta_of_port(inside_port, mapped_port));
    record->inbound.ip_delta = fold(back + TTL_DELTA);
    record->inbound.l4_delta = fold(back + delta_of_port(mapped_port, inside_port));
    in_order();
    record->reply = *reply;
}

/* Whether no flow, or only an expired one, has the external address and port of `reply`. */
inline_always int is_free(const struct control *state, const struct flow_key *reply, u32 now)
{
    struct record *holder = find_record(state, SIDE_INBOUND, reply, 0);

    return !holder || is_past(now, holder->outbound.expires);
}

/* Claims the external address and port of `reply` for the record, which is complete but not in the table yet. */
inline_always u32 claim(const struct control *state, struct record *record, u32 number, const struct flow_key *reply,
                        u32 now)
{
    struct record *holder;
    u32 outcome, i;
    u64 live;

    set_translation(record, reply);
    for (i = 0; i < 2; i++) {
        outcome = add_tuple(state, SIDE_INBOUND, &record->reply, number, &holder);
        if (outcome == ADDED)
            return CLAIMED;
        if (outcome == INDEX_FULL || !holder)
            break;
        live = live_of(holder);
        if (!is_past(now, holder->outbound.expires))
            break;
        end_flow(state, holder, live);
    }
    return CLAIM_BUSY;
}

inline_always void socket_tuple_of(const struct flow_key *reply, struct bpf_sock_tuple *tuple)
{
    tuple->ipv4.saddr = reply->source;
    tuple->ipv4.daddr = reply->destination;
    tuple->ipv4.sport = reply->source_port;
    tuple->ipv4.dport = reply->destination_port;
}

/* Whether a socket of the gateway would receive the replies. One bound to another interface than this is not seen. */
inline_always int is_taken_by_socket(void *ctx, const struct flow_key *reply)
{
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock *socket = 0;

    socket_tuple_of(reply, &tuple);
    if (reply->protocol == IPPROTO_TCP)
        socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    else if (reply->protocol == IPPROTO_UDP)
        socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!socket)
        return 0;
    bpf_sk_release(socket);
    return 1;
}

/* Whether a socket that is bound to this interface would. */
inline_always int is_taken_by_bound_socket(void *ctx, const struct flow_key *reply)
{
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock *socket = 0;
    u32 interface;

    socket_tuple_of(reply, &tuple);
    if (reply->protocol == IPPROTO_TCP)
        socket = bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    else if (reply->protocol == IPPROTO_UDP)
        socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!socket)
        return 0;
    interface = socket->bound_dev_if;
    bpf_sk_release(socket);
    return interface != 0;
}

#endif
