/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* jhash_3words of Linux 2.6.32 (include/linux/jhash.h, Jenkins' lookup2) with initval 0, over words in network
 * order: the hash that lvs-snat selects addresses by. */
#ifndef SNATSH_HASH_H
#define SNATSH_HASH_H

#include "types.h"

inline_always u32 jhash_3words(u32 a, u32 b, u32 c)
{
    a += 0x9e3779b9;
    b += 0x9e3779b9;
    a -= b; a -= c; a ^= c >> 13;
    b -= c; b -= a; b ^= a << 8;
    c -= a; c -= b; c ^= b >> 13;
    a -= b; a -= c; a ^= c >> 12;
    b -= c; b -= a; b ^= a << 16;
    c -= a; c -= b; c ^= b >> 5;
    a -= b; a -= c; a ^= c >> 3;
    b -= c; b -= a; b ^= a << 10;
    c -= a; c -= b; c ^= b >> 15;
    return c;
}

inline_always u32 scale(u32 hash, u32 size)
{
    return ((u64)hash * size) >> 32;
}

#endif
