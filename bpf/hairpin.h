/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hairpinning (RFC 4787, REQ-9): with its external source, a packet to a pool address re-enters by an outside interface
 * and is translated like any other from outside.
 *
 * Where pool and gateway share an address, routing takes packets to it for the gateway's. Those to the port of a mapping
 * are a subscriber's. They re-enter by the outside interface that local_addresses names. */
#ifndef SNATSH_HAIRPIN_H
#define SNATSH_HAIRPIN_H

#include "eim.h"
#include "path.h"
#include "skb.h"
#include "stack_connections.h"

/* The interface to re-enter by; 0: the address is not shared by gateway and pool. */
inline_always u32 reentry_interface(u32 slot, u32 address)
{
    struct local_address_key key = {.slot = slot, .address = address};
    u32 *ifindex = local_addresses.lookup(&key);

    return ifindex && find_pool_address(slot, address) ? *ifindex : 0;
}

/* The route of a subscriber's packet; to a shared address, the interface to re-enter by. */
inline_always void find_hairpin_path(void *ctx, u32 slot, u32 ifindex, const struct packet *p, struct path *path)
{
    find_path(ctx, ifindex, p, p->destination, p->destination_port, path);
    if (!path->out_ifindex)
        path->out_ifindex = reentry_interface(slot, p->destination);
}

/* Whether the packet is to the port of a mapping. Other ports of a shared address are the gateway's. */
inline_always int is_for_mapping(const struct packet *p, u32 now)
{
    struct eim_mapping_key key;

    return p->kind == KIND_FLOW && p->protocol != IPPROTO_ICMP && find_eim_mapping_to(p, &key, now);
}

/* Lets a packet with its external source re-enter, addressed to the interface it re-enters by: the egress where it is,
 * or at the ingress, that of its route. */
inline_always int hairpin_skb(struct __sk_buff *skb, u32 slot, const struct packet *p)
{
    u32 ifindex = skb->ifindex;
    struct interface *interface;
    struct path path;

    if (at_ingress(skb)) {
        find_hairpin_path(skb, slot, ifindex, p, &path);
        ifindex = path.out_ifindex;
    }
    interface = find_interface(slot, ifindex);
    if (!interface || interface->role != ROLE_OUTSIDE)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    if (bpf_skb_store_bytes(skb, 0, interface->mac, sizeof(interface->mac), 0))
        return drop_skb(DROP_INTERNAL, p);
    skb->tc_index = HAIRPINNED;
    return bpf_redirect(ifindex, BPF_F_INGRESS);
}

#endif
