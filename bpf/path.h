/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a packet goes next, by the routing table and neighbours of the kernel. Looked up once per flow and
 * whenever control.epoch has changed; once a second while snatd does not watch for changes. */
#ifndef SNATSH_PATH_H
#define SNATSH_PATH_H

#include "parse.h"
#include "types.h"

struct path {
    u32 out_ifindex; /* 0: not forwarded (local, blackhole, no route) */
    u32 next_hop;    /* the gateway, or the destination itself when it is on-link */
    u32 complete;    /* link-layer addresses and MTU below are known */
    u16 mtu;
    u8 ethernet[12]; /* destination, source */
};

/* The route of a packet to this destination and port, as policy rules and routes choose it: by addresses, protocol, ports
 * and TOS. Of ICMP they know no ports, as the kernel. Marks are not looked at: netfilter sets them later. */
inline_always void find_path(void *ctx, u32 ifindex, const struct packet *p, u32 destination, u16 port, struct path *path)
{
    struct bpf_fib_lookup fib = {};
    long outcome;

    fib.family = 2; /* AF_INET */
    fib.ifindex = ifindex;
    fib.tot_len = sizeof(struct iphdr); /* host order; makes the kernel report the path's MTU */
    fib.l4_protocol = p->protocol;
    if (p->protocol != IPPROTO_ICMP) {
        fib.sport = p->source_port;
        fib.dport = port;
    }
    fib.tos = p->tos;
    fib.ipv4_src = p->source;
    fib.ipv4_dst = destination;
    outcome = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
    path->out_ifindex = 0;
    path->next_hop = 0;
    path->complete = 0;
    /* On "no neighbour" the kernel has already filled in interface and gateway. */
    if (outcome != BPF_FIB_LKUP_RET_SUCCESS && outcome != BPF_FIB_LKUP_RET_NO_NEIGH)
        return;
    path->out_ifindex = fib.ifindex;
    path->next_hop = fib.ipv4_dst;
    if (outcome != BPF_FIB_LKUP_RET_SUCCESS)
        return;
    path->complete = 1;
    path->mtu = fib.mtu_result;
    __builtin_memcpy(path->ethernet, fib.dmac, 6);
    __builtin_memcpy(path->ethernet + 6, fib.smac, 6);
}

#endif
