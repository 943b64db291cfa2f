/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Limits of a subscriber, so that a flood from one does not starve the others. */
#ifndef SNATSH_LIMITS_H
#define SNATSH_LIMITS_H

#include "config.h"
#include "counters.h"
#include "flows.h"

#define NOT_REFUSED DROP_COUNT

/* Counts that the subscriber asks for a flow, in whole seconds of the clock. */
inline_always void note_request(struct subscriber *subscriber, u32 now)
{
    u32 second = now / TICKS_PER_SECOND;

    if (!subscriber)
        return;
    if (subscriber->second != second) {
        subscriber->second = second;
        subscriber->opened = 0;
    }
    subscriber->opened++;
}

/* The limit that prevents the subscriber from opening a flow, as a drop reason; NOT_REFUSED for none. */
inline_always u32 limit_reached(const struct settings *limits, const struct subscriber *subscriber)
{
    if (!subscriber) /* holds no flow */
        return NOT_REFUSED;
    if (limits->subscriber_sessions && (s32)subscriber->sessions >= (s32)limits->subscriber_sessions)
        return DROP_SUBSCRIBER_LIMIT;
    if (limits->subscriber_new_flows && subscriber->opened > limits->subscriber_new_flows)
        return DROP_SUBSCRIBER_RATE;
    if (limits->subscriber_half_open && (s32)subscriber->half_open >= (s32)limits->subscriber_half_open)
        return DROP_HALF_OPEN;
    return NOT_REFUSED;
}

inline_always int is_near(u32 gauge, u32 limit)
{
    return limit && (s32)gauge >= (s32)(limit - limit / 4);
}

/* Whether expired flows that still count could soon make the difference. */
inline_always int is_near_limit(const struct settings *limits, const struct subscriber *subscriber)
{
    return subscriber && (is_near(subscriber->sessions, limits->subscriber_sessions) ||
                          is_near(subscriber->half_open, limits->subscriber_half_open));
}

#endif
