/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How far new flows have gone through the flow table to end what has expired (reclaim.h). */
#ifndef SNATSH_SWEEP_PLACE_H
#define SNATSH_SWEEP_PLACE_H

#include "config.h"
#include "table.h"

#define SWEEP_PERIOD_SHIFT 4 /* 16 ticks, 0.27 s: each record is looked at once in this time at most */

/* The place in the table, over all CPUs. */
struct sweep {
    u64 next;  /* records handed out to be looked at, since ever */
    u64 end;   /* of them in this period */
    u64 begun; /* of them when this round through the table began */
    u32 period;
    u32 reserved;
};
BPF_TABLE("array", u32, struct sweep, sweeps, 1);

/* Whether records are left to be looked at in this period. */
inline_always int is_sweep_due(const struct sweep *sweep, u32 now)
{
    return sweep->period != now >> SWEEP_PERIOD_SHIFT || (s64)(sweep->end - sweep->next) > 0;
}

inline_always u32 records_in_use(void)
{
    u32 zero = 0;
    struct record_counts *counts = record_counts.lookup(&zero);
    u64 used = counts ? counts->used : 0;

    return used < MAX_FLOWS ? used : MAX_FLOWS;
}

#endif
