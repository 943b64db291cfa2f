/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why packets were dropped, and why they went to the stack. Each reason has one name, used everywhere;
 * snatsh/datapath/reasons.py holds the twin lists with their help texts. */
#ifndef SNATSH_COUNTERS_H
#define SNATSH_COUNTERS_H

#include "map.h"
#include "types.h"

enum drop_reason {
    DROP_NO_RULE,
    DROP_RULE,
    DROP_POOL_EXHAUSTED,
    DROP_TABLE_FULL,
    DROP_SUBSCRIBER_LIMIT,
    DROP_SUBSCRIBER_RATE,
    DROP_HALF_OPEN,
    DROP_NO_FLOW,
    DROP_PROTOCOL,
    DROP_FRAGMENT,
    DROP_MALFORMED,
    DROP_ICMP_NO_FLOW,
    DROP_NO_STATE,
    DROP_ENDED,
    DROP_LEAK_GUARD,
    DROP_NO_NEXT_HOP,
    DROP_INTERNAL,
    DROP_COUNT,
};

enum handup_reason {
    UP_NO_PATH,
    UP_TTL,
    UP_MTU,
    UP_OPTIONS,
    UP_FRAGMENT,
    UP_ICMP_ERROR,
    UP_PROTOCOL,
    UP_EXEMPT,
    UP_ROUTE,
    UP_ENDPOINT,
    UP_HAIRPIN,
    UP_FOREIGN,
    UP_VLAN,
    UP_NOT_IP,
    UP_MALFORMED,
    UP_COUNT,
};

SHARED_MAP("percpu_array", u32, struct count, drops);
SHARED_MAP("percpu_array", u32, struct count, handed_up);
SHARED_MAP("percpu_array", u32, struct rule_count, rule_counters);

inline_always void count_drop(u32 reason, u32 bytes)
{
    struct count *count = drops.lookup(&reason);

    if (count) {
        count->packets++;
        count->bytes += bytes;
    }
}

inline_always void count_up(u32 reason, u32 bytes)
{
    struct count *count = handed_up.lookup(&reason);

    if (count) {
        count->packets++;
        count->bytes += bytes;
    }
}

inline_always void count_rule(u32 counter, u32 bytes)
{
    struct rule_count *count = rule_counters.lookup(&counter);

    if (count) {
        count->packets++;
        count->bytes += bytes;
    }
}

#endif
