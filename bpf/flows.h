/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State of a flow outside the table: timeouts, gauges, TCP states, and its end. */
#ifndef SNATSH_FLOWS_H
#define SNATSH_FLOWS_H

#include "allocator.h"
#include "eim.h"
#include "parse.h"
#include "table.h"

SHARED_MAP("hash", u32, struct address_usage, address_usage);
/* Only of inside addresses that hold flows, so it has room for all: it has as many entries as the flow table. */
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

/* Counts a flow of the subscriber: the first one makes its entry, … */
inline_always void add_session(u32 inside, u32 now)
{
    struct subscriber first = {.sessions = 1, .half_open = 1, .second = now / TICKS_PER_SECOND, .opened = 1};
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (!subscriber && !subscribers.insert(&inside, &first))
        return;
    subscriber = subscriber ? subscriber : subscribers.lookup(&inside); /* another CPU made it */
    if (!subscriber)
        return;
    lock_xadd(&subscriber->sessions, 1);
    lock_xadd(&subscriber->half_open, 1);
}

/* … and the last one takes it along. A flow that another CPU opens at the same moment may be lost from the count. */
inline_always void remove_session(u32 inside, u8 seen)
{
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (!subscriber)
        return;
    lock_xadd(&subscriber->sessions, -1);
    if (!(seen & SEEN_REPLY))
        lock_xadd(&subscriber->half_open, -1);
    if ((s32)subscriber->sessions <= 0)
        subscribers.delete(&inside);
}

/* The word of the outbound half that says how a flow stands. It changes by compare-and-swap: of packets on several CPUs
 * each has its effect, and none counts twice. */
union flow_state {
    u64 word;
    struct {
        u32 expires;
        u8 state;
        u8 seen;
        u16 counter;
    };
};

#define STATE_TRIES 4 /* as other packets change it; then theirs are enough */

enum changed { CHANGED, CHANGED_BY_OTHERS, FLOW_OVER };

inline_always u64 *state_word(struct record *record)
{
    return (u64 *)&record->outbound.expires;
}

inline_always union flow_state state_of(const struct record *record)
{
    union flow_state found = {.word = *(volatile u64 *)&record->outbound.expires};

    in_order();
    return found;
}

/* The record may have become another flow's, with a word like `before`: then the change is taken back. If it cannot be
 * taken back, the flow has ended with it. */
inline_always u32 change_state(struct record *record, u64 live, union flow_state before, union flow_state after)
{
    u64 *word = state_word(record);

    if (__sync_val_compare_and_swap(word, before.word, after.word) != before.word)
        return CHANGED_BY_OTHERS;
    if (is_still(record, live) || __sync_val_compare_and_swap(word, after.word, before.word) != after.word)
        return CHANGED;
    return FLOW_OVER;
}

/* Sets bits of `seen`. CHANGED_BY_OTHERS: another packet has set one of them. */
inline_always u32 mark_seen(struct record *record, u64 live, u8 marks)
{
    u32 turn, outcome = CHANGED_BY_OTHERS;

#pragma clang loop unroll(disable)
    for (turn = 0; turn < STATE_TRIES && outcome == CHANGED_BY_OTHERS; turn++) {
        union flow_state before = state_of(record), after = before;

        if (!is_still(record, live))
            return FLOW_OVER;
        if (before.seen & marks)
            break;
        after.seen |= marks;
        outcome = change_state(record, live, before, after);
    }
    return outcome;
}

/* Ends a flow and settles its gauges, if the record still is what it was at `live`. Returns 1 for the one CPU that did. */
inline_always int end_flow(const struct control *state, struct record *record, u64 live)
{
    u32 mapped = record->reply.destination;
    struct eim_mapping_key eim_mapping;
    struct eim_peer_key peer;
    struct address_usage *usage;
    union flow_state last;

    if (!remove_record(state, record, live))
        return 0;
    last.word = __sync_lock_test_and_set(state_word(record), 0); /* from here on, nobody changes it */
    free_port_of(&record->reply);
    if (last.seen & SEEN_EIM) {
        eim_mapping_key_of(mapped, record->reply.destination_port, record->reply.protocol, &eim_mapping);
        release_eim_mapping(&eim_mapping, record->inbound.created);
    }
    if (last.seen & SEEN_PEER) {
        eim_peer_key_of(mapped, record->reply.destination_port, record->reply.protocol, record->reply.source, &peer);
        release_eim_peer(&peer);
    }
    usage = address_usage.lookup(&mapped);
    if (usage)
        add_active(usage, record->reply.protocol, -1);
    remove_session(record->key.source, last.seen);
    free_record((u32)live & NUMBER_MASK);
    return 1;
}

inline_always void add_half_open(u32 inside, u32 translation)
{
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (subscriber)
        lock_xadd(&subscriber->half_open, translation);
}

/* Opened by a packet from outside, to which the subscriber has not replied. Such a flow ends with the mapping, and is
 * judged again by new rules. */
inline_always int is_unasked(u8 seen)
{
    return (seen & (SEEN_FROM_OUTSIDE | SEEN_REPLY)) == SEEN_FROM_OUTSIDE;
}

/* A SYN opens a closed flow again. A subscriber's makes it like a new one. */
inline_always void reopen(union flow_state *flow, int is_outbound)
{
    flow->state = STATE_UNREPLIED;
    flow->seen &= SEEN_EIM | SEEN_PEER | SEEN_HAIRPIN | (is_outbound ? 0 : SEEN_REPLY);
    if (!is_outbound)
        flow->seen |= SEEN_FROM_OUTSIDE;
}

/* TCP after RFC 5382 (section 5), 6146 (section 3.5.2.2) and 7857 (section 2). The third segment of the handshake
 * establishes: an ACK of the side that sent the SYN. A reset makes the flow transitory: its sequence number is not checked,
 * so what follows takes it back. A FIN of one side makes it transitory for good, of both time-wait. */
inline_always void next_tcp_state(union flow_state *flow, u8 tcp_flags, int is_outbound)
{
    u8 fins = SEEN_FIN_OUT | SEEN_FIN_IN, fin = is_outbound ? SEEN_FIN_OUT : SEEN_FIN_IN;
    int is_opener = is_outbound == !(flow->seen & SEEN_FROM_OUTSIDE);

    if (is_opening_syn(tcp_flags) && flow->state >= STATE_TRANSITORY)
        return reopen(flow, is_outbound);
    flow->seen |= tcp_flags & TCP_FIN ? fin : 0;
    if (flow->seen & fins || tcp_flags & TCP_RST)
        flow->state = (flow->seen & fins) == fins ? STATE_TIME_WAIT : STATE_TRANSITORY;
    else if ((tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK && flow->seen & SEEN_ANSWERED &&
             (is_opener || flow->state == STATE_TRANSITORY))
        flow->state = STATE_ESTABLISHED;
    flow->seen |= !is_opener && !(tcp_flags & TCP_RST) ? SEEN_ANSWERED : 0;
}

/* A packet from outside does not prolong the flow (RFC 4787, REQ-6), unless so configured; a reply gives it the timeout of
 * a flow with replies, from the last packet of the subscriber on. Nor does a reset (RFC 7857, section 7.1): that which
 * refuses a stranger leaves the flow just enough time to send it. */
inline_always u32 next_expiry(union flow_state flow, u32 slot, const struct packet *p, u8 state, u32 now, int is_outbound)
{
    struct settings *limits = settings.lookup(&slot);
    u32 timeout = is_outbound && is_unasked(flow.seen) ? TICKS_PER_SECOND : timeout_ticks(slot, p->protocol, state);
    u32 expires = now + timeout;

    if (!(p->tcp_flags & TCP_RST) && (is_outbound || (limits && limits->refresh_inbound)))
        return expires;
    if (flow.state == STATE_UNREPLIED && state == STATE_ESTABLISHED)
        return flow.expires - timeout_ticks(slot, p->protocol, STATE_UNREPLIED) + timeout;
    return is_past(expires, flow.expires) ? flow.expires : expires;
}

/* The state after a packet of the flow. */
inline_always union flow_state next_state(union flow_state flow, u32 slot, const struct packet *p, u32 now, int is_outbound)
{
    union flow_state next = flow;

    if (!is_outbound && !(flow.seen & (SEEN_REPLY | SEEN_FROM_OUTSIDE)))
        next.seen |= SEEN_REPLY;
    if (p->protocol == IPPROTO_TCP)
        next_tcp_state(&next, p->tcp_flags, is_outbound);
    else if (next.seen & SEEN_REPLY)
        next.state = STATE_ESTABLISHED;
    next.expires = next_expiry(flow, slot, p, next.state, now, is_outbound);
    return next;
}

/* Whether the next packet of either direction may be the one that establishes the flow: after a reply, and after a segment
 * that is no plain ACK. */
inline_always int is_before_change(const struct packet *p, u8 new)
{
    u32 other = p->protocol == IPPROTO_TCP ? (p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) ^ TCP_ACK : 0;

    return (new & (SEEN_REPLY | SEEN_ANSWERED)) | other;
}

/* What follows from a changed state. A SYN from inside may have reopened the flow. */
inline_always void note_change(struct record *record, u32 inside, const struct packet *p, union flow_state before,
                               union flow_state after, u32 now, int is_outbound)
{
    struct outbound *outbound = &record->outbound;
    u32 half_open = !(after.seen & SEEN_REPLY) - !(before.seen & SEEN_REPLY);

    if (half_open)
        add_half_open(inside, half_open);
    if (is_before_change(p, ~before.seen & after.seen))
        outbound->touched = record->inbound.touched = now - TOUCH_TICKS;
    else if (is_outbound)
        outbound->touched = now;
    else
        record->inbound.touched = now;
    if (after.seen & SEEN_EIM)
        extend_eim_mapping(outbound->mapped, outbound->mapped_port, p->protocol, after.expires);
}

/* Updates the state of a flow by a packet. Returns 0 when the flow is over. */
inline_always int touch_flow(struct record *record, u64 live, u32 slot, const struct packet *p, u32 now, int is_outbound)
{
    u32 turn, outcome, inside = record->key.source;

#pragma clang loop unroll(disable)
    for (turn = 0; turn < STATE_TRIES; turn++) {
        union flow_state before = state_of(record), after;

        if (!is_still(record, live))
            return 0;
        after = next_state(before, slot, p, now, is_outbound);
        outcome = change_state(record, live, before, after);
        if (outcome == CHANGED)
            note_change(record, inside, p, before, after, now, is_outbound);
        if (outcome != CHANGED_BY_OTHERS)
            return outcome == CHANGED;
    }
    return is_still(record, live);
}

/* Sets whether packets of the flow come back in. Returns 0 when that failed, for the next packet to try again. */
inline_always int set_hairpin(struct record *record, u64 live, u8 hairpin)
{
    union flow_state before = state_of(record), after = before;

    after.seen = (before.seen & ~SEEN_HAIRPIN) | hairpin;
    return is_still(record, live) &&
           (after.seen == before.seen || change_state(record, live, before, after) == CHANGED);
}

inline_always int is_settled(u32 touched, u32 epoch, u32 now, u32 current_epoch, u8 tcp_flags)
{
    return now - touched < TOUCH_TICKS && epoch == current_epoch && !(tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

#endif
