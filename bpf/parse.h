/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From bytes to what the datapath needs to know of a packet. Ethernet without VLAN tags: a tagged
 * frame belongs to its VLAN device, where the hooks see it untagged. */
#ifndef SNATSH_PARSE_H
#define SNATSH_PARSE_H

#include "types.h"

#define L3 ETH_HLEN

enum kind {
    KIND_FLOW,       /* TCP, UDP, ICMP echo or timestamp, or the reply to one */
    KIND_ICMP_ERROR, /* unreachable, time exceeded, parameter problem */
    KIND_FRAGMENT,   /* a part of a fragmented packet without its transport header */
    KIND_OTHER,      /* a protocol or ICMP type that has nothing like a port */
};

enum fragment_part { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT };

struct packet {
    u32 source;
    u32 destination;
    u16 source_port;
    u16 destination_port;
    u16 length;  /* of the IP packet, host order */
    u16 l4;      /* offset from the start of the frame */
    u8 protocol;
    u8 ttl;
    u8 tcp_flags; /* byte 13 of the TCP header */
    u8 l4_header; /* its length; 0: none was read */
    u8 is_reply;  /* to an ICMP query */
    u8 kind;
    u8 fragment; /* enum fragment_part */
    u8 tos;
    u16 id;      /* of the IP packet, network order */
    u32 mark;    /* netfilter's; XDP knows none */
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

/* Whether these flags ask for a connection. None of those that end one belongs to a SYN, nor an ACK. */
inline_always int is_opening_syn(u8 tcp_flags)
{
    return (tcp_flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) == TCP_SYN;
}

/* Whether a segment with these flags may be in the middle of a connection: each has an ACK (RFC 9293, section 3.10.7.4).
 * Also a SYN-ACK, not a reset. */
inline_always int is_mid_stream(u8 tcp_flags)
{
    return (tcp_flags & (TCP_ACK | TCP_RST)) == TCP_ACK && (tcp_flags & (TCP_SYN | TCP_FIN)) != (TCP_SYN | TCP_FIN);
}

enum parsed { PARSED, PARSED_NOT_IP, PARSED_MALFORMED };

inline_always u32 parse_ports(void *l4, void *end, struct packet *p)
{
    u16 *ports = l4;

    if (p->protocol == IPPROTO_TCP) {
        if (l4 + sizeof(struct tcphdr) > end)
            return PARSED_MALFORMED;
        p->tcp_flags = *(u8 *)(l4 + 13);
        p->l4_header = *(u8 *)(l4 + 12) >> 4 << 2;
        if (p->l4_header < sizeof(struct tcphdr))
            return PARSED_MALFORMED;
    } else if (l4 + 8 > end) {
        return PARSED_MALFORMED;
    } else {
        p->l4_header = 8;
    }
    p->source_port = ports[0];
    p->destination_port = ports[1];
    return PARSED;
}

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO 8
#define ICMP_TIMESTAMP 13
#define ICMP_TIMESTAMP_REPLY 14

inline_always int is_icmp_query(u8 type)
{
    return type == ICMP_ECHO || type == ICMP_TIMESTAMP;
}

inline_always int is_icmp_reply(u8 type)
{
    return type == ICMP_ECHO_REPLY || type == ICMP_TIMESTAMP_REPLY;
}

/* RFC 792: type, code, checksum, then identifier and sequence of a query (RFC 5508, section 3). */
inline_always u32 parse_icmp(void *l4, void *end, struct packet *p)
{
    u8 type;
    u16 identifier;

    if (l4 + 8 > end)
        return PARSED_MALFORMED;
    type = *(u8 *)l4;
    identifier = *(u16 *)(l4 + 4);
    p->l4_header = 8;
    if (is_icmp_query(type)) {
        p->source_port = identifier;
    } else if (is_icmp_reply(type)) {
        p->destination_port = identifier;
        p->is_reply = 1;
    } else if (type == 3 || type == 11 || type == 12) {
        p->kind = KIND_ICMP_ERROR;
    } else {
        p->kind = KIND_OTHER;
    }
    return PARSED;
}

/* Whether the packet itself holds the transport header. Without this, the padding of a short frame would be read as the
 * rest of a header, which may be in the next fragment (RFC 1858, section 3). */
inline_always int holds_transport_header(const struct packet *p, u32 header)
{
    u32 transport = p->protocol == IPPROTO_TCP                                     ? sizeof(struct tcphdr)
                    : p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_ICMP ? 8
                                                                                   : 0;

    return p->length >= header + transport;
}

/* The checksum of a header without options is right. With options, the stack looks. */
inline_always int is_ip_checksum_right(const void *ip)
{
    const u16 *words = ip;
    u32 sum = 0, i;

    for (i = 0; i < sizeof(struct iphdr) / 2; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

/* frame: its length; of a socket buffer, `end` is where the part ends that can be read. */
inline_always u32 parse(void *data, void *end, u32 frame, struct packet *p)
{
    struct ethhdr *ethernet = data;
    struct iphdr *ip = data + L3;
    void *l4;
    u32 header;

    if ((void *)(ip + 1) > end)
        return data + L3 > end || ethernet->h_proto != bpf_htons(ETH_P_IP) ? PARSED_NOT_IP : PARSED_MALFORMED;
    if (ethernet->h_proto != bpf_htons(ETH_P_IP))
        return PARSED_NOT_IP;
    header = ip->ihl * 4; /* 0 to 60: four bits */
    if (ip->version != 4 || header < sizeof(*ip))
        return PARSED_MALFORMED;
    p->source = ip->saddr;
    p->destination = ip->daddr;
    p->source_port = 0;
    p->destination_port = 0;
    p->length = bpf_ntohs(ip->tot_len);
    p->l4 = L3 + header;
    p->protocol = ip->protocol;
    p->ttl = ip->ttl;
    p->tos = ip->tos;
    p->tcp_flags = p->l4_header = p->is_reply = 0;
    p->kind = KIND_FLOW;
    p->fragment = WHOLE;
    p->id = ip->id;
    p->mark = 0;
    if (p->length < header || L3 + p->length > frame || (header == sizeof(*ip) && !is_ip_checksum_right(ip)))
        return PARSED_MALFORMED;
    if (ip->frag_off & bpf_htons(0x1fff)) { /* an offset: no transport header in here */
        p->kind = KIND_FRAGMENT;
        p->fragment = LATER_FRAGMENT;
        if (p->protocol == IPPROTO_TCP && (ip->frag_off & bpf_htons(0x1fff)) == bpf_htons(1))
            return PARSED_MALFORMED; /* would overwrite the ports and flags (RFC 1858, section 3) */
        return PARSED;
    }
    if (ip->frag_off & bpf_htons(0x2000))
        p->fragment = FIRST_FRAGMENT;
    if (!holds_transport_header(p, header))
        return PARSED_MALFORMED;
    l4 = data + L3 + header;
    if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP)
        return parse_ports(l4, end, p);
    if (p->protocol == IPPROTO_ICMP)
        return parse_icmp(l4, end, p);
    p->kind = KIND_OTHER;
    return PARSED;
}

/* Sources that no host has (RFC 1122, section 3.2.1.3; RFC 6890): this network, loopback, multicast and
 * beyond. A FIB lookup does not refuse them; the stack drops them as martians. */
inline_always int is_martian(u32 source)
{
    u8 first = bpf_ntohl(source) >> 24;

    return first == 0 || first == 127 || first >= 224;
}

/* Whether routing may forward the packet: not what is for all stations of a network, or for a group of stations (RFC
 * 1812, section 5.3.5). A FIB lookup knows the broadcast addresses of networks alone. */
inline_always int is_unicast(u32 destination)
{
    u32 address = bpf_ntohl(destination);

    return address >> 28 != 14 && address != 0xffffffff;
}

inline_always void key_of(const struct packet *p, struct flow_key *key)
{
    key->source = p->source;
    key->destination = p->destination;
    key->source_port = p->source_port;
    key->destination_port = p->destination_port;
    key->protocol = p->protocol;
    key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

inline_always void key_of_reply(const struct packet *p, u32 mapped, u16 mapped_port, struct flow_key *key)
{
    key->source = p->destination;
    key->destination = mapped;
    key->source_port = p->destination_port;
    key->destination_port = mapped_port;
    key->protocol = p->protocol;
    key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

#endif
