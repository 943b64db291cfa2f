/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that user space runs by BPF_PROG_TEST_RUN with a list as their packet: they end flows and migrate flows
 * of another table. In the kernel, because user space can neither update an entry conditionally nor claim a tuple. */
#include "config.h"
#include "eim.h"
#include "flows.h"
#include "open_flow.h"
#include "table.h"
#include "xdp_programs.h"

#define SWEEP_KEYS 100
#define MAX_SWEEP_KEYS 128 /* the next power of two */
#define SWEEP_RUN 10
#define FIND_KEYS 16 /* like MIGRATE_RECORDS */
#define MIGRATE_RECORDS 8 /* a power of two, below the number of tail calls that the kernel allows: 33 */

struct sweep_header {
    u32 count;
    u32 force; /* 1: end the flow whether it has expired or not */
    u32 next; /* of the keys or records; 0 at the start */
    u32 ended;
};

/* Ends flows, given by the `live` of their records: so many in a run, then tail-calls itself for the next ones, since
 * the verifier walks through every turn of the loop. */
int xdp_sweep(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    const struct control *state = running();
    u32 first, i, now = now_ticks();
    u64 *named;

    if ((void *)(header + 1) > end || !state)
        return 0;
    first = header->next & (MAX_SWEEP_KEYS - 1);
    named = data + sizeof(*header) + first * sizeof(*named);
    for (i = 0; i < SWEEP_RUN; i++) {
        struct record *record;
        u64 live;

        if ((void *)(named + i + 1) > end || first + i >= header->count)
            return header->ended;
        live = named[i];
        record = record_at((u32)live & NUMBER_MASK);
        if (!record || (!header->force && !is_past(now, record->outbound.expires)))
            continue;
        header->ended += end_flow(state, record, live);
    }
    header->next = first + SWEEP_RUN;
    if (header->next < SWEEP_KEYS)
        xdp_programs.call(ctx, XDP_PROGRAM_SWEEP);
    return header->ended;
}

struct wanted {
    struct flow_key key;
    u64 live; /* the answer; 0: no flow */
};

/* Looks flows up by their keys, one in a run. */
int xdp_find(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    const struct control *state = running();
    struct wanted *wanted;
    u64 live = 0;
    u32 at;

    if ((void *)(header + 1) > end || !state)
        return 0;
    at = header->next & (FIND_KEYS - 1);
    wanted = data + sizeof(*header) + at * sizeof(*wanted);
    if ((void *)(wanted + 1) > end)
        return 0;
    wanted->live = find_record(state, SIDE_OUTBOUND, &wanted->key, &live) ? live : 0;
    header->next = at + 1;
    if (header->next < FIND_KEYS && header->next < header->count)
        xdp_programs.call(ctx, XDP_PROGRAM_FIND);
    return 0;
}

/* Counts a flow that was opened in another table. */
inline_always void count_migrated_flow(const struct record *record)
{
    u32 mapped = record->reply.destination;
    struct address_usage unused = {};

    address_usage.insert(&mapped, &unused); /* fails where there is one */
    count_new_flow(mapped, record->key.source, record->key.protocol, record->inbound.created);
    if (record->outbound.seen & SEEN_REPLY)
        add_half_open(record->key.source, -1);
}

/* The mapping of a flow that was opened in another table; copied without flows. */
inline_always void hold_migrated_eim_mapping(struct record *record)
{
    struct eim_mapping_key key;
    struct eim_mapping *eim_mapping;

    record->outbound.seen &= ~SEEN_PEER; /* noted again with the commit that follows */
    if (!(record->outbound.seen & SEEN_EIM))
        return;
    eim_mapping_key_of(record->outbound.mapped, record->outbound.mapped_port, record->key.protocol, &key);
    eim_mapping = eim_mappings.lookup(&key);
    if (!eim_mapping || !hold_eim_mapping(&key, eim_mapping))
        record->outbound.seen &= ~SEEN_EIM;
}

/* Adds a record of another table if its tuples are free here. Returns 0 when there is no room. */
inline_always int migrate(const struct control *state, const struct record *given, struct sweep_header *header)
{
    struct record *record, *holder;
    u32 number = 0;

    record = allocate_record(&number);
    if (!record)
        return 0;
    record->outbound = given->outbound;
    record->key = given->key;
    record->reply = given->reply;
    record->inbound = given->inbound;
    if (add_tuple(state, SIDE_INBOUND, &record->reply, number, &holder) != ADDED) {
        free_record(number);
        return 1;
    }
    if (add_tuple(state, SIDE_OUTBOUND, &record->key, number, &holder) != ADDED) {
        remove_tuple(state, SIDE_INBOUND, &record->reply, number);
        free_record(number);
        return 1;
    }
    hold_migrated_eim_mapping(record);
    if (header->force)
        count_migrated_flow(record);
    activate_record(record, number);
    header->ended++;
    return 1;
}

/* The same for several, one in a run as in xdp_sweep. `force`: counts them in the gauges. */
int xdp_migrate(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    const struct control *state = running();
    struct record *given;
    u32 at;

    if ((void *)(header + 1) > end || !state)
        return 0;
    at = header->next & (MIGRATE_RECORDS - 1);
    given = data + sizeof(*header) + at * sizeof(*given);
    if ((void *)(given + 1) > end || !migrate(state, given, header))
        return header->ended;
    header->next = at + 1;
    if (header->next < MIGRATE_RECORDS && header->next < header->count)
        xdp_programs.call(ctx, XDP_PROGRAM_MIGRATE);
    return header->ended;
}

/* Ends endpoint-independent mappings, given by their keys, that no flow holds or whose time is over: what a race has
 * left. An ended one that still is there a second later has lost the CPU that would have removed it. */
int xdp_sweep_eim(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    struct eim_mapping_key *from = data + sizeof(*header), key;
    u32 zero = 0, i, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);

    if ((void *)(header + 1) > end || !scratch)
        return 0;
    scratch->ended = 0;
    for (i = 0; i < SWEEP_KEYS; i++) {
        struct eim_mapping *eim_mapping;

        if ((void *)(from + i + 1) > end || i >= header->count)
            break;
        __builtin_memcpy(&key, from + i, sizeof(key));
        eim_mapping = eim_mappings.lookup(&key);
        if (!eim_mapping || (eim_mapping->flows && !is_past(now, eim_mapping->expires)))
            continue;
        if (eim_mapping->flows & EIM_ENDED && is_past(now, eim_mapping->expires + TICKS_PER_SECOND))
            scratch->ended += !eim_mappings.delete(&key);
        else
            scratch->ended += end_eim_mapping(&key, eim_mapping, eim_mapping->flows);
    }
    return scratch->ended;
}
