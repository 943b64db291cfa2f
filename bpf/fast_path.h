/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fast path in XDP: a plain TCP or UDP frame of a flow that needs no refresh is parsed, looked up, rewritten
 * and sent with its words in registers. Everything else takes the established path (xdp.c), which does the same
 * and handles all other cases. */
#ifndef SNATSH_FAST_PATH_H
#define SNATSH_FAST_PATH_H

#include "established.h"
#include "rewrite.h"
#include "station.h"
#include "table.h"

/* Several fields are read and checked as one word: to save instructions. Little-endian. */
#define TYPE_TO_ID_AT (L3 - 2) /* Ethernet's type, IP version and header length, TOS, total length, identification */
#define IPV4_WITHOUT_OPTIONS 0x450008
#define FRAGMENT_TO_PROTOCOL_AT (L3 + 6) /* flags and fragment offset, TTL, protocol */
#define ANY_FRAGMENT 0xff3f
#define ANY_TTL 0xff0000
#define TTL_ONE 0x010000
#define ADDRESSES_AT (L3 + 12)
#define PORTS_AT (L3 + 20)
#define SHORTEST_TCP_HEADER 0x50 /* five words */

struct fast_frame {
    u64 addresses;
    u64 ports; /* and the protocol, as in a flow_key */
    u32 length;
};

/* Returns 1 when the fast path can handle the frame. */
inline_always int read_fast_frame(void *data, void *end, struct fast_frame *frame)
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
    if (L3 + frame->length > end - data)
        return 0;
    if (protocol == IPPROTO_UDP)
        return frame->length >= sizeof(struct iphdr) + 8;
    return protocol == IPPROTO_TCP && frame->length >= sizeof(struct iphdr) + sizeof(struct tcphdr) &&
           data + PORTS_AT + sizeof(struct tcphdr) <= end && *(u8 *)(data + PORTS_AT + 12) >= SHORTEST_TCP_HEADER &&
           !(*(u8 *)(data + PORTS_AT + 13) & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* Returns 0 when the flow's path is not known, or takes no frame of this length. */
inline_always int write_fast_frame(void *data, void *end, const struct fast_frame *frame,
                                   const struct forwarding *forwarding)
{
    if (!forwarding->out_ifindex || frame->length > forwarding->mtu)
        return 0;
    return rewrite_frame(data, end, &forwarding->translation, frame->ports >> 32, forwarding->ethernet);
}

/* Returns the interface to send it by, or 0 with the frame unchanged. */
inline_always u32 send_fast(struct xdp_md *ctx, const struct control *state, u32 side)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct fast_frame frame;
    struct record *record;
    struct forwarding forwarding;
    struct index_key index_key;
    struct tag_bucket *tag_bucket;
    u32 now = now_ticks();
    u64 live = 0;

    if ((state->traced && !is_past(now, state->traced)) || !read_fast_frame(data, end, &frame) ||
        !is_for_station(state, ctx->ingress_ifindex, data))
        return 0;
    make_index_key(state, side, frame.addresses, frame.ports, &index_key);
    tag_bucket = bucket_at(&index_key, 0);
    record = tag_bucket ? find_in_bucket(&index_key, tag_bucket, NO_RECORD, &live) : 0;
    if (!record)
        return 0;
    if (side == SIDE_OUTBOUND) {
        struct outbound *outbound = &record->outbound;

        if (!is_settled(outbound->touched, outbound->epoch, now, state->epoch, 0) ||
            !read_outbound(record, live, &forwarding) || !write_fast_frame(data, end, &frame, &forwarding))
            return 0;
        count_flow(&outbound->packets, &outbound->bytes, outbound->counter, frame.length);
    } else {
        struct inbound *inbound = &record->inbound;

        if (!is_settled(inbound->touched, inbound->epoch, now, state->epoch, 0) ||
            !read_inbound(record, live, &forwarding) || !write_fast_frame(data, end, &frame, &forwarding))
            return 0;
        count_flow(&inbound->packets, &inbound->bytes, inbound->counter, frame.length);
    }
    return forwarding.out_ifindex;
}

#endif
