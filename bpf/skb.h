/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by the TC programs: parsing, dropping and sending socket buffers. */
#ifndef SNATSH_SKB_H
#define SNATSH_SKB_H

#include <linux/if_packet.h>

#include "config.h"
#include "counters.h"
#include "parse.h"
#include "path.h"
#include "rewrite.h"
#include "trace.h"

SHARED_MAP("prog", u32, u32, tc_programs);
/* Interfaces that snatd has seen. The kernel removes one that goes. */
SHARED_DEVICES(known_interfaces);

/* Indices into tc_programs (snatsh/datapath/programs.py). */
enum tc_tail_call {
    TC_PROGRAM_MATCH,
    TC_PROGRAM_CLAIM,
    TC_PROGRAM_CLAIM_EIM,
    TC_PROGRAM_REFUSE,
    TC_PROGRAM_OUTSIDE_IN,
    TC_PROGRAM_OUTSIDE_OUT,
    TC_PROGRAM_RESET,
    TC_PROGRAM_INSIDE,
    TC_PROGRAM_OWN,
    TC_PROGRAM_UNMATCHED,
    TC_PROGRAM_RECLAIM,
    TC_PROGRAM_OPEN,
    TC_PROGRAM_ADMIT,
};

/* BCC 0.26 declares this helper without its third argument. */
static long (*redirect_by_neighbour)(u32 ifindex, struct bpf_redir_neigh *next_hop, int size, u64 flags) =
    (void *)BPF_FUNC_redirect_neigh;

/* Set on a translated packet, which passes the egress hook again after a redirect. */
#define TRANSLATED 0x5a7e
#define VLAN_ID 0xfff
/* Set on a packet that re-enters by an outside interface (hairpin.h). */
#define HAIRPINNED 0x5a80
/* Set on a packet at the egress of a device that has no Ethernet header (tc_l3.c). */
#define HEADER_PUSHED 0x5a7f

inline_always int drop_skb(u32 reason, const struct packet *p)
{
    count_drop(reason, p->length);
    return TC_ACT_SHOT;
}

/* The same, traced. Not in the programs that claim, which are dear to verify. */
inline_always int drop_traced_skb(u32 reason, const struct packet *p)
{
    trace(p, TRACE_DROPPED, reason, 0, 0);
    return drop_skb(reason, p);
}

/* Whether the frame is for the interface it came in by. The stack forwards no other. */
inline_always int is_skb_for_gateway(struct __sk_buff *skb)
{
    return skb->pkt_type == PACKET_HOST;
}

inline_always u32 parse_skb(struct __sk_buff *skb, struct packet *p)
{
    u32 outcome;

    if (skb->vlan_present && !(skb->vlan_tci & VLAN_ID)) /* a priority, no VLAN (IEEE 802.1Q): as the stack, ignored */
        bpf_skb_vlan_pop(skb);
    if (skb->vlan_present) { /* the stack has taken the tag off, but the frame belongs to the VLAN device */
        count_pass(PASS_VLAN, skb->len);
        return PARSED_NOT_IP;
    }
    outcome = parse((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, p);
    if (outcome != PARSED) {
        if (skb->protocol != bpf_htons(ETH_P_IP))
            return PARSED_NOT_IP;
        /* The headers may lie outside the linear part: 14 + 60 + 20 at the most. */
        bpf_skb_pull_data(skb, skb->len < 94 ? skb->len : 94);
        outcome = parse((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, p);
    }
    p->mark = skb->mark;
    return outcome;
}

/* Whether this is the ingress of the interface the packet came in by, and not the egress of another. */
inline_always int at_ingress(struct __sk_buff *skb)
{
    return skb->ifindex == skb->ingress_ifindex;
}

/* Whether the packet can be sent without the stack, which reassembles nothing but processes IP options. */
inline_always int is_plain(const struct packet *p)
{
    return p->fragment == WHOLE && p->l4 == L3 + sizeof(struct iphdr);
}

/* Of the segments as they are sent. */
inline_always u32 packet_length(struct __sk_buff *skb, const struct packet *p)
{
    return skb->gso_size ? skb->gso_size + p->l4 - L3 + p->l4_header : p->length;
}

/* An interface that was made since snatd looked last, whatever its index: it has no role and no leak guard yet. */
inline_always int is_new(u32 ifindex)
{
    return ifindex && !known_interfaces.lookup(&ifindex);
}

/* Forwards as the stack decided. A redirect removes the header that the device does not know. */
inline_always int let_pass(struct __sk_buff *skb)
{
    if (skb->tc_index != HEADER_PUSHED)
        return TC_ACT_OK;
    skb->tc_index = TRANSLATED;
    return bpf_redirect(skb->ifindex, 0);
}

/* Sends by the cached path, bypassing the stack. */
inline_always int send_skb(struct __sk_buff *skb, const struct packet *p, const struct translation *translation,
                           const u64 *ethernet, u32 out_ifindex)
{
    void *data;

    if (rewrite_skb_l4(skb, p, translation))
        return drop_skb(DROP_INTERNAL, p);
    data = (void *)(long)skb->data;
    if (data + L3 + sizeof(struct iphdr) > (void *)(long)skb->data_end)
        return drop_skb(DROP_INTERNAL, p);
    rewrite_headers(data, translation, ethernet);
    skb->tc_index = TRANSLATED;
    return bpf_redirect(out_ifindex, 0);
}

/* Sends by a next hop, whose link-layer address the kernel resolves if necessary. */
inline_always int send_by_neighbour(struct __sk_buff *skb, u32 out_ifindex, u32 address)
{
    struct bpf_redir_neigh next_hop = {.nh_family = 2, .ipv4_nh = address};

    skb->tc_index = TRANSLATED;
    return redirect_by_neighbour(out_ifindex, &next_hop, sizeof(next_hop), 0);
}

/* Forwards a translated packet as the stack decided, or by the next hop its flow is redirected to. */
inline_always int forward_translated(struct __sk_buff *skb, const struct packet *p, u32 redirect)
{
    struct path path;

    if (!redirect)
        return let_pass(skb);
    find_path(skb, skb->ingress_ifindex, p, redirect, p->destination_port, &path);
    if (!path.out_ifindex)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    return send_by_neighbour(skb, path.out_ifindex, redirect);
}

#endif
