/* Flow state. `flows` is keyed by the inside tuple and holds state and expiry; `mappings` is keyed by
 * the reply's tuple and is what a mapped port is claimed with. Plain hash maps: a full table refuses
 * new flows, it never evicts (RFC 6888). */
BPF_TABLE_PINNED("hash", struct flow_key, struct flow, flows, MAX_FLOWS, PIN_DIR "/flows");
BPF_TABLE_PINNED("hash", struct flow_key, struct mapping, mappings, MAX_FLOWS, PIN_DIR "/mappings");
BPF_TABLE_PINNED("hash", u32, struct address_usage, address_usage, MAX_ADDRESSES, PIN_DIR "/address_usage");
BPF_TABLE_PINNED("hash", u32, struct subscriber, subscribers, MAX_SUBSCRIBERS, PIN_DIR "/subscribers",
                 BPF_F_NO_PREALLOC);

inline_always u32 timeout_ticks(u32 slot, u8 protocol, u8 state)
{
    struct settings *limits = settings.lookup(&slot);
    u32 which = state & 3;

    if (protocol == IPPROTO_UDP)
        which = state == STATE_UNREPLIED ? TIMEOUT_UDP_UNREPLIED : TIMEOUT_UDP_REPLIED;
    else if (protocol == IPPROTO_ICMP)
        which = TIMEOUT_ICMP;
    return limits ? limits->timeouts[which & (TIMEOUT_COUNT - 1)] : TICKS_PER_SECOND * 30;
}

inline_always void flow_key_of_mapping(const struct flow_key *reply, const struct mapping *mapping,
                                       struct flow_key *key)
{
    key->source = mapping->inside;
    key->destination = reply->source;
    key->source_port = mapping->inside_port;
    key->destination_port = reply->source_port;
    key->protocol = reply->protocol;
    key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

inline_always void reply_key_of_flow(const struct flow_key *key, const struct flow *flow, struct flow_key *reply)
{
    reply->source = key->destination;
    reply->destination = flow->mapped;
    reply->source_port = key->destination_port;
    reply->destination_port = flow->mapped_port;
    reply->protocol = key->protocol;
    reply->pad[0] = reply->pad[1] = reply->pad[2] = 0;
}

/* Gauges belong to the mapping: whoever inserts it adds, whoever deletes it takes away. */
inline_always void add_active(struct address_usage *usage, u8 protocol, u32 change)
{
    if (protocol == IPPROTO_TCP)
        lock_xadd(&usage->tcp, change);
    else if (protocol == IPPROTO_UDP)
        lock_xadd(&usage->udp, change);
    else
        lock_xadd(&usage->icmp, change);
}

/* Deletes a mapping and settles its gauges; of two CPUs that try, one succeeds. */
inline_always void end_mapping(struct flow_key *reply, u32 inside, int answered)
{
    u32 mapped = reply->destination;
    struct address_usage *usage;
    struct subscriber *subscriber;

    if (mappings.delete(reply))
        return;
    give_back(reply);
    usage = address_usage.lookup(&mapped);
    if (usage)
        add_active(usage, reply->protocol, -1);
    subscriber = subscribers.lookup(&inside);
    if (!subscriber)
        return;
    lock_xadd(&subscriber->sessions, -1);
    if (!answered)
        lock_xadd(&subscriber->half_open, -1);
}

inline_always void add_half_open(u32 inside, u32 change)
{
    struct subscriber *subscriber = subscribers.lookup(&inside);

    if (subscriber)
        lock_xadd(&subscriber->half_open, change);
}

/* Ends a flow: its mapping first, so that nothing is left that claims a port without a flow. */
inline_always void end_flow(struct flow_key *key, const struct flow *flow)
{
    struct flow_key reply;
    struct mapping *mapping;

    reply_key_of_flow(key, flow, &reply);
    mapping = mappings.lookup(&reply);
    if (mapping && mapping->inside == key->source && mapping->inside_port == key->source_port)
        end_mapping(&reply, key->source, flow->seen & SEEN_REPLY);
    flows.delete(key);
}

inline_always void set_state(struct flow *flow, u32 slot, u8 protocol, u8 state, u32 now)
{
    flow->state = state;
    flow->expires = now + timeout_ticks(slot, protocol, state);
    flow->touched = now;
    if (flow->seen & SEEN_ENDPOINT)
        keep_exterior(flow->mapped, flow->mapped_port, protocol, flow->expires);
}

/* TCP after RFC 5382 and 7857: an RST shortens to transitory, never to nothing; both FINs mean
 * time-wait; a SYN on a closed flow opens it afresh. */
inline_always u8 next_tcp_state(struct flow *flow, u8 tcp_flags, u8 fin, int outbound)
{
    if (outbound && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && flow->state >= STATE_TRANSITORY) {
        flow->seen &= SEEN_ENDPOINT;
        return STATE_UNREPLIED;
    }
    if (tcp_flags & TCP_RST)
        flow->seen |= SEEN_RST;
    if (tcp_flags & TCP_FIN)
        flow->seen |= fin;
    if ((flow->seen & (SEEN_FIN_OUT | SEEN_FIN_IN)) == (SEEN_FIN_OUT | SEEN_FIN_IN))
        return STATE_TIME_WAIT;
    if (flow->seen & (SEEN_FIN_OUT | SEEN_FIN_IN | SEEN_RST))
        return STATE_TRANSITORY;
    if (flow->state == STATE_UNREPLIED && outbound && flow->seen & SEEN_REPLY)
        return STATE_ESTABLISHED;
    return flow->state;
}

inline_always void touch_outbound(struct flow *flow, u32 slot, const struct packet *p, u32 now)
{
    u8 state = flow->state;

    if (p->protocol == IPPROTO_TCP)
        state = next_tcp_state(flow, p->tcp_flags, SEEN_FIN_OUT, 1);
    set_state(flow, slot, p->protocol, state, now);
}

inline_always void touch_inbound(struct flow *flow, u32 slot, const struct packet *p, u32 now)
{
    u8 first = !(flow->seen & SEEN_REPLY);
    u8 state = STATE_ESTABLISHED;

    flow->seen |= SEEN_REPLY;
    if (p->protocol == IPPROTO_TCP)
        state = next_tcp_state(flow, p->tcp_flags, SEEN_FIN_IN, 0);
    set_state(flow, slot, p->protocol, state, now);
    if (first) /* so that the next outbound packet looks, and finds the flow answered */
        flow->touched = now - TOUCH_TICKS;
}

inline_always int is_settled(u32 touched, u32 epoch, u32 now, u32 current_epoch, u8 tcp_flags)
{
    return now - touched < TOUCH_TICKS && epoch == current_epoch && !(tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}
