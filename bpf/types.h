/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Constants and records shared with user space. snatsh/datapath/constants.py and layout.py declare the same; the
 * loader appends a static assertion for each constant and field. Addresses and ports are in network order unless
 * noted. */
#ifndef SNATSH_TYPES_H
#define SNATSH_TYPES_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#define inline_always static __attribute__((always_inline)) inline

/* A tick is 2^24 ns (16.8 ms): 32 bits of them last 2.3 years, far above any timeout. */
#define TICK_SHIFT 24
/* A flow is written to at most once in this many ticks (1 s) while nothing about it changes. */
#define TOUCH_TICKS 60
#define TICKS_PER_SECOND 60

#define STATIONS 16 /* places for interfaces in control; a power of two */
#define MAX_MASK_SETS 256    /* combinations of prefix lengths and fields in one rule set */
#define MAX_RULES 16384   /* per rule set; also rule counters */
#define MAX_LINK_BUCKETS 32768    /* buckets of all rules that share links, LINK_BUCKETS each, per rule set */
#define LINK_BUCKETS 128
#define MAX_POOLS 2048    /* per rule set */
#define MAX_RANGES 65536  /* runs of addresses over all pools, per rule set */
#define MAX_RECENT 16384   /* flows each CPU remembers as opened lately; a power of two. RECENT_CPUS is one too */

enum role { ROLE_NONE, ROLE_INSIDE, ROLE_OUTSIDE };
enum action { ACTION_TRANSLATE, ACTION_EXEMPT, ACTION_DROP };
enum algorithm {
    ALGORITHM_SOURCE_HASH,
    ALGORITHM_SOURCE_DESTINATION_HASH,
    ALGORITHM_TUPLE_HASH,
    ALGORITHM_RANDOM,
    ALGORITHM_ROUND_ROBIN,
    ALGORITHM_LEAST_USED,
};
enum state { STATE_UNREPLIED, STATE_ESTABLISHED, STATE_TRANSITORY, STATE_TIME_WAIT };
enum timeout {
    TIMEOUT_TCP_SYN, /* the four TCP ones in the order of enum state */
    TIMEOUT_TCP_ESTABLISHED,
    TIMEOUT_TCP_TRANSITORY,
    TIMEOUT_TCP_TIME_WAIT,
    TIMEOUT_UDP_UNREPLIED,
    TIMEOUT_UDP_REPLIED,
    TIMEOUT_ICMP,
    TIMEOUT_COUNT = 8,
};

#define POOL_ADDRESS_TO_STACK 1 /* packets without a flow are passed to the stack */

#define INTERFACE_XDP 1  /* frames may be redirected into it from XDP */
#define INTERFACE_LATE 2 /* flows open at the egress alone: rules match marks, which netfilter sets on the way */

/* The one word a commit flips: the low bit of `generation` says which half of the config maps is active.
 * `epoch` changes with every commit and every route or neighbour change: a flow that carries
 * another one looks its path up again. `watched` is the tick until which snatd does that, `traced` that until
 * which packets are traced; 0: none are. */
struct control {
    u32 generation;
    u32 epoch;
    u32 watched;
    u32 traced;
    u64 secrets[4]; /* of the flow table's hash; for the life of the table */
    u64 stations[STATIONS]; /* by the low bits of the index: an interface and its link-layer address (station.h) */
};

/* What is traced. until: a tick, 0 for nothing. A mask, a protocol or a port of 0 means any. probe: identifier
 * of an echo that the gateway has sent from `source`, 0 for none. */
struct trace_filter {
    u32 until;
    u32 source;
    u32 source_mask;
    u32 destination;
    u32 destination_mask;
    u32 protocol;
    u16 port;
    u16 probe;
};

/* The packet as received. detail: the reason it was dropped or passed to the stack, or the rule that opened its flow.
 * address, port: what it was translated to. */
struct trace_event {
    u32 source;
    u32 destination;
    u16 source_port;
    u16 destination_port;
    u32 address;
    u16 port;
    u16 length;
    u32 detail;
    u8 protocol;
    u8 kind;
    u8 ttl;
    u8 tcp_flags;
};

struct settings {
    u32 mask_set_count;
    u32 default_pass; /* 1: what no rule matches goes through untranslated */
    u32 subscriber_sessions; /* 0: unlimited */
    u32 tcp_syn_only; /* 1: only a SYN opens a TCP flow */
    u32 subscriber_new_flows; /* a second; 0: unlimited */
    u32 subscriber_half_open; /* flows without an answer at once; 0: unlimited */
    u32 refusals; /* ICMP errors about refused flows that an inside address gets a second; 0: none */
    u32 inbound_drop; /* 1: packets that would reach the inside by routing alone are dropped */
    u32 admits; /* 1: rules let packets from outside open flows to endpoint-independent mappings */
    u32 refresh_inbound; /* 1: what comes from outside refreshes a flow */
    u32 port_hold; /* ticks for which a released port of UDP that strangers could reach is kept from other endpoints */
    u32 notes_peers; /* 1: rules filter by address, so that the addresses which mappings sent to have to be known */
    u32 timeouts[TIMEOUT_COUNT]; /* ticks */
};

struct interface_key {
    u32 slot;
    u32 ifindex;
};

struct local_address_key {
    u32 slot;
    u32 address;
};

struct interface {
    u8 role;
    u8 flags;
    u8 mac[6];
    u32 address; /* its first address; 0: none */
};

/* Masks that a set of rules has in common: all ones for a field they match, and the prefix masks. */
struct mask_set {
    u32 source_mask;
    u32 destination_mask;
    u32 out_ifindex_mask;
    u32 next_hop_mask;
    u32 protocol_mask;
    u32 mark_mask;
    u32 rank; /* mask sets of one rank are equally specific: the lowest rule number wins */
};

struct rule_key {
    u32 slot;
    u32 mask_set;
    u32 source;
    u32 destination;
    u32 out_ifindex;
    u32 next_hop;
    u32 protocol;
    u32 mark;
};

struct rule {
    u32 number;
    u32 counter; /* index into rule_counters, kept while the number exists */
    u32 action;
    u32 algorithm;
    u32 pool;
    u32 redirect; /* 0: by the route */
    u32 flags;    /* RULE_* */
    u32 link_buckets; /* 0: one link. Else which run of the map `link_buckets`, from 1 on */
};

#define RULE_ENDPOINT_INDEPENDENT 1        /* mapping, RFC 4787 REQ-1 */
#define RULE_FILTER_ENDPOINT_INDEPENDENT 2 /* filtering, RFC 4787 REQ-8 */
#define RULE_FILTER_ADDRESS_DEPENDENT 8
#define RULE_LINK_BY_FLOW 4                 /* each flow chooses a link, not each subscriber */

struct pool {
    u32 first_range; /* index into ranges, this half's base not counted */
    u32 range_count;
    u32 size; /* addresses */
    u32 port_first; /* host order */
    u32 port_count;
    u32 id;        /* of the pool's name: the same over commits */
    u32 half_bits; /* 2^(2 * half_bits) is the smallest such power that holds port_count, without low_count */
    u32 flags;     /* POOL_* */
    u32 low_count; /* of its ports, the first so many serve low source ports alone, and the others the others; 0: all serve
                    * all */
    u32 low_half_bits; /* the same as half_bits, of low_count */
};

#define FIRST_HIGH_PORT 1024

#define POOL_LOCAL 1 /* holds an address of the gateway, whose sockets take precedence */
#define POOL_PORT_CLASS 2 /* is to have low_count */

struct range {
    u32 first; /* host order */
    u32 start; /* addresses of the pool before this run */
};

/* Longest prefix match over {slot, address}; both big-endian as the trie wants. */
struct pool_address_key {
    u32 prefix_length;
    u32 slot;
    u32 address;
};

struct pool_address {
    u32 pool; /* id */
    u32 flags;
    u32 announce_ifindex; /* ARP for the address is answered on this interface; 0: nowhere */
};

/* Outbound: the tuple as the subscriber sends it. Inbound: the tuple of a reply as it arrives.
 * ICMP echo: the identifier stands in the port of the side that asked, 0 in the other. */
struct flow_key {
    u32 source;
    u32 destination;
    u16 source_port;
    u16 destination_port;
    u8 protocol;
    u8 pad[3];
};

/* The outbound half of a record. */
struct outbound {
    u32 touched; /* tick of the last write of state */
    u32 epoch;   /* the path below was looked up in it */
    u32 expires; /* tick */
    u8 state;
    u8 seen;     /* SEEN_* */
    u16 counter;
    u32 mapped;
    u16 mapped_port;
    u16 ip_delta; /* what address and TTL add to the IP header's complemented checksum */
    u16 l4_delta; /* what address and port add to that of TCP or UDP */
    u16 mtu;
    u32 out_ifindex; /* 0: path unknown, the stack sends it */
    u8 ethernet[12]; /* destination, source */
    u32 redirect;
    u64 packets;
    u64 bytes;
};

/* The inbound half: the record owns the mapped address and port towards that destination. */
struct inbound {
    u32 touched;
    u32 epoch;
    u32 inside;
    u16 inside_port;
    u16 ip_delta;
    u16 l4_delta;
    u16 mtu;
    u32 out_ifindex;
    u8 ethernet[12];
    u32 rule; /* number */
    u32 created; /* tick */
    u32 counter;
    u64 packets;
    u64 bytes;
};

/* A flow. live: the record's number, and above it what tells its uses apart; 0 while it is free. It lies between the
 * halves, in the cache lines that packets of either direction need anyway. */
struct record {
    struct outbound outbound;
    struct flow_key key;
    u64 live;
    struct flow_key reply;
    struct inbound inbound;
};

#define BUCKET_TAGS 16 /* a cache line; the first counts tags of this bucket that had to go to another one */

struct tag_bucket {
    u32 tags[BUCKET_TAGS];
};

/* Record allocations: `used` counts records ever in use, `allocated` all allocations. */
struct record_counts {
    u64 used;
    u64 allocated;
};

#define SEEN_REPLY 1
#define SEEN_FIN_OUT 2
#define SEEN_FIN_IN 4
#define SEEN_ANSWERED 8 /* TCP: the side that the SYN was sent to has sent something, and that no reset */
#define SEEN_EIM 16 /* holds an endpoint-independent mapping, which lives as long as a flow does */
#define SEEN_PEER 128 /* counts in eim_peers */
#define SEEN_FROM_OUTSIDE 64 /* opened, or TCP opened again, from outside. Holds the mapping once the subscriber has
                              * replied */
#define SEEN_HAIRPIN 32  /* goes to a pool address: back in as if from outside */

/* Where to look for a free port once luck has run out: per mapped address, protocol and destination. Only
 * hints: losing one costs tries, never a mapping. */
struct allocator_key {
    u32 mapped;
    u32 remote;
    u16 remote_port;
    u8 protocol;
    u8 is_low; /* for the pool's low ports */
};

#define FREE_PORTS 128

struct allocator {
    u32 seed;   /* of the order in which ports are gone through */
    u32 cursor; /* place in that order */
    u32 misses; /* tries in a row that found the port taken; a whole round of them means full */
    u32 full_until; /* tick; 0: not full */
    u32 free_port_count;
    u16 free_ports[FREE_PORTS]; /* ports that flows gave back, ready for the next ones */
};

/* Endpoint-independent mapping: an inside address and port has one mapped address and port of a pool, for
 * every destination. `endpoints` finds it, `eim_mappings` owns it. */
struct endpoint_key {
    u32 inside;
    u32 pool; /* id */
    u16 inside_port;
    u8 protocol;
    u8 pad;
};

struct eim_mapping_key {
    u32 mapped;
    u16 mapped_port;
    u8 protocol;
    u8 pad;
};

struct eim_mapping {
    u32 inside;
    u32 pool;
    u16 inside_port;
    u16 pad;
    u32 rule;    /* number of the one that made it */
    u32 expires; /* tick: the latest at which one of its flows expires */
    u64 flows;   /* that hold it, or EIM_ENDED */
    u32 created; /* tick */
    u32 mark;    /* of its first packet, and the interface that it came in by: what rules match */
    u32 ifindex;
    u32 reserved;
};

#define EIM_ENDED (1ull << 62) /* about to be removed: nothing may hold it */

/* The endpoint that an external one was mapped to last, until the tick `at`. */
struct released_port {
    u32 inside;
    u16 inside_port;
    u16 pad;
    u32 at;
};

/* An address that an endpoint-independent mapping sends to, for address-dependent filtering. Its value counts the
 * flows. */
struct eim_peer_key {
    u32 mapped;
    u32 remote;
    u16 mapped_port;
    u8 protocol;
    u8 pad;
};

/* What the first fragment of a packet was translated to; the others carry no ports. */
struct fragment_key {
    u32 source;
    u32 destination;
    u16 id;
    u8 protocol;
    u8 pad;
};

struct fragment {
    u32 address;
    u32 redirect;
    u32 expires; /* tick */
};

/* A connection of the gateway itself. seen: tick of its last packet. port: see own_connections.h. */
struct own_connection {
    u32 seen;
    u16 port;
    u16 pad;
};

struct address_usage {
    u32 tcp; /* active flows */
    u32 udp;
    u32 icmp;
    u32 reserved;
    u64 created;
    u64 exhausted; /* new flows that found no free port here */
};

/* An inside address that holds flows. Gauges may be off by a race until its flows have ended: they count as signed, and
 * below zero is zero. */
struct subscriber {
    u32 sessions;
    u32 half_open; /* unreplied flows */
    u32 second;    /* that `opened` counts in */
    u32 opened;
    u32 refused;   /* new flows, by any of the limits */
    u32 evicted;   /* unreplied flows ended to make room */
};

/* ICMP errors to an inside address. */
struct refusal_rate {
    u32 second; /* that `sent` counts in */
    u32 sent;
};

struct count {
    u64 packets;
    u64 bytes;
};

struct rule_count {
    u64 packets;
    u64 bytes;
    u64 flows;
};

#endif
