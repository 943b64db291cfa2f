/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors (RFC 5508, section 4): the packet quoted in the error is translated back along with the
 * outer header. An error never refreshes or ends a flow. TC only: errors are rare. */
#ifndef SNATSH_ICMP_H
#define SNATSH_ICMP_H

#include "rewrite.h"
#include "table.h"

struct quoted {
    u32 source;
    u32 destination;
    u16 source_port;
    u16 destination_port;
    u16 l3; /* offset of the quoted IP header */
    u16 l4; /* offset of the quoted transport header */
    u16 port_at[2]; /* offsets of source and destination port, or of the identifier */
    u16 end; /* offset behind the packet: what follows is Ethernet's padding */
    u8 protocol;
};

inline_always int load_quoted(struct __sk_buff *skb, const struct packet *p, struct quoted *quoted)
{
    struct iphdr ip;
    u8 l4[8];

    quoted->l3 = p->l4 + 8;
    quoted->end = L3 + p->length;
    if (bpf_skb_load_bytes(skb, quoted->l3, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 ||
        ip.frag_off & bpf_htons(0x1fff))
        return 0;
    quoted->l4 = quoted->l3 + ip.ihl * 4;
    if (quoted->l4 + sizeof(l4) > quoted->end || bpf_skb_load_bytes(skb, quoted->l4, l4, sizeof(l4)))
        return 0; /* RFC 792 quotes eight octets */
    quoted->source = ip.saddr;
    quoted->destination = ip.daddr;
    quoted->protocol = ip.protocol;
    quoted->source_port = quoted->destination_port = 0;
    if (ip.protocol == IPPROTO_TCP || ip.protocol == IPPROTO_UDP) {
        quoted->source_port = *(u16 *)l4;
        quoted->destination_port = *(u16 *)(l4 + 2);
        quoted->port_at[0] = quoted->l4;
        quoted->port_at[1] = quoted->l4 + 2;
        return 1;
    }
    if (ip.protocol != IPPROTO_ICMP)
        return 0;
    quoted->port_at[0] = quoted->port_at[1] = quoted->l4 + 4;
    if (is_icmp_query(l4[0]))
        quoted->source_port = *(u16 *)(l4 + 4);
    else if (is_icmp_reply(l4[0]))
        quoted->destination_port = *(u16 *)(l4 + 4);
    else
        return 0;
    return 1;
}

#define CHECKED 64 /* octets in a turn */
#define MAX_ERROR 1536 /* a multiple of it, and more than any MTU that an error comes over */

/* Whether the checksum of an ICMP message is right (RFC 5508, REQ-3: an error with a wrong one is dropped). */
inline_always int is_icmp_checksum_right(struct __sk_buff *skb, const struct packet *p)
{
    u32 i, size = p->length + L3 - p->l4;
    u8 octets[CHECKED];
    s64 sum = 0;

    for (i = 0; i < MAX_ERROR; i += CHECKED) {
        u32 left = size - i;

        if (i >= size)
            break;
        __builtin_memset(octets, 0, sizeof(octets));
        if (left >= CHECKED) {
            if (bpf_skb_load_bytes(skb, p->l4 + i, octets, CHECKED))
                return 0;
        } else if (bpf_skb_load_bytes(skb, p->l4 + i, octets, ((left - 1) & (CHECKED - 1)) + 1)) {
            return 0;
        }
        sum = bpf_csum_diff(0, 0, (void *)octets, CHECKED, (u32)sum);
    }
    return size <= MAX_ERROR && fold(sum) == 0xffff;
}

/* Replaces a word of the quoted packet and keeps the checksum of the ICMP message right. */
inline_always int replace_quoted(struct __sk_buff *skb, u32 icmp, u32 at, u32 old, u32 new, u32 size)
{
    return bpf_l4_csum_replace(skb, icmp + 2, old, new, size) || bpf_skb_store_bytes(skb, at, &new, size, 0);
}

inline_always u16 checksum_after(u16 checksum, u32 old, u32 new, u16 old_port, u16 new_port)
{
    u32 sum = (u16)~checksum + (u32)delta_of_address(old, new) + delta_of_port(old_port, new_port);

    return ~fold(sum);
}

/* The transport checksum inside the quote, where it is quoted at all. */
inline_always int fix_quoted_checksum(struct __sk_buff *skb, u32 icmp, const struct quoted *quoted, u32 old, u32 new,
                                      u16 old_port, u16 new_port)
{
    u32 at = quoted->l4 + (quoted->protocol == IPPROTO_TCP ? 16 : quoted->protocol == IPPROTO_UDP ? 6 : 2);
    u16 checksum, fixed;

    if (at + 2 > quoted->end || bpf_skb_load_bytes(skb, at, &checksum, 2))
        return 0; /* truncated */
    if (quoted->protocol == IPPROTO_UDP && !checksum)
        return 0;
    if (quoted->protocol == IPPROTO_ICMP)
        old = new = 0;
    fixed = checksum_after(checksum, old, new, old_port, new_port);
    if (quoted->protocol == IPPROTO_UDP && !fixed)
        fixed = 0xffff;
    return replace_quoted(skb, icmp, at, checksum, fixed, 2);
}

/* Writes `address` and `port` over one side of the quoted packet. Returns 0 on success. */
inline_always int rewrite_quoted(struct __sk_buff *skb, u32 icmp, const struct quoted *quoted, int source, u32 address,
                                 u16 port)
{
    u32 old = source ? quoted->source : quoted->destination;
    u16 old_port = source ? quoted->source_port : quoted->destination_port;
    u16 check, fixed;

    if (bpf_skb_load_bytes(skb, quoted->l3 + 10, &check, 2))
        return -1;
    fixed = checksum_after(check, old, address, 0, 0);
    return fix_quoted_checksum(skb, icmp, quoted, old, address, old_port, port) ||
           replace_quoted(skb, icmp, quoted->l3 + 10, check, fixed, 2) ||
           replace_quoted(skb, icmp, quoted->l3 + (source ? 12 : 16), old, address, 4) ||
           replace_quoted(skb, icmp, quoted->port_at[source ? 0 : 1], old_port, port, 2);
}

/* An error from outside about a translated packet: finds the flow it is about. Returns 1 when it was
 * translated, 0 when no live flow is behind it, -1 when the packet could not be written. inside: its new destination. */
inline_always int translate_error_inbound(struct __sk_buff *skb, const struct packet *p, u32 *inside, u32 now)
{
    struct translation translation = {.is_source = 0};
    struct flow_key reply = {};
    struct quoted quoted = {};
    struct record *record;
    u16 inside_port;
    u64 live = 0;

    if (!load_quoted(skb, p, &quoted) || quoted.source != p->destination || !is_icmp_checksum_right(skb, p))
        return 0;
    reply.source = quoted.destination;
    reply.destination = quoted.source;
    reply.source_port = quoted.destination_port;
    reply.destination_port = quoted.source_port;
    reply.protocol = quoted.protocol;
    record = find_mapping(&reply, &live);
    if (!record || is_past(now, record->outbound.expires))
        return 0;
    translation.address = record->key.source;
    inside_port = record->key.source_port;
    if (!is_still(record, live))
        return 0;
    *inside = translation.address;
    if (rewrite_quoted(skb, p->l4, &quoted, 1, translation.address, inside_port) ||
        rewrite_skb_address(skb, &translation, p->destination))
        return -1;
    return 1;
}

/* An error that a subscriber, or the gateway, sends about a packet that came in translated. An error of
 * the gateway keeps its source (`keep_source`): only the quote is translated. `redirect`: that of the flow,
 * whose address is only good on its own link. */
inline_always int translate_error_outbound(struct __sk_buff *skb, const struct packet *p, int keep_source, u32 now,
                                           u32 *redirect)
{
    struct translation translation = {.is_source = 1};
    struct quoted quoted = {};
    struct flow_key key = {};
    struct record *record;
    u16 mapped_port;
    u64 live = 0;

    if (!load_quoted(skb, p, &quoted) || !is_icmp_checksum_right(skb, p))
        return 0;
    key.source = quoted.destination;
    key.destination = quoted.source;
    key.source_port = quoted.destination_port;
    key.destination_port = quoted.source_port;
    key.protocol = quoted.protocol;
    record = find_flow(&key, &live);
    if (!record || is_past(now, record->outbound.expires))
        return 0;
    translation.address = record->outbound.mapped;
    mapped_port = record->outbound.mapped_port;
    *redirect = record->outbound.redirect;
    if (!is_still(record, live))
        return 0;
    if (rewrite_quoted(skb, p->l4, &quoted, 0, translation.address, mapped_port))
        return -1;
    if (!keep_source && rewrite_skb_address(skb, &translation, p->source))
        return -1;
    return 1;
}

#endif
