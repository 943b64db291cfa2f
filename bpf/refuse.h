/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors for refused flows: destination unreachable, communication administratively prohibited (RFC 1812,
 * section 5.2.7.1; RFC 5508, REQ-8), limited per second. None for packets with IP options,
 * for fragments, and for ICMP other than echo requests. */
#ifndef SNATSH_REFUSE_H
#define SNATSH_REFUSE_H

#include "checksum.h"
#include "counters.h"
#include "limits.h"
#include "parse.h"

SHARED_MAP("lru_hash", u32, struct refusal_rate, refusal_rates);

#define QUOTED 28 /* IP header and eight octets (RFC 792) */

struct refusal {
    struct ethhdr ethernet;
    struct iphdr ip;
    u8 type;
    u8 code;
    u16 checksum;
    u32 unused;
    u8 quoted[QUOTED];
} __attribute__((packed));

#define REFUSAL_GROWTH 28 /* a second IP header and the ICMP header, in front of the quoted part */

inline_always int is_answered(u32 reason)
{
    return reason == DROP_NO_RULE || reason == DROP_POOL_EXHAUSTED || reason == DROP_TABLE_FULL ||
           reason == DROP_SUBSCRIBER_LIMIT || reason == DROP_SUBSCRIBER_RATE || reason == DROP_HALF_OPEN ||
           reason == DROP_POOL_EMPTY;
}

inline_always int may_send_unreachable(u32 slot, const struct packet *p, u32 now)
{
    struct settings *limits = settings.lookup(&slot);
    struct refusal_rate fresh = {.second = now / TICKS_PER_SECOND}, *rate;
    u32 inside = p->source;

    if (!limits || !limits->refusals || p->kind != KIND_FLOW || p->fragment != WHOLE ||
        p->l4 != L3 + sizeof(struct iphdr) || is_martian(p->source) || is_martian(p->destination))
        return 0;
    if (p->protocol == IPPROTO_ICMP && p->is_reply)
        return 0;
    rate = refusal_rates.lookup(&inside);
    if (!rate || rate->second != fresh.second) {
        refusal_rates.update(&inside, &fresh);
        rate = refusal_rates.lookup(&inside);
    }
    if (!rate || rate->sent >= limits->refusals)
        return 0;
    rate->sent++;
    return 1;
}

inline_always u16 internet_checksum(void *data, u32 size)
{
    return ~fold(bpf_csum_diff(0, 0, data, size, 0));
}

/* Fills all but the Ethernet header; `quoted` is set already. */
inline_always void fill_refusal(struct refusal *refusal, u32 from, u32 to)
{
    u8 ip[20] = {0x45, 0xc0, 0, sizeof(*refusal) - L3, 0, 0, 0, 0, 64, IPPROTO_ICMP};
    u8 icmp[8 + QUOTED] = {3, 13};

    __builtin_memcpy(ip + 12, &from, 4);
    __builtin_memcpy(ip + 16, &to, 4);
    *(u16 *)(ip + 10) = internet_checksum(ip, sizeof(ip));
    __builtin_memcpy(&refusal->ip, ip, sizeof(ip));
    __builtin_memcpy(icmp + 8, refusal->quoted, QUOTED);
    refusal->checksum = internet_checksum(icmp, sizeof(icmp));
    refusal->type = 3;
    refusal->code = 13;
    refusal->unused = 0;
}

inline_always void swap_mac_addresses(struct ethhdr *ethernet)
{
    u8 kept[6];

    __builtin_memcpy(kept, ethernet->h_source, 6);
    __builtin_memcpy(ethernet->h_source, ethernet->h_dest, 6);
    __builtin_memcpy(ethernet->h_dest, kept, 6);
}

#endif
