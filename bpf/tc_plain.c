/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Outside devices without Ethernet header: PPP, tun, WireGuard. One is put in front of the packet, so that all the
 * rest sees frames. At the ingress the stack takes it off as the device's own, and a redirect to the inside keeps it;
 * at the egress a redirect to the device takes it off, as redirects from Ethernet devices do (see let_pass). */
#include "skb.h"

inline_always int put_header(struct __sk_buff *skb)
{
    u16 protocol = bpf_htons(ETH_P_IP);

    return bpf_skb_change_head(skb, ETH_HLEN, 0) || bpf_skb_store_bytes(skb, 12, &protocol, sizeof(protocol), 0);
}

inline_always int drop_plain(struct __sk_buff *skb)
{
    count_drop(DROP_INTERNAL, skb->len);
    return TC_ACT_SHOT;
}

int tc_plain_in(struct __sk_buff *skb)
{
    skb->tc_index = 0;
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    if (!put_header(skb))
        tc_programs.call(skb, TC_PROGRAM_OUTSIDE_IN);
    return drop_plain(skb);
}

int tc_plain_out(struct __sk_buff *skb)
{
    if (skb->tc_index == TRANSLATED) {
        skb->tc_index = 0;
        return TC_ACT_OK;
    }
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    skb->tc_index = WITH_HEADER;
    if (!put_header(skb))
        tc_programs.call(skb, TC_PROGRAM_OUTSIDE_OUT);
    return drop_plain(skb);
}
