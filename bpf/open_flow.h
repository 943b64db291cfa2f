/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a rule, an address and a port to a flow: the last part of the new-flow path, in a program of its own because of
 * the verifier's limit. It takes all from scratch: the rule, the tuple of a reply in `reply`, and in `seen` how the flow
 * begins. */
#ifndef SNATSH_OPEN_FLOW_H
#define SNATSH_OPEN_FLOW_H

#include "eim.h"
#include "new_flow.h"

inline_always void count_new_flow(u32 mapped, u32 inside, u8 protocol, u32 now)
{
    struct address_usage *usage = address_usage.lookup(&mapped);

    if (usage) {
        add_active(usage, protocol, 1);
        lock_xadd(&usage->created, 1);
    }
    add_session(inside, now);
}

/* A record and its number for a flow of this key, with everything but what the claim decides. 0: the table is full. */
inline_always struct record *prepare_record(u32 slot, const struct flow_key *key, const struct rule *rule, u32 now,
                                            u32 *number)
{
    struct record *record = allocate_record(number);

    if (!record)
        return 0;
    record->key = *key;
    __builtin_memset(&record->outbound, 0, sizeof(record->outbound));
    __builtin_memset(&record->inbound, 0, sizeof(record->inbound));
    record->outbound.state = STATE_UNREPLIED;
    record->outbound.expires = now + timeout_ticks(slot, key->protocol, STATE_UNREPLIED);
    record->outbound.counter = rule->counter;
    record->outbound.redirect = rule->redirect;
    record->outbound.touched = now - TOUCH_TICKS; /* so that this packet looks the path up */
    record->inbound.inside = key->source;
    record->inbound.inside_port = key->source_port;
    record->inbound.rule = rule->number;
    record->inbound.counter = rule->counter;
    record->inbound.created = now;
    record->inbound.touched = now - TOUCH_TICKS; /* the first reply looks its path up */
    return record;
}

/* Makes the record, which has its external address and port, the flow of its key. Returns 0 when it is not used. */
inline_always int publish_flow(const struct control *state, struct scratch *scratch, struct record *record, u32 number,
                               struct new_flow *new_flow)
{
    u8 protocol = record->key.protocol, seen = scratch->seen;
    u32 outcome, counter = record->inbound.counter;
    struct record *holder;
    struct rule_count *count;

    record->outbound.seen |= seen;
    outcome = add_tuple(state, SIDE_OUTBOUND, &record->key, number, &holder);
    new_flow->verdict = VERDICT_TRANSLATE;
    if (outcome != ADDED) {
        remove_tuple(state, SIDE_INBOUND, &record->reply, number);
        free_port_of(&record->reply);
        free_record(number);
        if (outcome != DUPLICATE) /* else another CPU opened the same flow; its record serves */
            refuse(new_flow, DROP_TABLE_FULL);
        return 0;
    }
    if (seen & SEEN_EIM)
        extend_eim_mapping(record->outbound.mapped, record->outbound.mapped_port, protocol, record->outbound.expires);
    count_new_flow(record->reply.destination, record->key.source, protocol, record->inbound.created);
    scratch->key = record->key;
    activate_record(record, number);
    note_recent(&scratch->key); /* now that it can be evicted */
    count = rule_counters.lookup(&counter);
    if (count)
        count->flows++;
    return 1;
}

/* Releases the mapping in scratch->reply, which was held or claimed for a flow that is not opened. */
inline_always void release_claimed_eim_mapping(const struct scratch *scratch, u32 now)
{
    struct eim_mapping_key key;

    eim_mapping_key_of(scratch->reply.destination, scratch->reply.destination_port, scratch->reply.protocol, &key);
    release_eim_mapping(&key, now);
}

/* The tuple as the subscriber sends it, into scratch->key. */
inline_always void set_key(struct scratch *scratch)
{
    struct flow_key *key = &scratch->key;

    key_of(&scratch->packet, key);
    if (!(scratch->seen & SEEN_FROM_OUTSIDE))
        return;
    key->source = scratch->eim_mapping.inside;
    key->destination = scratch->reply.source;
    key->source_port = scratch->eim_mapping.inside_port;
    key->destination_port = scratch->reply.source_port;
}

/* Claims the tuple of a reply for the record. */
inline_always u32 claim_reply(const struct control *state, struct scratch *scratch, struct record *record, u32 number,
                              u32 now)
{
    struct flow_key *reply = &scratch->reply;
    u32 outcome = claim(state, record, number, reply, now);

    if (outcome == CLAIM_BUSY && !scratch->seen)
        return next_round(scratch); /* another CPU was faster; the port of a mapping is taken by the gateway */
    if (outcome == CLAIMED && scratch->is_shared && find_own_connection(scratch->slot & 1, reply, now)) {
        remove_tuple(state, SIDE_INBOUND, reply, number); /* noted meanwhile */
        return next_round(scratch);
    }
    return outcome;
}

/* Opens the flow. A mapping that was claimed for it is released where none is opened. */
inline_always void open_flow(struct scratch *scratch, struct new_flow *new_flow, u32 now)
{
    struct rule *rule = matched_rule(scratch);
    const struct control *state = running();
    u32 outcome = CLAIM_FULL, number = 0;
    struct record *record;

    if (!rule || !state)
        return refuse(new_flow, DROP_INTERNAL);
    scratch->rounds++; /* another try takes two tail calls */
    set_key(scratch);
    record = prepare_record(scratch->slot & 1, &scratch->key, rule, now, &number);
    if (record)
        outcome = claim_reply(state, scratch, record, number, now);
    if (outcome == CLAIMED) /* of the rules that admitted it */
        record->inbound.epoch = scratch->seen & SEEN_FROM_OUTSIDE ? scratch->epoch : 0;
    else if (record)
        free_record(number);
    if ((outcome != CLAIMED || !publish_flow(state, scratch, record, number, new_flow)) && scratch->seen & SEEN_EIM)
        release_claimed_eim_mapping(scratch, now);
    if (outcome != CLAIMED)
        handle_claim_failure(scratch, outcome, new_flow);
}

#endif
