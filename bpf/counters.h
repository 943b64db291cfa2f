/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why packets were dropped, and why they were passed to the stack. snatsh/datapath/reasons.py has the same lists
 * with help texts. */
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
    DROP_INBOUND,
    DROP_POOL_EMPTY,
    DROP_COUNT,
};

enum pass_reason {
    PASS_NO_PATH,
    PASS_TTL,
    PASS_MTU,
    PASS_OPTIONS,
    PASS_FRAGMENT,
    PASS_ICMP_ERROR,
    PASS_PROTOCOL,
    PASS_EXEMPT,
    PASS_ROUTE,
    PASS_ENDPOINT,
    PASS_HAIRPIN,
    PASS_STACK_CONNECTION,
    PASS_VLAN,
    PASS_NOT_IP,
    PASS_MALFORMED,
    PASS_STATION,
    PASS_COUNT,
};

SHARED_MAP("percpu_array", u32, struct count, drops);
SHARED_MAP("percpu_array", u32, struct count, passed_to_stack);
SHARED_MAP("percpu_array", u32, struct rule_count, rule_counters);

inline_always void count_drop(u32 reason, u32 bytes)
{
    struct count *count = drops.lookup(&reason);

    if (count) {
        count->packets++;
        count->bytes += bytes;
    }
}

inline_always void count_pass(u32 reason, u32 bytes)
{
    struct count *count = passed_to_stack.lookup(&reason);

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
