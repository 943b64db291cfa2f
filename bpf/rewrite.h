/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rewriting of addresses, ports and checksums. XDP writes the frame itself; TC uses the helpers, which handle
 * partial checksums, GSO and cloned buffers. */
#ifndef SNATSH_REWRITE_H
#define SNATSH_REWRITE_H

#include "checksum.h"
#include "parse.h"

struct translation {
    u32 address;
    u16 port;
    u16 ip_delta;
    u16 l4_delta;
    u8 is_source; /* 1: source address and port; 0: destination */
};

/* L4 header of an option-free packet, TTL included. Returns 0 when the frame is too short for it. */
inline_always int rewrite_l4_frame(void *data, void *end, const struct translation *translation, u8 protocol)
{
    void *l4 = data + L3 + sizeof(struct iphdr);
    u16 *ports = l4, *checksum;

    if (protocol == IPPROTO_TCP) {
        if (l4 + sizeof(struct tcphdr) > end)
            return 0;
        checksum = l4 + 16;
        *checksum = adjusted(*checksum, translation->l4_delta);
    } else if (protocol == IPPROTO_UDP) {
        if (l4 + 8 > end)
            return 0;
        checksum = l4 + 6;
        if (*checksum) { /* zero means "not computed" and stays (RFC 768) */
            u16 sum = adjusted(*checksum, translation->l4_delta);

            *checksum = sum ? sum : 0xffff;
        }
    } else { /* echo: the identifier, and no pseudo-header */
        if (l4 + 8 > end)
            return 0;
        checksum = l4 + 2;
        *checksum = adjusted(*checksum, delta_of_port(ports[2], translation->port));
        ports[2] = translation->port;
        return 1;
    }
    ports[translation->is_source ? 0 : 1] = translation->port;
    return 1;
}

/* Headers before L4, for a frame that holds them and whose path is known. `ethernet`: destination and source, in words
 * as in a record. */
inline_always void rewrite_headers(void *data, const struct translation *translation, const u64 *ethernet)
{
    struct iphdr *ip = data + L3;

    ip->check = adjusted(ip->check, translation->ip_delta);
    ip->ttl--;
    if (translation->is_source)
        ip->saddr = translation->address;
    else
        ip->daddr = translation->address;
    *(u64 *)data = ethernet[0]; /* memcpy would copy byte by byte */
    *(u32 *)(data + 8) = ethernet[1];
}

/* Returns 0 when the frame is too short. */
inline_always int rewrite_frame(void *data, void *end, const struct translation *translation, u8 protocol,
                                const u64 *ethernet)
{
    if (!rewrite_l4_frame(data, end, translation, protocol))
        return 0;
    rewrite_headers(data, translation, ethernet);
    return 1;
}

#define IP_CHECK_AT (L3 + 10)
#define IP_SOURCE_AT (L3 + 12)
#define IP_DESTINATION_AT (L3 + 16)

inline_always int rewrite_skb_address(struct __sk_buff *skb, const struct translation *translation, u32 old)
{
    u32 offset = translation->is_source ? IP_SOURCE_AT : IP_DESTINATION_AT;
    u32 address = translation->address;

    return bpf_l3_csum_replace(skb, IP_CHECK_AT, old, address, 4) ||
           bpf_skb_store_bytes(skb, offset, &address, 4, 0);
}

/* L4 alone. Returns 0 on success, as the helpers do. */
inline_always int rewrite_skb_l4(struct __sk_buff *skb, const struct packet *p, const struct translation *translation)
{
    u32 old = translation->is_source ? p->source : p->destination;
    u16 old_port = translation->is_source ? p->source_port : p->destination_port;
    u32 address = translation->address;
    u16 port = translation->port;
    u32 checksum, at;
    u64 flags = 0;

    if (p->protocol == IPPROTO_ICMP) {
        return bpf_l4_csum_replace(skb, p->l4 + 2, old_port, port, 2) ||
               bpf_skb_store_bytes(skb, p->l4 + 4, &port, 2, 0);
    }
    checksum = p->l4 + (p->protocol == IPPROTO_TCP ? 16 : 6);
    at = p->l4 + (translation->is_source ? 0 : 2);
    if (p->protocol == IPPROTO_UDP)
        flags = BPF_F_MARK_MANGLED_0; /* a zero checksum stays zero */
    return bpf_l4_csum_replace(skb, checksum, old, address, flags | BPF_F_PSEUDO_HDR | 4) ||
           bpf_l4_csum_replace(skb, checksum, old_port, port, flags | 2) ||
           bpf_skb_store_bytes(skb, at, &port, 2, 0);
}

inline_always int rewrite_skb(struct __sk_buff *skb, const struct packet *p, const struct translation *translation)
{
    return rewrite_skb_l4(skb, p, translation) ||
           rewrite_skb_address(skb, translation, translation->is_source ? p->source : p->destination);
}

inline_always int lower_skb_ttl(struct __sk_buff *skb, const struct packet *p)
{
    u8 ttl = p->ttl - 1;
    u16 old = p->ttl | (u16)p->protocol << 8; /* the word as it lies in the packet */
    u16 new = ttl | (u16)p->protocol << 8;

    return bpf_l3_csum_replace(skb, IP_CHECK_AT, old, new, 2) || bpf_skb_store_bytes(skb, L3 + 8, &ttl, 1, 0);
}

#endif
