/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which frames are for the gateway: those to the address of the interface they came in by. The kernel forwards no
 * other (ip_forward wants PACKET_HOST), not even a unicast packet in a broadcast frame (RFC 1812, section 5.3.4). */
#ifndef SNATSH_STATION_H
#define SNATSH_STATION_H

#include "config.h"

#define MAC_BITS 48
#define MAC_MASK ((1ULL << MAC_BITS) - 1)

/* The destination of the frame. Reads 8 bytes of it. */
inline_always u64 frame_destination(const void *frame)
{
    return *(const u64 *)frame & MAC_MASK;
}

/* Whether it is for the interface, by the table in control alone. 0: ask the interface itself. */
inline_always int is_for_station(const struct control *state, u32 ifindex, const void *frame)
{
    return state->stations[ifindex & (STATIONS - 1)] == ((u64)ifindex << MAC_BITS | frame_destination(frame));
}

inline_always int is_for_interface(const struct control *state, u32 ifindex, const void *frame)
{
    struct interface *interface;
    u64 mac = 0;

    if (is_for_station(state, ifindex, frame))
        return 1;
    interface = find_interface(state->generation & 1, ifindex);
    if (!interface)
        return 0;
    __builtin_memcpy(&mac, interface->mac, sizeof(interface->mac));
    return mac == frame_destination(frame);
}

#endif
