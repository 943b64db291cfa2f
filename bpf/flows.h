/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a flow is beside its place in the table: timeouts, gauges, TCP states, its end. */
#ifndef SNATSH_FLOWS_H
#define SNATSH_FLOWS_H

#include "allocator.h"
#include "endpoints.h"
#include "parse.h"
#include "table.h"

SHARED_MAP("hash", u32, struct address_usage, address_usage);
SHARED_MAP("hash", u32, struct subscriber, subscribers);

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

/* Gauges belong to the record: whoever puts it into the table adds, whoever takes it out takes away. */
inline_always void add_active(struct address_usage *usage, u8 protocol, u32 change)
{
    if (protocol == IPPROTO_TCP)
        lock_xadd(&usage->tcp, change);
    else if (protocol == IPPROTO_UDP)
        lock_xadd(&usage->udp, change);
    else
        lock_xadd(&usage->icmp, change);
}

/* Ends a flow and settles its gauges, if the record still is what it was at `live`. Returns 1 for the one CPU that did. */
inline_always int end_flow(const struct control *state, struct record *record, u64 live)
{
    u32 mapped = record->reply.destination, inside = record->key.source;
    struct address_usage *usage;
    struct subscriber *subscriber;

    if (!remove_record(state, record, live))
        return 0;
    give_back(&record->reply);
    usage = address_usage.lookup(&mapped);
    if (usage)
        add_active(usage, record->reply.protocol, -1);
    subscriber = subscribers.lookup(&inside);
    if (subscriber) {
        lock_xadd(&subscriber->sessions, -1);
        if (!(record->flow.seen & SEEN_REPLY))
            lock_xadd(&subscriber->half_open, -1);
    }
    release(live);
    return 1;
}

inline_always void add_half_open(u32 inside, u32 change)
{
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (subscriber)
        lock_xadd(&subscriber->half_open, change);
}

inline_always void set_state(struct flow *flow, u32 slot, u8 protocol, u8 state, u32 now)
{
    flow->state = state;
    flow->expires = now + timeout_ticks(slot, protocol, state);
    flow->touched = now;
    if (flow->seen & SEEN_ENDPOINT)
        keep_exterior(flow->mapped, flow->mapped_port, protocol, flow->expires);
}

/* TCP after RFC 5382 and 7857: an RST shortens to transitory, never to nothing; both FINs mean
 * time-wait; a SYN on a closed flow opens it afresh. */
inline_always u8 next_tcp_state(struct flow *flow, u8 tcp_flags, u8 fin, int outbound)
{
    if (outbound && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && flow->state >= STATE_TRANSITORY) {
        flow->seen &= SEEN_ENDPOINT;
        return STATE_UNREPLIED;
    }
    if (tcp_flags & TCP_RST)
        flow->seen |= SEEN_RST;
    if (tcp_flags & TCP_FIN)
        flow->seen |= fin;
    if ((flow->seen & (SEEN_FIN_OUT | SEEN_FIN_IN)) == (SEEN_FIN_OUT | SEEN_FIN_IN))
        return STATE_TIME_WAIT;
    if (flow->seen & (SEEN_FIN_OUT | SEEN_FIN_IN | SEEN_RST))
        return STATE_TRANSITORY;
    if (flow->state == STATE_UNREPLIED && outbound && flow->seen & SEEN_REPLY)
        return STATE_ESTABLISHED;
    return flow->state;
}

inline_always void touch_outbound(struct flow *flow, u32 slot, const struct packet *p, u32 now)
{
    u8 state = flow->state;

    if (p->protocol == IPPROTO_TCP)
        state = next_tcp_state(flow, p->tcp_flags, SEEN_FIN_OUT, 1);
    set_state(flow, slot, p->protocol, state, now);
}

inline_always void touch_inbound(struct flow *flow, u32 slot, const struct packet *p, u32 now)
{
    u8 first = !(flow->seen & SEEN_REPLY);
    u8 state = STATE_ESTABLISHED;

    flow->seen |= SEEN_REPLY;
    if (p->protocol == IPPROTO_TCP)
        state = next_tcp_state(flow, p->tcp_flags, SEEN_FIN_IN, 0);
    set_state(flow, slot, p->protocol, state, now);
    if (first) /* so that the next outbound packet looks, and finds the flow answered */
        flow->touched = now - TOUCH_TICKS;
}

inline_always int is_settled(u32 touched, u32 epoch, u32 now, u32 current_epoch, u8 tcp_flags)
{
    return now - touched < TOUCH_TICKS && epoch == current_epoch && !(tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

#endif
