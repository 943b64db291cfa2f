/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ends flows that user space names, and takes over flows of another table: run by BPF_PROG_TEST_RUN with a list
 * as its packet. Here, because only here the check and the end of a flow are next to each other, and a tuple is
 * claimed: user space can't change an entry on a condition. */
#include "config.h"
#include "endpoints.h"
#include "flows.h"
#include "open.h"
#include "table.h"

#define SWEEP_KEYS 100
#define FIND_KEYS 16
#define ADOPTED 8 /* records in a run */

struct sweep_header {
    u32 count;
    u32 force; /* 1: end the flow whether it has expired or not */
    u64 reserved;
};

/* Flows by the `live` of their records. */
int xdp_sweep(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    u64 *named = data + sizeof(*header);
    u32 zero = 0, i, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    const struct control *state = running();

    if ((void *)(header + 1) > end || !scratch || !state)
        return 0;
    scratch->ended = 0;
    for (i = 0; i < SWEEP_KEYS; i++) {
        struct record *record;
        u64 live;

        if ((void *)(named + i + 1) > end || i >= header->count)
            break;
        live = named[i];
        record = record_at((u32)live & NUMBER_MASK);
        if (!record || (!header->force && !is_past(now, record->flow.expires)))
            continue;
        scratch->ended += end_flow(state, record, live);
    }
    return scratch->ended;
}

struct wanted {
    struct flow_key key;
    u64 live; /* the answer; 0: no flow */
};

/* Flows by their keys. */
int xdp_find(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    struct wanted *wanted = data + sizeof(*header);
    const struct control *state = running();
    u32 i;

    if ((void *)(header + 1) > end || !state)
        return 0;
    for (i = 0; i < FIND_KEYS; i++) {
        struct record *record;
        struct flow_key key;

        if ((void *)(wanted + i + 1) > end || i >= header->count)
            break;
        key = wanted[i].key;
        record = find_record(state, SIDE_FLOW, &key);
        wanted[i].live = record ? record->live : 0;
    }
    return i;
}

/* Records of another table, with the tuples that are nobody's here. Their gauges come with them if `force` says so. */
int xdp_adopt(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    struct record *given = data + sizeof(*header), *holder;
    u32 zero = 0, i;
    struct scratch *scratch = scratches.lookup(&zero);
    const struct control *state = running();

    if ((void *)(header + 1) > end || !scratch || !state)
        return 0;
    scratch->ended = 0;
    for (i = 0; i < ADOPTED; i++) {
        struct record *record;
        u32 number = 0;

        if ((void *)(given + i + 1) > end || i >= header->count)
            break;
        record = take_record(&number);
        if (!record)
            break;
        __builtin_memcpy(&record->key, &given[i].key, sizeof(*record) - sizeof(record->live));
        name_record(record, number);
        if (add_tuple(state, SIDE_REPLY, &record->reply, number, &holder) != ADDED) {
            drop_record(record);
            continue;
        }
        if (add_tuple(state, SIDE_FLOW, &record->key, number, &holder) != ADDED) {
            u64 live = live_of(record);

            if (remove_record(state, record, live))
                release(live);
            continue;
        }
        if (header->force)
            settle_claim(record->reply.destination, record->key.source, record->key.protocol);
        scratch->ended++;
    }
    return scratch->ended;
}

/* The same for exteriors, by their keys. */
int xdp_sweep_exteriors(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    struct exterior_key *from = data + sizeof(*header), key;
    u32 zero = 0, i, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);

    if ((void *)(header + 1) > end || !scratch)
        return 0;
    scratch->ended = 0;
    for (i = 0; i < SWEEP_KEYS; i++) {
        struct exterior *exterior;

        if ((void *)(from + i + 1) > end || i >= header->count)
            break;
        __builtin_memcpy(&key, from + i, sizeof(key));
        exterior = exteriors.lookup(&key);
        if (!exterior || (!header->force && !is_past(now, exterior->expires)))
            continue;
        end_exterior(&key, exterior);
        scratch->ended++;
    }
    return scratch->ended;
}
