/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Outside devices without Ethernet header: PPP, tun, WireGuard. A header is pushed, so that all other programs see
 * frames. At the ingress the stack removes it as the device's own, and a redirect to the inside keeps it; at the
 * egress a redirect to the device removes it (see let_pass). */
#include "skb.h"

inline_always int push_ethernet_header(struct __sk_buff *skb)
{
    u16 protocol = bpf_htons(ETH_P_IP);

    return bpf_skb_change_head(skb, ETH_HLEN, 0) || bpf_skb_store_bytes(skb, 12, &protocol, sizeof(protocol), 0);
}

inline_always int drop_l3(struct __sk_buff *skb)
{
    count_drop(DROP_INTERNAL, skb->len);
    return TC_ACT_SHOT;
}

int tc_l3_in(struct __sk_buff *skb)
{
    if (skb->tc_index != HAIRPINNED)
        skb->tc_index = 0;
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    if (!push_ethernet_header(skb))
        tc_programs.call(skb, TC_PROGRAM_OUTSIDE_IN);
    return drop_l3(skb);
}

int tc_l3_out(struct __sk_buff *skb)
{
    if (skb->tc_index == TRANSLATED) {
        skb->tc_index = 0;
        return TC_ACT_OK;
    }
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    skb->tc_index = HEADER_PUSHED;
    if (!push_ethernet_header(skb))
        tc_programs.call(skb, TC_PROGRAM_OUTSIDE_OUT);
    return drop_l3(skb);
}
