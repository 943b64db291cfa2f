/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State of a flow outside the table: timeouts, gauges, TCP states, and its end. */
#ifndef SNATSH_FLOWS_H
#define SNATSH_FLOWS_H

#include "allocator.h"
#include "eim.h"
#include "parse.h"
#include "table.h"

SHARED_MAP("hash", u32, struct address_usage, address_usage);
SHARED_MAP("hash", u32, struct subscriber, subscribers);

/* The record of the packet's flow. The words of its key are made in registers: to load one from memory where its parts
 * were just stored takes longer than the rest of the hash. */
inline_always struct record *find_flow_of(const struct control *state, u32 side, const struct packet *p, u64 *live)
{
    u64 addresses = p->source | (u64)p->destination << 32;
    u64 ports = p->source_port | (u32)p->destination_port << 16 | (u64)p->protocol << 32;
    struct index_key index_key;

    make_index_key(state, side, addresses, ports, &index_key);
    return find_by_index_key(&index_key, NO_RECORD, live);
}

inline_always u32 timeout_ticks(u32 slot, u8 protocol, u8 state)
{
    struct settings *limits = settings.lookup(&slot);
    u32 which = state & 3;

    if (protocol == IPPROTO_UDP)
        which = state == STATE_UNREPLIED ? TIMEOUT_UDP_UNREPLIED : TIMEOUT_UDP_REPLIED;
    else if (protocol == IPPROTO_ICMP)
        which = TIMEOUT_ICMP;
    return limits ? limits->timeouts[which & (TIMEOUT_COUNT - 1)] : TICKS_PER_SECOND * 30;
}

/* Gauges follow the record: the CPU that adds it increments them, the one that removes it decrements them. */
inline_always void add_active(struct address_usage *usage, u8 protocol, u32 translation)
{
    if (protocol == IPPROTO_TCP)
        lock_xadd(&usage->tcp, translation);
    else if (protocol == IPPROTO_UDP)
        lock_xadd(&usage->udp, translation);
    else
        lock_xadd(&usage->icmp, translation);
}

/* Ends a flow and settles its gauges, if the record still is what it was at `live`. Returns 1 for the one CPU that did. */
inline_always int end_flow(const struct control *state, struct record *record, u64 live)
{
    u32 mapped = record->reply.destination, inside = record->key.source;
    struct eim_mapping_key eim_mapping;
    struct eim_peer_key peer;
    struct address_usage *usage;
    struct subscriber *subscriber;

    if (!remove_record(state, record, live))
        return 0;
    free_port_of(&record->reply);
    if (record->outbound.seen & SEEN_EIM) {
        eim_mapping_key_of(mapped, record->reply.destination_port, record->reply.protocol, &eim_mapping);
        release_eim_mapping(&eim_mapping, record->inbound.created);
    }
    if (record->outbound.seen & SEEN_PEER) {
        eim_peer_key_of(mapped, record->reply.destination_port, record->reply.protocol, record->reply.source, &peer);
        release_eim_peer(&peer);
    }
    usage = address_usage.lookup(&mapped);
    if (usage)
        add_active(usage, record->reply.protocol, -1);
    subscriber = subscribers.lookup(&inside);
    if (subscriber) {
        lock_xadd(&subscriber->sessions, -1);
        if (!(record->outbound.seen & SEEN_REPLY))
            lock_xadd(&subscriber->half_open, -1);
    }
    free_record((u32)live & NUMBER_MASK);
    return 1;
}

inline_always void add_half_open(u32 inside, u32 translation)
{
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (subscriber)
        lock_xadd(&subscriber->half_open, translation);
}

inline_always void set_state(struct outbound *outbound, u32 slot, u8 protocol, u8 state, u32 now)
{
    outbound->state = state;
    outbound->expires = now + timeout_ticks(slot, protocol, state);
    outbound->touched = now;
    if (outbound->seen & SEEN_EIM)
        extend_eim_mapping(outbound->mapped, outbound->mapped_port, protocol, outbound->expires);
}

/* The state after a packet from outside. It does not prolong the flow (RFC 4787, REQ-6), unless so configured; a reply
 * gives it the timeout of a flow with replies, from the last packet of the subscriber on. */
inline_always void set_state_inbound(struct outbound *outbound, u32 slot, u8 protocol, u8 state, u32 now)
{
    struct settings *limits = settings.lookup(&slot);
    u32 timeout = timeout_ticks(slot, protocol, state), expires = now + timeout;

    if (!limits || !limits->refresh_inbound) {
        if (outbound->state == STATE_UNREPLIED && state == STATE_ESTABLISHED)
            expires = outbound->expires - timeout_ticks(slot, protocol, STATE_UNREPLIED) + timeout;
        else if (is_past(expires, outbound->expires))
            expires = outbound->expires;
    }
    outbound->state = state;
    outbound->expires = expires;
    if (outbound->seen & SEEN_EIM)
        extend_eim_mapping(outbound->mapped, outbound->mapped_port, protocol, expires);
}

/* Opened by a packet from outside, to which the subscriber has not replied. Such a flow ends with the mapping, and is
 * judged again by new rules. */
inline_always int is_unasked(const struct outbound *outbound)
{
    return (outbound->seen & (SEEN_FROM_OUTSIDE | SEEN_REPLY)) == SEEN_FROM_OUTSIDE;
}

/* TCP after RFC 5382 and 7857: an RST shortens to transitory, never to nothing; both FINs mean
 * time-wait; a SYN on a closed flow reopens it. */
inline_always u8 next_tcp_state(struct outbound *outbound, u8 tcp_flags, u8 fin, int is_outbound)
{
    int from_outside = !!(outbound->seen & SEEN_FROM_OUTSIDE);

    if (is_outbound && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && outbound->state >= STATE_TRANSITORY) {
        outbound->seen &= SEEN_EIM | SEEN_PEER;
        return STATE_UNREPLIED;
    }
    if (tcp_flags & TCP_RST)
        outbound->seen |= SEEN_RST;
    if (tcp_flags & TCP_FIN)
        outbound->seen |= fin;
    if ((outbound->seen & (SEEN_FIN_OUT | SEEN_FIN_IN)) == (SEEN_FIN_OUT | SEEN_FIN_IN))
        return STATE_TIME_WAIT;
    if (outbound->seen & (SEEN_FIN_OUT | SEEN_FIN_IN | SEEN_RST))
        return STATE_TRANSITORY;
    if (outbound->state == STATE_UNREPLIED && outbound->seen & SEEN_REPLY && is_outbound == !from_outside)
        return STATE_ESTABLISHED; /* the third packet of the handshake */
    return outbound->state;
}

inline_always void touch_outbound(struct outbound *outbound, u32 slot, const struct packet *p, u32 now)
{
    u8 state = outbound->seen & SEEN_REPLY ? STATE_ESTABLISHED : outbound->state;

    if (p->protocol == IPPROTO_TCP)
        state = next_tcp_state(outbound, p->tcp_flags, SEEN_FIN_OUT, 1);
    set_state(outbound, slot, p->protocol, state, now);
}

inline_always void touch_inbound(struct outbound *outbound, u32 slot, const struct packet *p, u32 now)
{
    u8 first = !(outbound->seen & (SEEN_REPLY | SEEN_FROM_OUTSIDE));
    u8 state;

    if (first)
        outbound->seen |= SEEN_REPLY;
    state = outbound->seen & SEEN_REPLY ? STATE_ESTABLISHED : outbound->state;
    if (p->protocol == IPPROTO_TCP)
        state = next_tcp_state(outbound, p->tcp_flags, SEEN_FIN_IN, 0);
    set_state_inbound(outbound, slot, p->protocol, state, now);
    if (first) /* so that the next outbound packet refreshes and sees the reply */
        outbound->touched = now - TOUCH_TICKS;
}

inline_always int is_settled(u32 touched, u32 epoch, u32 now, u32 current_epoch, u8 tcp_flags)
{
    return now - touched < TOUCH_TICKS && epoch == current_epoch && !(tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

#endif
