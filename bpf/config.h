/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration maps. Each has two halves (slots); snatd fills the idle one, then flips control.generation. A
 * program run reads the generation once and uses the same half throughout. */
#ifndef SNATSH_CONFIG_H
#define SNATSH_CONFIG_H

#include "map.h"
#include "parse.h"
#include "types.h"

SHARED_MAP("array", u32, struct control, control);
SHARED_MAP("array", u32, struct settings, settings);
SHARED_MAP("hash", struct interface_key, struct interface, interfaces);
SHARED_MAP("hash", struct local_address_key, u32, local_addresses);
SHARED_MAP("array", u32, struct mask_set, mask_sets);
SHARED_MAP("hash", struct rule_key, u32, rule_index);
SHARED_MAP("array", u32, struct rule, rules);
/* Buckets of rules that share links: each holds the index of the rule's variant for one link. */
SHARED_MAP("array", u32, u32, link_buckets);
SHARED_MAP("array", u32, struct pool, pools);
SHARED_MAP("array", u32, struct range, ranges);
SHARED_TRIE(struct pool_address_key, struct pool_address, pool_addresses);
/* Round-robin position by pool. */
SHARED_MAP("array", u32, u32, round_robin_positions);

#define SLICE 4 /* records of the flow table that one new flow goes on by, to end what has expired (reclaim.h) */

/* Loop state lives here, not in registers: the verifier does not follow values in memory, so the turns
 * of a loop look alike to it and long loops stay cheap to verify. Per CPU; the hooks run with bottom
 * halves off and do not nest. */
struct scratch {
    u32 found;
    u32 best;
    u32 least;
    u32 rank;
    u32 low;
    u32 high;
    u32 out_ifindex; /* of the route that rules are matched with */
    u32 next_hop;
    u32 rule; /* from here on: passed from the matching to the claiming program */
    u32 slot;
    u32 pool;  /* its index in this half */
    u32 index; /* of the pool's address */
    u32 address;
    u32 step;  /* tries on this address */
    u32 addresses; /* given up for this packet */
    u32 full;  /* the address has no port left for this flow */
    u32 rounds;
    u32 port_first; /* the ports of the pool that serve this source port, … */
    u32 port_count;
    u32 half_bits;
    u32 is_low; /* … the low ones of a pool that keeps them apart */
    u32 inside; /* the subscriber's address */
    u32 seen; /* SEEN_* that the flow begins with: whether it has an endpoint-independent mapping, or is from outside */
    u32 is_shared; /* its external address may be the gateway's, too */
    u32 held_address; /* a port that is held back for another endpoint; 0: none was met */
    u32 held_port;
    u32 holds_none; /* such ports may be taken: no other was found */
    u32 epoch; /* of the rules that admit it */
    u32 table_full;
    u32 runs; /* of the reclaiming program, for this packet */
    u32 evictions; /* remembered flows looked at for this packet */
    u32 looked; /* by this run of the sweep: 0 when the table was gone through before */
    u32 first; /* record of the slice of the sweep */
    u32 noted; /* something is in `ending` */
    u32 evicted; /* `ending` holds a flow that has not expired */
    u32 slices; /* of the table that this run of the sweep may look at */
    u32 limit; /* that the subscriber has reached, as a drop reason */
    u32 ended;  /* by this run of the sweep */
    u32 refused; /* drop reason, for the program that sends the ICMP error */
    u64 ending[SLICE]; /* the `live` of flows that this run ends; 0: none */
    struct packet packet; /* parsed by the matching program, for those that follow */
    struct flow_key key;
    struct flow_key reply;
    struct allocator_key allocator; /* of the tuple in `reply` */
    struct eim_mapping eim_mapping;
};
BPF_TABLE("percpu_array", u32, struct scratch, scratches, 1);

inline_always u32 now_ticks(void)
{
    return bpf_ktime_get_coarse_ns() >> TICK_SHIFT;
}

inline_always int is_past(u32 now, u32 tick)
{
    return (s32)(now - tick) >= 0;
}

inline_always struct pool_address *find_pool_address(u32 slot, u32 address)
{
    struct pool_address_key key = {.prefix_length = 64, .slot = bpf_htonl(slot), .address = address};

    return pool_addresses.lookup(&key);
}

inline_always struct interface *find_interface(u32 slot, u32 ifindex)
{
    struct interface_key key = {.slot = slot, .ifindex = ifindex};

    return interfaces.lookup(&key);
}

#endif
