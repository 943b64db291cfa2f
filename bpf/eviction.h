/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Eviction in a full table: the oldest remembered unreplied flows end; established flows never do. Each CPU
 * remembers the last flows it opened. Other CPUs' memories are searched too, so that a flood on one CPU does not
 * starve another. */
#ifndef SNATSH_EVICTION_H
#define SNATSH_EVICTION_H

#include "config.h"
#include "flows.h"
#include "table.h"

struct recent {
    u32 head; /* flows recorded so far */
    u32 tail; /* flows examined so far */
    u32 reserved[14]; /* pads to a cache line */
};
BPF_TABLE("array", u32, struct flow_key, recent_flows, MAX_RECENT * RECENT_CPUS);
BPF_TABLE("array", u32, struct recent, recent_ends, RECENT_CPUS);

#define EVICTIONS 12 /* remembered flows looked at for one packet */

inline_always struct flow_key *recent_flow(u32 cpu, u32 position)
{
    u32 at = cpu * MAX_RECENT + (position & (MAX_RECENT - 1));

    return recent_flows.lookup(&at);
}

inline_always void note_recent(const struct flow_key *key)
{
    u32 cpu = bpf_get_smp_processor_id() & (RECENT_CPUS - 1);
    struct recent *recent = recent_ends.lookup(&cpu);
    struct flow_key *remembered = recent ? recent_flow(cpu, recent->head) : 0;

    if (!remembered)
        return;
    *remembered = *key;
    recent->head++;
}

inline_always void evict(struct flow_key *key)
{
    const struct control *state = running();
    u64 live = 0;
    struct record *record = state ? find_record(state, SIDE_OUTBOUND, key, &live) : 0;
    struct subscriber *subscriber;

    if (!record)
        return;
    if (record->outbound.state != STATE_UNREPLIED || record->outbound.seen & SEEN_REPLY || !end_flow(state, record, live))
        return;
    subscriber = subscribers.lookup(&key->source);
    if (subscriber)
        lock_xadd(&subscriber->evicted, 1);
}

/* One remembered flow is looked at in each run of the claim, on one CPU after the other. 1 when another run is
 * worth it. */
inline_always int make_room(struct scratch *scratch)
{
    u32 cpu = (bpf_get_smp_processor_id() + scratch->evictions) & (RECENT_CPUS - 1), tail;
    struct recent *recent = recent_ends.lookup(&cpu);
    struct flow_key *remembered, key;

    if (scratch->evictions >= EVICTIONS || !recent)
        return 0;
    scratch->evictions++;
    if (recent->head - recent->tail > MAX_RECENT)
        recent->tail = recent->head - MAX_RECENT; /* older ones are written over */
    tail = recent->tail;
    if (tail == recent->head)
        return 1;
    recent->tail = tail + 1;
    remembered = recent_flow(cpu, tail);
    if (!remembered)
        return 0;
    key = *remembered;
    evict(&key);
    return 1;
}

#endif
