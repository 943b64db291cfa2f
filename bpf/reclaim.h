/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Room for new flows without user space. While snatd has not reported for some seconds, each new flow goes on through
 * the table and ends what has expired, as snatd's expiry does. When the table is full or its subscriber near a limit, it
 * does so in any case, and goes on further; at last it evicts. Each record is looked at once in a period at most, so
 * what this costs is bounded whatever the rate of new flows. */
#ifndef SNATSH_RECLAIM_H
#define SNATSH_RECLAIM_H

#include "eviction.h"
#include "limits.h"
#include "new_flow.h"
#include "sweep_place.h"

#define SLICES_IN_NEED 32 /* in one run, until something has expired */
#define RECLAIM_RUNS 7 /* for one packet. With the tail calls of the claim, below the kernel's 33 */
#define EVICTIONS 12 /* remembered flows looked at for one packet, … */
#define EVICTIONS_IN_RUN 3 /* … and in one run */

/* Takes the next slice of the table. Returns 0 when all of it was looked at in this period. The place is counted from
 * where the round began: a remainder by the number of records in use would stand still while that number grows. So each
 * record has its turn within a quarter as many new flows as there are records, and expired flows take no more than a
 * quarter of the table. */
inline_always int take_slice(struct scratch *scratch, struct sweep *sweep, u32 used, u32 now)
{
    u64 next, place;

    if (sweep->period != now >> SWEEP_PERIOD_SHIFT) {
        sweep->period = now >> SWEEP_PERIOD_SHIFT;
        sweep->end = sweep->next + used;
    }
    if (!is_sweep_due(sweep, now))
        return 0;
    next = __sync_fetch_and_add(&sweep->next, SLICE);
    place = next - sweep->begun;
    if (place >= used) {
        sweep->begun = next;
        place = 0;
    }
    scratch->first = place;
    return 1;
}

/* Notes in scratch->ending the flows of the slice that have expired. */
inline_always void note_expired(struct scratch *scratch, u32 used, u32 now)
{
    u32 at;

    for (at = 0; at < SLICE; at++) {
        u32 number = scratch->first + at;
        struct record *record = record_at(number < used ? number : number - used); /* behind the last the first */
        u64 live = record ? live_of(record) : 0;

        if (live && is_past(now, record->outbound.expires)) {
            scratch->ending[at] = live;
            scratch->noted = 1;
        }
    }
}

/* Goes on by some slices, to the first with something expired. scratch->looked: whether there was anything to look at. */
inline_always void sweep_on(struct scratch *scratch, u32 now)
{
    u32 zero = 0, turn, used = records_in_use();
    struct sweep *sweep = sweeps.lookup(&zero);

    scratch->looked = scratch->noted = 0;
    __builtin_memset(scratch->ending, 0, sizeof(scratch->ending));
    if (!sweep || !used)
        return;
#pragma clang loop unroll(disable)
    for (turn = 0; turn < SLICES_IN_NEED; turn++) {
        if (turn >= scratch->slices || scratch->noted || !take_slice(scratch, sweep, used, now))
            break;
        scratch->looked = 1;
        note_expired(scratch, used, now);
    }
}

/* Notes the oldest of some remembered flows that has no reply. */
inline_always void note_victim(const struct control *state, struct scratch *scratch)
{
    u32 turn;

#pragma clang loop unroll(disable)
    for (turn = 0; turn < EVICTIONS_IN_RUN; turn++) {
        if (scratch->noted || scratch->evictions >= EVICTIONS)
            break;
        look_for_victim(state, scratch);
    }
}

/* Ends the flows that were noted; counts them in scratch->ended. */
inline_always void end_noted(const struct control *state, struct scratch *scratch, u32 now)
{
    struct subscriber *subscriber;
    u32 at;

#pragma clang loop unroll(disable)
    for (at = 0; at < SLICE; at++) {
        u64 live = scratch->ending[at];
        struct record *record = record_at(live & NUMBER_MASK);

        if (live && record && (scratch->evicted || is_past(now, record->outbound.expires)))
            scratch->ended += end_flow(state, record, live);
    }
    if (!scratch->evicted || !scratch->ended)
        return;
    subscriber = subscribers.lookup(&scratch->key.source);
    if (subscriber)
        lock_xadd(&subscriber->evicted, 1);
}

/* The limit that the subscriber has reached; sets scratch->slices, further ones where expired flows that still count
 * make or could soon make the difference. */
inline_always u32 check_limits(struct scratch *scratch, const struct settings *limits)
{
    u32 inside = scratch->inside;
    struct subscriber *subscriber = subscribers.lookup(&inside);

    scratch->slices = is_near_limit(limits, subscriber) ? SLICES_IN_NEED : 1;
    return limit_reached(limits, subscriber);
}

inline_always void note_refused(const struct scratch *scratch)
{
    u32 inside = scratch->inside;
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (subscriber && scratch->limit != DROP_TABLE_FULL)
        lock_xadd(&subscriber->refused, 1);
}

/* Before a flow is claimed, and again when the table was found full. VERDICT_TRANSLATE: to be claimed now;
 * VERDICT_RECLAIM: run this again, by a tail call because of the verifier's limit. */
inline_always void reclaim(struct scratch *scratch, struct new_flow *new_flow, u32 now)
{
    u32 slot = scratch->slot & 1;
    struct settings *limits = settings.lookup(&slot);
    const struct control *state = running();

    if (!limits || !state)
        return refuse(new_flow, DROP_INTERNAL);
    scratch->ended = scratch->evicted = 0;
    scratch->slices = SLICES_IN_NEED;
    scratch->limit = scratch->table_full ? DROP_TABLE_FULL : check_limits(scratch, limits);
    scratch->runs++;
    sweep_on(scratch, now);
    if (scratch->table_full && !scratch->noted)
        note_victim(state, scratch);
    if (scratch->noted)
        end_noted(state, scratch, now);
    new_flow->verdict = VERDICT_TRANSLATE;
    if (scratch->limit == NOT_REFUSED || (scratch->table_full && scratch->ended))
        return;
    if (scratch->runs < RECLAIM_RUNS && scratch->limit != DROP_SUBSCRIBER_RATE &&
        (scratch->looked || scratch->table_full)) {
        new_flow->verdict = VERDICT_RECLAIM;
        return;
    }
    note_refused(scratch);
    refuse(new_flow, scratch->limit);
}

#endif
