/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The config maps. Each holds two halves (slots); snatd fills the idle one, then flips
 * control.generation. A run of a program reads the generation once and stays with its half. */
BPF_TABLE_PINNED("array", u32, struct control, control, 1, PIN_DIR "/control");
BPF_TABLE_PINNED("array", u32, struct settings, settings, 2, PIN_DIR "/settings");
BPF_TABLE_PINNED("hash", struct interface_key, struct interface, interfaces, 2 * MAX_INTERFACES, PIN_DIR "/interfaces");
BPF_TABLE_PINNED("hash", struct own_key, u32, own_addresses, 2 * MAX_OWN, PIN_DIR "/own_addresses");
BPF_TABLE_PINNED("array", u32, struct tuple, tuples, 2 * MAX_TUPLES, PIN_DIR "/tuples");
BPF_TABLE_PINNED("hash", struct rule_key, u32, rule_index, 2 * MAX_RULES, PIN_DIR "/rule_index");
BPF_TABLE_PINNED("array", u32, struct rule, rules, 2 * MAX_RULES, PIN_DIR "/rules");
/* Buckets of a rule that shares links: each the index of the rule as it is by one of them. */
BPF_TABLE_PINNED("array", u32, u32, ways, 2 * MAX_WAYS, PIN_DIR "/ways");
BPF_TABLE_PINNED("array", u32, struct pool, pools, 2 * MAX_POOLS, PIN_DIR "/pools");
BPF_TABLE_PINNED("array", u32, struct range, ranges, 2 * MAX_RANGES, PIN_DIR "/ranges");
BPF_TABLE_PINNED("lpm_trie", struct pool_address_key, struct pool_address, pool_addresses, 4 * MAX_RANGES,
                 PIN_DIR "/pool_addresses", BPF_F_NO_PREALLOC);
/* Where round-robin stands, by pool; survives a commit, loses nothing if it does not. */
BPF_TABLE_PINNED("array", u32, u32, pool_turns, MAX_POOLS, PIN_DIR "/pool_turns");

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
    u32 rule; /* from here on: what the program that matches hands to the one that claims */
    u32 slot;
    u32 pool;  /* its index in this half */
    u32 index; /* of the pool's address */
    u32 address;
    u32 step;  /* tries on this address */
    u32 addresses; /* given up for this packet */
    u32 full;  /* the address has no port left for this flow */
    u32 rounds;
    u32 evictions; /* for this packet */
    u32 ended;  /* by this run of the sweep */
    u32 refused; /* why; for the program that tells the inside host */
    struct flow_key reply;
    struct exterior exterior;
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
