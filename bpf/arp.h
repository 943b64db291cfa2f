/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Replies to ARP requests for announced pool addresses (RFC 826), so that they need not be addresses of the
 * gateway. */
#ifndef SNATSH_ARP_H
#define SNATSH_ARP_H

#include "config.h"
#include "parse.h"

struct arp {
    u16 hardware;
    u16 protocol;
    u8 hardware_length;
    u8 protocol_length;
    u16 operation;
    u8 sender_mac[6];
    u32 sender;
    u8 target_mac[6];
    u32 target;
} __attribute__((packed));

inline_always int answer_arp(struct __sk_buff *skb, u32 slot)
{
    struct pool_address *address;
    struct interface *interface;
    u8 frame[12];
    struct arp arp;

    if (bpf_skb_load_bytes(skb, L3, &arp, sizeof(arp)) || arp.hardware != bpf_htons(1) ||
        arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_length != 6 || arp.protocol_length != 4 ||
        arp.operation != bpf_htons(1))
        return TC_ACT_OK;
    address = find_pool_address(slot, arp.target);
    if (!address || address->announce_ifindex != skb->ifindex || arp.sender == arp.target)
        return TC_ACT_OK;
    interface = find_interface(slot, skb->ifindex);
    if (!interface)
        return TC_ACT_OK;
    __builtin_memcpy(frame, arp.sender_mac, 6);
    __builtin_memcpy(frame + 6, interface->mac, 6);
    __builtin_memcpy(arp.target_mac, arp.sender_mac, 6);
    __builtin_memcpy(arp.sender_mac, interface->mac, 6);
    u32 asked = arp.target;
    arp.target = arp.sender;
    arp.sender = asked;
    arp.operation = bpf_htons(2);
    if (bpf_skb_store_bytes(skb, 0, frame, sizeof(frame), 0) || bpf_skb_store_bytes(skb, L3, &arp, sizeof(arp), 0))
        return TC_ACT_OK;
    return bpf_redirect(skb->ifindex, 0);
}

#endif
