/* Port claim: insert the mapping with BPF_NOEXIST, and only then publish the flow. The source port is
 * kept where it is free and in the pool's range; else an unpredictable one is taken. Work is bounded:
 * so many tries for a packet, on so many addresses. */
#define CLAIM_TRIES 8  /* in one run of the claiming program, for the verifier's sake; … */
#define CLAIM_ROUNDS 16 /* … which calls itself again so many times; the kernel allows 33 calls in all */
#define ADDRESS_TRIES 16
#define CLAIM_GRACE_TICKS 120 /* a claim this young may be another CPU's, not yet published */

enum claim { CLAIMED, CLAIM_BUSY, CLAIM_FULL, CLAIM_AGAIN };

/* Frees the mapping if nothing lives behind it; returns 1 when it is worth trying again. */
inline_always int reclaim(struct flow_key *reply, u32 now)
{
    struct mapping *mapping = mappings.lookup(reply);
    struct flow_key key;
    struct flow *flow;
    u32 inside;
    int answered = 0;

    if (!mapping)
        return 1;
    inside = mapping->inside;
    flow_key_of_mapping(reply, mapping, &key);
    flow = flows.lookup(&key);
    if (flow && flow->mapped == reply->destination && flow->mapped_port == reply->destination_port) {
        if (!is_past(now, flow->expires))
            return 0;
        answered = flow->seen & SEEN_REPLY;
        flows.delete(&key);
    } else if (!is_past(now, mapping->created + CLAIM_GRACE_TICKS)) {
        return 0;
    }
    end_mapping(reply, inside, answered);
    return 1;
}

inline_always u32 claim(struct flow_key *reply, struct mapping *mapping, u32 now)
{
    int outcome = mappings.insert(reply, mapping);

    if (outcome == -17 && reclaim(reply, now)) /* EEXIST */
        outcome = mappings.insert(reply, mapping);
    if (!outcome)
        return CLAIMED;
    return outcome == -17 ? CLAIM_BUSY : CLAIM_FULL;
}

inline_always u16 random_port(const struct pool *pool)
{
    return bpf_htons(pool->port_first + scale(bpf_get_prandom_u32(), pool->port_count));
}

/* Whether a socket of this box would get the replies: a listener's port is never handed out, nor the tuple of
 * a connection. Asked for pools that hold an address of the box. */
inline_always int is_taken_by_socket(void *ctx, const struct flow_key *reply)
{
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock *socket = 0;

    tuple.ipv4.saddr = reply->source;
    tuple.ipv4.daddr = reply->destination;
    tuple.ipv4.sport = reply->source_port;
    tuple.ipv4.dport = reply->destination_port;
    if (reply->protocol == IPPROTO_TCP)
        socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    else if (reply->protocol == IPPROTO_UDP)
        socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!socket)
        return 0;
    bpf_sk_release(socket);
    return 1;
}
