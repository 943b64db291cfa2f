/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets from outside that belong to no flow: replies of own connections, packets to pool addresses and to the
 * gateway, and packets that routing alone would take to the inside. */
#include "established.h"
#include "fragments.h"
#include "icmp.h"
#include "own_connections.h"
#include "skb.h"

inline_always u32 reason_of(const struct packet *p)
{
    return p->kind == KIND_FLOW         ? DROP_NO_FLOW
           : p->kind == KIND_ICMP_ERROR ? DROP_ICMP_NO_FLOW
           : p->kind == KIND_FRAGMENT   ? DROP_FRAGMENT
                                        : DROP_PROTOCOL;
}

inline_always int refuse_to_pool(u32 reason, const struct packet *p)
{
    trace(p, TRACE_DROPPED, reason, 0, 0);
    return is_probe_answer(p) ? TC_ACT_SHOT : drop_skb(reason, p);
}

/* The tuple of a reply that the packet belongs to: its own, or that of the packet which an ICMP error is about. */
inline_always void replied_tuple(struct __sk_buff *skb, const struct packet *p, struct quoted *quoted, struct flow_key *reply)
{
    key_of(p, reply);
    if (p->kind != KIND_ICMP_ERROR)
        return;
    load_quoted(skb, p, quoted);
    reply->source = quoted->destination;
    reply->destination = quoted->source == p->destination ? quoted->source : 0;
    reply->source_port = quoted->destination_port;
    reply->destination_port = quoted->source_port;
    reply->protocol = quoted->protocol;
}

/* Gives the reply, or the quoted packet, of an own connection the port of its socket. */
inline_always int deliver_own(struct __sk_buff *skb, const struct packet *p, const struct quoted *quoted, u16 port, u32 now)
{
    struct translation translation = {.address = p->destination, .port = port, .is_source = 0};

    note_fragment(p, p->destination, 0, now);
    if (p->kind == KIND_ICMP_ERROR)
        return quoted->source_port != port && rewrite_quoted(skb, p->l4, quoted, 1, p->destination, port)
                   ? drop_skb(DROP_INTERNAL, p)
                   : TC_ACT_OK;
    if (port == p->destination_port)
        return TC_ACT_OK;
    trace(p, TRACE_TRANSLATED, 0, translation.address, port);
    return rewrite_skb_l4(skb, p, &translation) ? drop_skb(DROP_INTERNAL, p) : TC_ACT_OK;
}

/* Whether IPsec has decrypted the packet: its policies have admitted it. */
inline_always int is_decrypted(struct __sk_buff *skb)
{
    struct bpf_xfrm_state xfrm;

    return !bpf_skb_get_xfrm_state(skb, 0, &xfrm, sizeof(xfrm), 0);
}

/* Whether routing alone would take the packet to an inside network, or by an interface whose role is not known yet. */
inline_always int enters_inside(struct __sk_buff *skb, u32 slot, const struct packet *p)
{
    struct path path;

    if (is_local_address(slot, p->destination) || !is_unicast(p->destination))
        return 0;
    find_path(skb, skb->ifindex, p, p->destination, p->destination_port, &path);
    return path.out_ifindex && (is_new(path.out_ifindex) || has_role(slot, path.out_ifindex, ROLE_INSIDE));
}

int tc_unmatched(struct __sk_buff *skb)
{
    u32 zero = 0, slot, outcome, now = now_ticks();
    struct control *state = control.lookup(&zero);
    struct pool_address *address;
    struct own_connection *own;
    struct settings *known;
    struct quoted quoted = {};
    struct flow_key reply;
    struct packet p = {};

    if (!state)
        return TC_ACT_OK;
    slot = state->generation & 1;
    outcome = parse_skb(skb, &p);
    replied_tuple(skb, &p, &quoted, &reply);
    own = outcome == PARSED ? find_own_connection(slot, &reply, now) : 0;
    if (own)
        return deliver_own(skb, &p, &quoted, own->port, now);
    address = find_pool_address(slot, p.destination);
    if (address && address->flags & POOL_ADDRESS_TO_STACK)
        return TC_ACT_OK;
    if (address)
        return refuse_to_pool(outcome == PARSED ? reason_of(&p) : DROP_MALFORMED, &p);
    known = settings.lookup(&slot);
    if (!known || !known->inbound_drop || !enters_inside(skb, slot, &p) || is_decrypted(skb))
        return TC_ACT_OK;
    if (outcome == PARSED && is_exempt_reply(slot, &reply, now)) {
        note_fragment(&p, p.destination, 0, now);
        return TC_ACT_OK;
    }
    return drop_traced_skb(outcome == PARSED ? DROP_INBOUND : DROP_MALFORMED, &p);
}
