/* The TC half: everything where there is no native XDP, and what XDP hands up. Outbound packets are
 * translated at the egress of the outside interface, which is the leak guard too: what came in by an
 * inside interface leaves translated, exempted by a rule, or not at all. */
BPF_TABLE_PINNED("prog", u32, u32, tc_programs, 3, PIN_DIR "/tc_programs");
#define TC_PROGRAM_MATCH 0
#define TC_PROGRAM_CLAIM 1
#define TC_PROGRAM_ENDPOINT 2

/* BCC 0.26 declares this helper without its third argument. */
static long (*redirect_by_neighbour)(u32 ifindex, struct bpf_redir_neigh *next_hop, int size, u64 flags) =
    (void *)BPF_FUNC_redirect_neigh;

/* Set on a packet that is translated already and passes the egress hook again after a redirect. */
#define TRANSLATED 0x5a7e

inline_always int drop_skb(u32 reason, const struct packet *p)
{
    count_drop(reason, p->length);
    return TC_ACT_SHOT;
}

inline_always u32 parse_skb(struct __sk_buff *skb, struct packet *p)
{
    u32 outcome = parse((void *)(long)skb->data, (void *)(long)skb->data_end, p);

    if (outcome != PARSED_NOT_IP && outcome != PARSED_MALFORMED)
        return outcome;
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return PARSED_NOT_IP;
    /* The headers may lie outside the linear part: 14 + 60 + 20 at the most. */
    bpf_skb_pull_data(skb, skb->len < 94 ? skb->len : 94);
    return parse((void *)(long)skb->data, (void *)(long)skb->data_end, p);
}

/* Whether this is the ingress of the interface the packet came in by, and not the egress of another. */
inline_always int at_ingress(struct __sk_buff *skb)
{
    return skb->ifindex == skb->ingress_ifindex;
}

inline_always u32 packet_length(struct __sk_buff *skb, const struct packet *p)
{
    return skb->gso_size ? skb->gso_size + 40 : p->length;
}

/* Straight out by the cached path, around the stack. */
inline_always int send_skb(struct __sk_buff *skb, const struct packet *p, const struct change *change,
                           const u8 *ethernet, u32 out_ifindex)
{
    u8 frame[12];

    __builtin_memcpy(frame, ethernet, 12);
    if (rewrite_skb(skb, p, change) || lower_skb_ttl(skb, p) || bpf_skb_store_bytes(skb, 0, frame, 12, 0))
        return drop_skb(DROP_INTERNAL, p);
    skb->tc_index = TRANSLATED;
    return bpf_redirect(out_ifindex, 0);
}

/* By a next hop whose link-layer address the kernel finds out when it has to. */
inline_always int send_by_neighbour(struct __sk_buff *skb, u32 out_ifindex, u32 address)
{
    struct bpf_redir_neigh next_hop = {.nh_family = 2, .ipv4_nh = address};

    skb->tc_index = TRANSLATED;
    return redirect_by_neighbour(out_ifindex, &next_hop, sizeof(next_hop), 0);
}

/* Hairpin (RFC 4787, REQ-9): with its external source, back in by the outside interface it would have left
 * by, where it is translated as anything from outside is. Counts as one hop: that half lowers the TTL. */
inline_always int turn_back(struct __sk_buff *skb, const struct packet *p, struct flow *flow)
{
    u32 redirect = flow->redirect;
    struct change change;
    struct path path;

    find_path(skb, skb->ifindex, p->source, redirect ? redirect : p->destination, &path);
    if (!path.out_ifindex)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    change_of_flow(flow, &change);
    count_flow(&flow->packets, &flow->bytes, flow->counter, p->length);
    if (rewrite_skb(skb, p, &change))
        return drop_skb(DROP_INTERNAL, p);
    return bpf_redirect(path.out_ifindex, BPF_F_INGRESS);
}

/* At the ingress of the inside: around the stack where the path is known. A redirected flow must not
 * depend on the route it is redirected from, so it never goes by the stack. */
inline_always int forward(struct __sk_buff *skb, const struct packet *p, struct flow *flow)
{
    u32 redirect = flow->redirect, out_ifindex = flow->out_ifindex;
    struct change change;
    struct path path;

    if (p->ttl <= 1 || (out_ifindex && packet_length(skb, p) > flow->mtu))
        return TC_ACT_OK; /* the stack answers with an ICMP error */
    if (flow->seen & SEEN_HAIRPIN)
        return turn_back(skb, p, flow);
    change_of_flow(flow, &change);
    if (out_ifindex) {
        count_flow(&flow->packets, &flow->bytes, flow->counter, p->length);
        return send_skb(skb, p, &change, flow->ethernet, out_ifindex);
    }
    if (!redirect)
        return TC_ACT_OK;
    find_path(skb, skb->ifindex, p->source, redirect, &path);
    if (!path.out_ifindex)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    count_flow(&flow->packets, &flow->bytes, flow->counter, p->length);
    if (rewrite_skb(skb, p, &change) || lower_skb_ttl(skb, p))
        return drop_skb(DROP_INTERNAL, p);
    return send_by_neighbour(skb, path.out_ifindex, redirect);
}

int tc_inside(struct __sk_buff *skb)
{
    u32 zero = 0, now;
    struct control *state = control.lookup(&zero);
    struct interface *interface;
    struct packet p;
    struct flow_key key;
    struct flow *flow;

    skb->tc_index = 0;
    if (!state || parse_skb(skb, &p) != PARSED || p.kind != KIND_FLOW || p.fragment != WHOLE)
        return TC_ACT_OK;
    key_of(&p, &key);
    flow = flows.lookup(&key);
    now = now_ticks();
    if (flow && (is_settled(flow->touched, flow->epoch, now, state->epoch, p.tcp_flags) ||
                 refresh_outbound(skb, skb->ifindex, &key, flow, &p, state, now)))
        return forward(skb, &p, flow);
    interface = find_interface(state->generation & 1, skb->ifindex);
    if (!interface || interface->flags & INTERFACE_XDP)
        return TC_ACT_OK; /* XDP has matched it already, and left it to the stack */
    tc_programs.call(skb, TC_PROGRAM_MATCH);
    return TC_ACT_OK; /* the egress of the outside interface opens the flow */
}

inline_always int refuse_inbound(u32 slot, const struct packet *p)
{
    struct pool_address *address = find_pool_address(slot, p->destination);

    if (!address || address->flags & POOL_ADDRESS_TO_STACK)
        return TC_ACT_OK;
    return drop_skb(p->kind == KIND_FLOW         ? DROP_NO_FLOW
                    : p->kind == KIND_ICMP_ERROR ? DROP_ICMP_NO_FLOW
                    : p->kind == KIND_FRAGMENT   ? DROP_FRAGMENT
                                                 : DROP_PROTOCOL,
                    p);
}

inline_always int translate_fragment_inbound(struct __sk_buff *skb, u32 slot, const struct packet *p, u32 now)
{
    struct fragment *fragment = find_fragment(p, now);
    struct change change = {.is_source = 0};

    if (!fragment)
        return refuse_inbound(slot, p);
    change.address = fragment->address;
    return rewrite_skb_address(skb, &change, p->destination) ? drop_skb(DROP_INTERNAL, p) : TC_ACT_OK;
}

int tc_outside_in(struct __sk_buff *skb)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct mapping *mapping;
    struct change change;
    struct flow_key reply;
    struct packet p;
    int outcome;

    if (!state)
        return TC_ACT_OK;
    slot = state->generation & 1;
    if (skb->protocol == bpf_htons(ETH_P_ARP))
        return answer_arp(skb, slot);
    if (parse_skb(skb, &p) != PARSED)
        return TC_ACT_OK;
    if (p.kind == KIND_ICMP_ERROR) {
        outcome = translate_error_inbound(skb, &p, now);
        if (outcome < 0)
            return drop_skb(DROP_INTERNAL, &p);
        return outcome ? TC_ACT_OK : refuse_inbound(slot, &p);
    }
    if (p.kind == KIND_FRAGMENT)
        return translate_fragment_inbound(skb, slot, &p, now);
    if (p.kind != KIND_FLOW)
        return refuse_inbound(slot, &p);
    key_of(&p, &reply);
    mapping = mappings.lookup(&reply);
    if (!mapping && open_from_outside(slot, &p, now))
        mapping = mappings.lookup(&reply);
    if (!mapping || (!is_settled(mapping->touched, mapping->epoch, now, state->epoch, p.tcp_flags) &&
                     !refresh_inbound(skb, skb->ifindex, &reply, mapping, &p, state, now)))
        return refuse_inbound(slot, &p);
    if (p.ttl <= 1)
        return TC_ACT_OK; /* untouched: the error the stack sends must not show the inside address */
    change_of_mapping(mapping, &change);
    count_flow(&mapping->packets, &mapping->bytes, mapping->counter, p.length);
    note_fragment(&p, change.address, 0, now);
    if (mapping->out_ifindex && p.fragment == WHOLE && packet_length(skb, &p) <= mapping->mtu)
        return send_skb(skb, &p, &change, mapping->ethernet, mapping->out_ifindex);
    return rewrite_skb(skb, &p, &change) ? drop_skb(DROP_INTERNAL, &p) : TC_ACT_OK;
}

/* A translated packet goes where the stack has it, or by the next hop its flow is redirected to. */
inline_always int go_on(struct __sk_buff *skb, const struct packet *p, u32 redirect)
{
    struct path path;

    if (!redirect)
        return TC_ACT_OK;
    find_path(skb, skb->ingress_ifindex, p->source, redirect, &path);
    if (!path.out_ifindex)
        return drop_skb(DROP_NO_NEXT_HOP, p);
    return send_by_neighbour(skb, path.out_ifindex, redirect);
}

/* Translates at the egress. */
inline_always int leave(struct __sk_buff *skb, const struct packet *p, struct flow *flow, u32 now)
{
    u32 redirect = flow->redirect;
    struct change change;

    change_of_flow(flow, &change);
    count_flow(&flow->packets, &flow->bytes, flow->counter, p->length);
    note_fragment(p, change.address, redirect, now);
    if (rewrite_skb(skb, p, &change))
        return drop_skb(DROP_INTERNAL, p);
    if (flow->seen & SEEN_HAIRPIN)
        return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
    return go_on(skb, p, redirect);
}

inline_always int leave_fragment(struct __sk_buff *skb, const struct packet *p, const struct fragment *fragment)
{
    struct change change = {.address = fragment->address, .is_source = 1};
    u32 redirect = fragment->redirect;

    if (rewrite_skb_address(skb, &change, p->source))
        return drop_skb(DROP_INTERNAL, p);
    return go_on(skb, p, redirect);
}

inline_always int leave_local(struct __sk_buff *skb, u32 now)
{
    struct packet p;

    /* The box's own packets are the stack's. Its ICMP errors may quote an inside address. */
    if (parse_skb(skb, &p) == PARSED && p.kind == KIND_ICMP_ERROR && translate_error_outbound(skb, &p, 1, now) < 0)
        return drop_skb(DROP_LEAK_GUARD, &p);
    return TC_ACT_OK;
}

int tc_outside_out(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct packet p = {};
    struct flow_key key;
    struct flow *flow;
    u32 outcome;

    if (skb->tc_index == TRANSLATED) {
        skb->tc_index = 0;
        return TC_ACT_OK;
    }
    if (!state || skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    if (!skb->ingress_ifindex)
        return leave_local(skb, now);
    if (!has_role(state->generation & 1, skb->ingress_ifindex, ROLE_INSIDE))
        return TC_ACT_OK;
    outcome = parse_skb(skb, &p);
    if (outcome != PARSED)
        return drop_skb(outcome == PARSED_MALFORMED ? DROP_MALFORMED : DROP_LEAK_GUARD, &p);
    if (p.kind == KIND_FLOW) {
        key_of(&p, &key);
        flow = flows.lookup(&key);
        if (flow && (is_settled(flow->touched, flow->epoch, now, state->epoch, p.tcp_flags) ||
                     refresh_outbound(skb, skb->ingress_ifindex, &key, flow, &p, state, now)))
            return leave(skb, &p, flow, now);
    }
    if (p.kind == KIND_FRAGMENT) {
        struct fragment *fragment = find_fragment(&p, now);

        if (fragment)
            return leave_fragment(skb, &p, fragment);
    }
    tc_programs.call(skb, TC_PROGRAM_MATCH);
    return drop_skb(DROP_LEAK_GUARD, &p);
}

int tc_match(struct __sk_buff *skb)
{
    u32 zero = 0, slot, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct opening opening = {};
    struct packet p;
    struct path path;
    int outcome;

    if (!state || parse_skb(skb, &p) != PARSED)
        return TC_ACT_SHOT;
    slot = state->generation & 1;
    if (p.kind == KIND_ICMP_ERROR) {
        outcome = translate_error_outbound(skb, &p, 0, now);
        if (outcome)
            return outcome > 0 ? TC_ACT_OK : drop_skb(DROP_INTERNAL, &p);
    }
    find_path(skb, skb->ingress_ifindex, p.source, p.destination, &path);
    if (at_ingress(skb)) {
        if (!path.out_ifindex || !has_role(slot, path.out_ifindex, ROLE_OUTSIDE))
            return TC_ACT_OK; /* to the box itself, to another inside network, or nowhere */
        if (p.ttl <= 1 || is_martian(p.source))
            return TC_ACT_OK;
    } else if (path.out_ifindex != skb->ifindex) { /* the stack knows a route that the lookup doesn't */
        path.out_ifindex = skb->ifindex;
        path.next_hop = 0;
    }
    match_packet(slot, &p, &path, &opening);
    if (opening.verdict == VERDICT_DROP)
        return drop_skb(opening.reason, &p);
    if (opening.verdict == VERDICT_PASS)
        return TC_ACT_OK;
    if (opening.by_endpoint)
        tc_programs.call(skb, TC_PROGRAM_ENDPOINT);
    else
        tc_programs.call(skb, TC_PROGRAM_CLAIM);
    return drop_skb(DROP_INTERNAL, &p);
}

/* The packet's flow is there: on its way with it. */
inline_always int send_opened_skb(struct __sk_buff *skb, const struct packet *p, const struct opening *opening, u32 now)
{
    u32 zero = 0;
    struct control *state = control.lookup(&zero);
    struct flow_key key;
    struct flow *flow;

    if (opening->verdict == VERDICT_DROP)
        return drop_skb(opening->reason, p);
    key_of(p, &key);
    flow = flows.lookup(&key);
    if (!flow)
        return drop_skb(DROP_INTERNAL, p);
    if (!at_ingress(skb))
        return leave(skb, p, flow, now);
    if (!state || !refresh_outbound(skb, skb->ifindex, &key, flow, p, state, now))
        return drop_skb(DROP_INTERNAL, p);
    return forward(skb, p, flow);
}

int tc_claim(struct __sk_buff *skb)
{
    struct opening opening = {};
    u32 now = now_ticks();
    struct packet p;

    if (parse_skb(skb, &p) != PARSED)
        return TC_ACT_SHOT;
    claim_flow(&p, &opening, now);
    if (opening.verdict == VERDICT_AGAIN) {
        tc_programs.call(skb, TC_PROGRAM_CLAIM);
        return drop_skb(DROP_INTERNAL, &p);
    }
    return send_opened_skb(skb, &p, &opening, now);
}

int tc_endpoint(struct __sk_buff *skb)
{
    struct opening opening = {};
    u32 now = now_ticks();
    struct packet p;

    if (parse_skb(skb, &p) != PARSED)
        return TC_ACT_SHOT;
    claim_flow_of_endpoint(&p, &opening, now);
    if (opening.verdict == VERDICT_AGAIN) {
        tc_programs.call(skb, TC_PROGRAM_ENDPOINT);
        return drop_skb(DROP_INTERNAL, &p);
    }
    return send_opened_skb(skb, &p, &opening, now);
}
