/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP flows that snatd ended with their link. The next packet of the subscriber is answered by a reset with the
 * sequence number it acknowledges, the only one accepted (RFC 9293, section 3.10.7.1; RFC 5961, section 3.2). */
#ifndef SNATSH_RESET_H
#define SNATSH_RESET_H

#include "config.h"
#include "parse.h"
#include "refuse.h"

SHARED_MAP("lru_hash", struct flow_key, u32, terminated_flows); /* value: tick until which they are answered */

struct reset {
    struct ethhdr ethernet;
    struct iphdr ip;
    struct tcphdr tcp;
} __attribute__((packed));

#define ACKNOWLEDGED_AT (L3 + sizeof(struct iphdr) + 8)

/* Whether the packet belongs to an ended connection; a SYN begins another one. */
inline_always int is_terminated(const struct packet *p, u32 now)
{
    struct flow_key key;
    u32 *until;

    if (p->kind != KIND_FLOW || p->fragment != WHOLE || p->protocol != IPPROTO_TCP ||
        p->l4 != L3 + sizeof(struct iphdr) || (p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
        return 0;
    key_of(p, &key);
    until = terminated_flows.lookup(&key);
    return until && !is_past(now, *until);
}

/* Fills all but the Ethernet header, with the packet's destination as the source. */
inline_always void fill_reset(struct reset *reset, const struct packet *p, u32 acknowledged)
{
    u8 ip[20] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, IPPROTO_TCP};
    u8 tcp[12 + 20] = {}; /* the pseudo-header first */

    __builtin_memcpy(ip + 12, &p->destination, 4);
    __builtin_memcpy(ip + 16, &p->source, 4);
    *(u16 *)(ip + 10) = internet_checksum(ip, sizeof(ip));
    __builtin_memcpy(tcp, ip + 12, 8);
    tcp[9] = IPPROTO_TCP;
    tcp[11] = 20;
    __builtin_memcpy(tcp + 12, &p->destination_port, 2);
    __builtin_memcpy(tcp + 14, &p->source_port, 2);
    __builtin_memcpy(tcp + 16, &acknowledged, 4);
    tcp[24] = 5 << 4;
    tcp[25] = TCP_RST;
    *(u16 *)(tcp + 28) = internet_checksum(tcp, sizeof(tcp));
    __builtin_memcpy(&reset->ip, ip, sizeof(ip));
    __builtin_memcpy(&reset->tcp, tcp + 12, 20);
}

#endif
