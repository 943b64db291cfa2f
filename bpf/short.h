/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The short way through XDP: a TCP or UDP frame with nothing unusual about it, of a flow that needs no second look,
 * is read, found, rewritten and sent while its words lie in registers. All else takes the long way (xdp.c), which
 * does the same and everything beside it. */
#ifndef SNATSH_SHORT_H
#define SNATSH_SHORT_H

#include "known.h"
#include "rewrite.h"
#include "table.h"

/* Several fields are read and checked as one word: few instructions are what makes it short. Little-endian. */
#define TYPE_TO_ID_AT (L3 - 2) /* Ethernet's type, IP version and header length, TOS, total length, identification */
#define IPV4_WITHOUT_OPTIONS 0x450008
#define FRAGMENT_TO_PROTOCOL_AT (L3 + 6) /* flags and fragment offset, TTL, protocol */
#define ANY_FRAGMENT 0xff3f
#define ANY_TTL 0xff0000
#define TTL_ONE 0x010000
#define ADDRESSES_AT (L3 + 12)
#define PORTS_AT (L3 + 20)

struct short_frame {
    u64 addresses;
    u64 ports; /* and the protocol, as in a flow_key */
    u32 length;
};

/* 1 when the frame is one for the short way. */
inline_always int read_short(void *data, void *end, struct short_frame *frame)
{
    u64 first, second, protocol;

    if (data + PORTS_AT + 8 > end)
        return 0;
    first = *(u64 *)(data + TYPE_TO_ID_AT);
    second = *(u32 *)(data + FRAGMENT_TO_PROTOCOL_AT);
    if ((first & 0xffffff) != IPV4_WITHOUT_OPTIONS || second & ANY_FRAGMENT || (second & ANY_TTL) <= TTL_ONE)
        return 0;
    protocol = second >> 24;
    frame->length = bpf_ntohs((u16)(first >> 32));
    frame->addresses = *(u64 *)(data + ADDRESSES_AT);
    frame->ports = *(u32 *)(data + PORTS_AT) | protocol << 32;
    if (frame->length < sizeof(struct iphdr))
        return 0;
    if (protocol == IPPROTO_UDP)
        return 1;
    return protocol == IPPROTO_TCP && data + PORTS_AT + sizeof(struct tcphdr) <= end &&
           !(*(u8 *)(data + PORTS_AT + 13) & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* The interface it is to leave by, or 0 with nothing touched. */
inline_always u32 send_short(struct xdp_md *ctx, const struct control *state, u32 side)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct short_frame frame;
    struct record *record;
    struct change change;
    struct place place;
    struct line *line;
    u32 out_ifindex, now = now_ticks();

    if ((state->traced && !is_past(now, state->traced)) || !read_short(data, end, &frame))
        return 0;
    find_place(state, side, frame.addresses, frame.ports, &place);
    line = line_at(&place, 0);
    record = line ? find_in_line(&place, line, NOBODY) : 0;
    if (!record)
        return 0;
    if (side == SIDE_FLOW) {
        struct flow *flow = &record->flow;

        out_ifindex = flow->out_ifindex;
        if (!is_settled(flow->touched, flow->epoch, now, state->epoch, 0) || !out_ifindex ||
            frame.length > flow->mtu)
            return 0;
        change_of_flow(flow, &change);
        if (!rewrite_frame(data, end, &change, frame.ports >> 32, flow->ethernet))
            return 0;
        count_flow(&flow->packets, &flow->bytes, flow->counter, frame.length);
    } else {
        struct mapping *mapping = &record->mapping;

        out_ifindex = mapping->out_ifindex;
        if (!is_settled(mapping->touched, mapping->epoch, now, state->epoch, 0) || !out_ifindex ||
            frame.length > mapping->mtu)
            return 0;
        change_of_mapping(mapping, &change);
        if (!rewrite_frame(data, end, &change, frame.ports >> 32, mapping->ethernet))
            return 0;
        count_flow(&mapping->packets, &mapping->bytes, mapping->counter, frame.length);
    }
    return out_ifindex;
}

#endif
