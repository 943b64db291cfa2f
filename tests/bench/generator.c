/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the packet generator and of what it is compared with. The constants in capitals come from generator.py. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

/* What the generator writes: `flows` inside endpoints, spread over `clients` addresses from `source` on. */
struct plan {
    __u64 next;
    __u32 interface;
    __u32 flows;
    __u32 clients;
    __u32 stride;      /* from one packet's endpoint to that of the next */
    __u32 source;      /* host order, as the others */
    __u32 destination;
    __u8 source_mac[6];
    __u8 gateway_mac[6];
};

/* Where the bare redirect sends everything. */
struct shortcut {
    __u32 interface;
    __u8 source_mac[6];
    __u8 next_hop_mac[6];
};

BPF_ARRAY(plans, struct plan, 1);
BPF_ARRAY(shortcuts, struct shortcut, 1);
/* 0: translated, 1: with a source of the inside. */
BPF_PERCPU_ARRAY(arrived, __u64, 2);

struct frame {
    struct ethhdr ethernet;
    struct iphdr ip;
    struct udphdr udp;
} __attribute__((packed));

static inline __u16 fold(__u64 sum)
{
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* Frames are pages used over and over, and the gateway has written in them: so each one is written whole. */
int generate(struct xdp_md *context)
{
    struct frame *frame = (void *)(long)context->data;
    int zero = 0;
    struct plan *plan = plans.lookup(&zero);
    if (!plan || (void *)(frame + 1) > (void *)(long)context->data_end || !plan->flows || !plan->clients)
        return XDP_ABORTED;

    __u64 flow = plan->next, next = flow + plan->stride;
    plan->next = next < plan->flows ? next : next - plan->flows;
    __u32 source = plan->source + flow % plan->clients;
    __u16 source_port = 1024 + flow / plan->clients;
    __u16 ip_size = sizeof(struct frame) - sizeof(struct ethhdr) + PAYLOAD;
    __u16 udp_size = sizeof(struct udphdr) + PAYLOAD;

    __builtin_memcpy(frame->ethernet.h_dest, plan->gateway_mac, 6);
    __builtin_memcpy(frame->ethernet.h_source, plan->source_mac, 6);
    frame->ethernet.h_proto = bpf_htons(ETH_P_IP);

    __u64 addresses = (__u64)(source >> 16) + (source & 0xffff) + (plan->destination >> 16) + (plan->destination & 0xffff);
    frame->ip.version = 4;
    frame->ip.ihl = 5;
    frame->ip.tos = 0;
    frame->ip.tot_len = bpf_htons(ip_size);
    frame->ip.id = 0;
    frame->ip.frag_off = bpf_htons(0x4000);
    frame->ip.ttl = 64;
    frame->ip.protocol = IPPROTO_UDP;
    frame->ip.check = bpf_htons(fold(0x4500 + ip_size + 0x4000 + (64 << 8 | IPPROTO_UDP) + addresses));
    frame->ip.saddr = bpf_htonl(source);
    frame->ip.daddr = bpf_htonl(plan->destination);

    frame->udp.source = bpf_htons(source_port);
    frame->udp.dest = bpf_htons(DESTINATION_PORT);
    frame->udp.len = bpf_htons(udp_size);
    /* The payload is zeros and stays so. */
    frame->udp.check = bpf_htons(fold(addresses + IPPROTO_UDP + udp_size + source_port + DESTINATION_PORT + udp_size));
    return bpf_redirect(plan->interface, 0);
}

/* The limit: what a gateway that looks at nothing would do. */
int shortcut(struct xdp_md *context)
{
    struct ethhdr *ethernet = (void *)(long)context->data;
    int zero = 0;
    struct shortcut *way = shortcuts.lookup(&zero);
    if (!way || (void *)(ethernet + 1) > (void *)(long)context->data_end)
        return XDP_ABORTED;
    __builtin_memcpy(ethernet->h_dest, way->next_hop_mac, 6);
    __builtin_memcpy(ethernet->h_source, way->source_mac, 6);
    return bpf_redirect(way->interface, 0);
}

/* What a router that only routes would do: the kernel's own lookup, and a TTL less. */
int forward(struct xdp_md *context)
{
    struct bpf_fib_lookup fib = {};
    struct frame *frame = (void *)(long)context->data;

    if ((void *)(frame + 1) > (void *)(long)context->data_end || frame->ethernet.h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;
    fib.family = 2;
    fib.ifindex = context->ingress_ifindex;
    fib.tot_len = bpf_ntohs(frame->ip.tot_len);
    fib.ipv4_src = frame->ip.saddr;
    fib.ipv4_dst = frame->ip.daddr;
    if (bpf_fib_lookup(context, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
        return XDP_PASS;
    __u32 sum = frame->ip.check + bpf_htons(0x0100);
    frame->ip.check = sum + (sum >= 0xffff);
    frame->ip.ttl--;
    __builtin_memcpy(frame->ethernet.h_dest, fib.dmac, 6);
    __builtin_memcpy(frame->ethernet.h_source, fib.smac, 6);
    return bpf_redirect(fib.ifindex, 0);
}

/* The far end of a round trip: sends every UDP packet back to where it came from. */
int reflect(struct xdp_md *context)
{
    struct frame *frame = (void *)(long)context->data;
    __u8 mac[6];

    if ((void *)(frame + 1) > (void *)(long)context->data_end || frame->ethernet.h_proto != bpf_htons(ETH_P_IP) ||
        frame->ip.protocol != IPPROTO_UDP)
        return XDP_PASS;
    __builtin_memcpy(mac, frame->ethernet.h_source, 6);
    __builtin_memcpy(frame->ethernet.h_source, frame->ethernet.h_dest, 6);
    __builtin_memcpy(frame->ethernet.h_dest, mac, 6);
    __u32 address = frame->ip.saddr;
    frame->ip.saddr = frame->ip.daddr;
    frame->ip.daddr = address;
    __u16 port = frame->udp.source;
    frame->udp.source = frame->udp.dest;
    frame->udp.dest = port;
    return bpf_redirect(context->ingress_ifindex, 0); /* a veth does not flush what XDP_TX leaves to it */
}

/* The far end: counts the plan's packets that came out, and drops them. */
int count(struct xdp_md *context)
{
    struct frame *frame = (void *)(long)context->data;
    if ((void *)(frame + 1) > (void *)(long)context->data_end || frame->ethernet.h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;
    if (frame->ip.protocol != IPPROTO_UDP || frame->udp.dest != bpf_htons(DESTINATION_PORT))
        return XDP_PASS;
    int inside = (bpf_ntohl(frame->ip.saddr) & INSIDE_MASK) == INSIDE_NETWORK;
    __u64 *counter = arrived.lookup(&inside);
    if (counter)
        *counter += 1;
    return XDP_DROP;
}
