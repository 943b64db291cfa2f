/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Incremental checksum updates: what a translation adds to a complemented checksum. */
#ifndef SNATSH_CHECKSUM_H
#define SNATSH_CHECKSUM_H

#include "types.h"

inline_always u32 fold(u64 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/* RFC 1624: what replacing a word by another adds to the complemented checksum. */
inline_always u16 delta_of_address(u32 from, u32 to)
{
    u32 out = ~from;

    return fold((u64)(out & 0xffff) + (out >> 16) + (to & 0xffff) + (to >> 16));
}

inline_always u16 delta_of_port(u16 from, u16 to)
{
    return fold((u64)(u16)~from + to);
}

/* TTL down by one: the 16-bit word of TTL and protocol loses 0x0100. */
#define TTL_DELTA bpf_htons(0xfeff)

/* delta: 16 bits, so that one fold will do. */
inline_always u16 adjusted(u16 checksum, u16 delta)
{
    u32 sum = (u16)~checksum + (u32)delta;

    return ~((sum & 0xffff) + (sum >> 16));
}

#endif
