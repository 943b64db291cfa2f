/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Limits of a subscriber, so that a flood from one does not starve the others. */
#ifndef SNATSH_LIMITS_H
#define SNATSH_LIMITS_H

#include "config.h"
#include "counters.h"
#include "flows.h"

#define NOT_REFUSED DROP_COUNT

/* Per-second limits count in whole seconds of the clock. */
inline_always void start_second(struct subscriber *subscriber, u32 now)
{
    u32 second = now / TICKS_PER_SECOND;

    if (subscriber->second == second)
        return;
    subscriber->second = second;
    subscriber->opened = 0;
    subscriber->unreachables = 0;
}

inline_always struct subscriber *subscriber_of(u32 inside)
{
    struct subscriber fresh = {}, *subscriber = subscribers.lookup(&inside);

    if (subscriber)
        return subscriber;
    subscribers.insert(&inside, &fresh);
    return subscribers.lookup(&inside);
}

/* The limit that prevents the subscriber from opening a flow, as a drop reason; NOT_REFUSED for none. */
inline_always u32 limit_reached(u32 slot, u32 inside, u32 now)
{
    struct settings *limits = settings.lookup(&slot);
    struct subscriber *subscriber = subscriber_of(inside);
    u32 reason = NOT_REFUSED;

    if (!limits)
        return DROP_INTERNAL;
    if (!subscriber) /* the map is full: a configured limit that can't be counted refuses */
        return limits->subscriber_sessions || limits->subscriber_new_flows ? DROP_SUBSCRIBER_LIMIT : NOT_REFUSED;
    start_second(subscriber, now);
    subscriber->opened++;
    if (limits->subscriber_sessions && (s32)subscriber->sessions >= (s32)limits->subscriber_sessions)
        reason = DROP_SUBSCRIBER_LIMIT;
    else if (limits->subscriber_new_flows && subscriber->opened > limits->subscriber_new_flows)
        reason = DROP_SUBSCRIBER_RATE;
    else if (limits->subscriber_half_open && (s32)subscriber->half_open >= (s32)limits->subscriber_half_open)
        reason = DROP_HALF_OPEN;
    if (reason != NOT_REFUSED)
        lock_xadd(&subscriber->refused, 1);
    return reason;
}

#endif
