/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Eviction in a full table: the oldest remembered unreplied flows end; established flows never do. Each CPU
 * remembers the last flows it opened. Other CPUs' memories are searched too, so that a flood on one CPU does not
 * starve another. */
#ifndef SNATSH_EVICTION_H
#define SNATSH_EVICTION_H

#include "config.h"
#include "table.h"

struct recent {
    u32 head; /* flows recorded so far */
    u32 tail; /* flows examined so far */
    u32 reserved[14]; /* pads to a cache line */
};
BPF_TABLE("array", u32, struct flow_key, recent_flows, MAX_RECENT * RECENT_CPUS);
BPF_TABLE("array", u32, struct recent, recent_ends, RECENT_CPUS);

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

/* Looks at the oldest remembered flow, of one CPU after the other, and notes it in scratch->ending if it has no reply. */
inline_always void look_for_victim(const struct control *state, struct scratch *scratch)
{
    u32 cpu = (bpf_get_smp_processor_id() + scratch->evictions) & (RECENT_CPUS - 1), tail;
    struct recent *recent = recent_ends.lookup(&cpu);
    struct flow_key *remembered;
    struct record *record;
    u64 live = 0;

    scratch->evictions++;
    if (!recent)
        return;
    if (recent->head - recent->tail > MAX_RECENT)
        recent->tail = recent->head - MAX_RECENT; /* older ones are written over */
    tail = recent->tail;
    if (tail == recent->head)
        return;
    recent->tail = tail + 1;
    remembered = recent_flow(cpu, tail);
    if (!remembered)
        return;
    scratch->key = *remembered;
    record = find_record(state, SIDE_OUTBOUND, &scratch->key, &live);
    if (record && record->outbound.state == STATE_UNREPLIED && !(record->outbound.seen & SEEN_REPLY)) {
        scratch->ending[0] = live;
        scratch->noted = scratch->evicted = 1;
    }
}

#endif
