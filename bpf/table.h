/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table: records in an array, found by their outbound tuple or that of a reply through an index of tags.
 * A tag is a word of some bits of the hash and the record number. Sixteen make a bucket of one cache line, so that the
 * index of a million flows stays in the processor's caches, where a kernel hash map does not (docs/performance.md).
 * A full table refuses new flows, it never evicts established ones (RFC 6888).
 *
 * There are no locks. To add a tuple, a CPU inserts its tag by compare-and-swap, looks the tuple up again, and removes
 * the tag if another record has the tuple: of two CPUs at least one sees the other, so no tuple is owned twice. To end
 * a record, a CPU swaps its `live` for zero first; exactly one succeeds.
 *
 * A record may end and be another flow's while it is read. `live` is zero from before the first change until all of the
 * new flow is written and in the index, and never has a value again. So a reader takes `live` before the tuple it
 * compares, then what it needs, and uses it only if `live` is still the same (is_still). */
#ifndef SNATSH_TABLE_H
#define SNATSH_TABLE_H

#include "config.h"

SHARED_MAP("array", u32, struct tag_bucket, tag_buckets);
SHARED_MAP("array", u32, struct record, records);
SHARED_MAP("array", u32, struct record_counts, record_counts);
/* Numbers of free records that were in use before; the one free for longest is reused first. */
SHARED_QUEUE(u32, free_records);

#define SIDE_OUTBOUND 0  /* found by the outbound tuple */
#define SIDE_INBOUND 1 /* found by the tuple of a reply as it arrives; owns the external address and port */
#define BUCKET_TRIES 6 /* buckets that a tag may be in */
#define TAG_USED 0x80000000u
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define FINGERPRINT_MASK (~NUMBER_MASK) /* bits of the hash in the tag, and TAG_USED */
#define NO_RECORD (~0u)

enum added { ADDED, DUPLICATE, INDEX_FULL };

/* A tuple as the two words of a flow_key, and where to look for it. */
struct index_key {
    u64 addresses;
    u64 ports; /* and the protocol */
    u32 hash;
    u64 fingerprint; /* the tag without its number */
    u64 start; /* first tag of the bucket to look at */
    u32 side;
};

/* Neighbouring ports of one subscriber towards one destination share a bucket and start at different tags: flows
 * opened together are found in one cache line. */
#define NEIGHBOURS 3

/* Sums of products by 64-bit secrets (Thorup, "High Speed Hashing for Integers and Strings", 2015, section 3.4):
 * without the secrets it is not possible to construct tuples that collide. */
inline_always void make_index_key(const struct control *state, u32 side, u64 addresses, u64 ports, struct index_key *index_key)
{
    u32 shift = side == SIDE_OUTBOUND ? 0 : 16; /* to the internal or external port */
    u64 own = ports >> (shift + 8) & NEIGHBOURS; /* the port's low bits: it is in network order */
    u64 others = ports & ~((u64)NEIGHBOURS << (shift + 8));
    u64 sum = (state->secrets[0] + (u32)addresses) * (state->secrets[1] + (addresses >> 32)) +
              (state->secrets[2] + (u32)others) * (state->secrets[3] + (others >> 32));

    sum ^= sum >> 32; /* without this, addresses and ports in a row would fall into few buckets */
    sum *= 0x9e3779b97f4a7c15;
    index_key->addresses = addresses;
    index_key->ports = ports;
    index_key->hash = sum >> 32;
    index_key->fingerprint = (sum >> 32 & FINGERPRINT_MASK) | TAG_USED;
    index_key->start = (sum >> 28) + own;
    index_key->side = side;
}

inline_always void index_key_of(const struct control *state, u32 side, const struct flow_key *key, struct index_key *index_key)
{
    make_index_key(state, side, ((u64 *)key)[0], ((u64 *)key)[1], index_key);
}

inline_always struct tag_bucket *bucket_at(const struct index_key *index_key, u32 turn)
{
    u32 step = index_key->hash >> 9 | 1;
    u32 at = index_key->side * BUCKETS + ((index_key->hash + turn * step) & (BUCKETS - 1));

    return tag_buckets.lookup(&at);
}

/* Memory is read and written in the order of the source, as x86-64 does it: holds the compiler to that. */
inline_always void in_order(void)
{
    asm volatile("" : : : "memory");
}

/* Must be read before anything that decides whether the record ends. */
inline_always u64 live_of(const struct record *record)
{
    u64 live = *(volatile u64 *)&record->live;

    in_order();
    return live;
}

/* Whether all that was read of the record since its `live` was read is of one flow, which has not ended. */
inline_always int is_still(const struct record *record, u64 live)
{
    in_order();
    return live && live_of(record) == live;
}

/* Whether the record has this tuple. */
inline_always int has_tuple(const struct record *record, const struct index_key *index_key)
{
    const u64 *key = (const u64 *)(index_key->side == SIDE_OUTBOUND ? &record->key : &record->reply);

    return key[0] == index_key->addresses && key[1] == index_key->ports;
}

inline_always struct record *record_at(u32 number)
{
    return records.lookup(&number);
}

/* The record with this tuple in this bucket, other than the one with the number `except`. live: the record's own, as it
 * was before its tuple was compared; a null pointer where nobody needs it. */
inline_always struct record *find_in_bucket(const struct index_key *index_key, const struct tag_bucket *tag_bucket,
                                            u32 except, u64 *live)
{
    u64 i;

    for (i = 0; i < BUCKET_TAGS; i++) {
        u64 tag = tag_bucket->tags[(index_key->start + i) & (BUCKET_TAGS - 1)];
        struct record *record;

        if ((tag ^ index_key->fingerprint) & FINGERPRINT_MASK || (tag & NUMBER_MASK) == except)
            continue;
        record = record_at(tag & NUMBER_MASK);
        if (record && live)
            *live = live_of(record);
        if (record && has_tuple(record, index_key))
            return record;
    }
    return 0;
}

inline_always struct record *find_by_index_key(const struct index_key *index_key, u32 except, u64 *live)
{
    u32 turn;

    for (turn = 0; turn < BUCKET_TRIES; turn++) {
        struct tag_bucket *tag_bucket = bucket_at(index_key, turn);
        struct record *record;

        if (!tag_bucket)
            return 0;
        record = find_in_bucket(index_key, tag_bucket, except, live);
        if (record)
            return record;
        if (!turn && !tag_bucket->tags[0])
            return 0;
    }
    return 0;
}

inline_always struct record *find_record(const struct control *state, u32 side, const struct flow_key *key, u64 *live)
{
    struct index_key index_key;

    index_key_of(state, side, key, &index_key);
    return find_by_index_key(&index_key, NO_RECORD, live);
}

inline_always const struct control *running(void)
{
    u32 zero = 0;

    return control.lookup(&zero);
}

inline_always struct record *find_flow(const struct flow_key *key, u64 *live)
{
    const struct control *state = running();

    return state ? find_record(state, SIDE_OUTBOUND, key, live) : 0;
}

inline_always struct record *find_mapping(const struct flow_key *reply, u64 *live)
{
    const struct control *state = running();

    return state ? find_record(state, SIDE_INBOUND, reply, live) : 0;
}

/* Tags are inserted in pairs: every kernel with compare-and-swap has the 64-bit one. */
inline_always int try_insert_tag(struct tag_bucket *tag_bucket, u32 at, u32 tag)
{
    u64 *pair = (u64 *)tag_bucket + (at >> 1 & (BUCKET_TAGS / 2 - 1)), seen = *(volatile u64 *)pair;
    u32 shift = at & 1 ? 32 : 0; /* the datapath runs on little-endian machines */

    if ((u32)(seen >> shift))
        return 0;
    return __sync_val_compare_and_swap(pair, seen, seen | (u64)tag << shift) == seen;
}

/* Inserts a tag into the first bucket with room. Its home bucket counts tags in other buckets, before they are there.
 * Its loops and those of remove_tag stay loops: unrolled they are a quarter of all instructions to compile and verify. */
inline_always int insert_tag(const struct index_key *index_key, u32 number)
{
    struct tag_bucket *home = bucket_at(index_key, 0);
    u32 turn, i;

    if (!home)
        return 0;
#pragma clang loop unroll(disable)
    for (turn = 0; turn < BUCKET_TRIES; turn++) {
        struct tag_bucket *tag_bucket = bucket_at(index_key, turn);

        if (!tag_bucket)
            break;
#pragma clang loop unroll(disable)
        for (i = 0; i < BUCKET_TAGS; i++) {
            u32 at = (index_key->start + i) & (BUCKET_TAGS - 1);

            if (at && try_insert_tag(tag_bucket, at, index_key->fingerprint | number))
                return 1;
        }
        if (!turn)
            lock_xadd(&home->tags[0], 1);
    }
    lock_xadd(&home->tags[0], -1);
    return 0;
}

inline_always void remove_tag(const struct index_key *index_key, u32 number)
{
    struct tag_bucket *home = bucket_at(index_key, 0);
    u32 turn, i;

    if (!home)
        return;
#pragma clang loop unroll(disable)
    for (turn = 0; turn < BUCKET_TRIES; turn++) {
        struct tag_bucket *tag_bucket = bucket_at(index_key, turn);

        if (!tag_bucket)
            return;
#pragma clang loop unroll(disable)
        for (i = 0; i < BUCKET_TAGS; i++) {
            u32 at = (index_key->start + i) & (BUCKET_TAGS - 1);

            if (tag_bucket->tags[at] != (index_key->fingerprint | number))
                continue;
            tag_bucket->tags[at] = 0;
            if (turn)
                lock_xadd(&home->tags[0], -1);
            return;
        }
        if (!turn && !tag_bucket->tags[0])
            return;
    }
}

/* Makes this record that of the tuple. DUPLICATE: `holder` has the tuple; 0 when two CPUs collided. */
inline_always u32 add_tuple(const struct control *state, u32 side, const struct flow_key *key, u32 number,
                            struct record **holder)
{
    struct index_key index_key;

    index_key_of(state, side, key, &index_key);
    *holder = find_by_index_key(&index_key, NO_RECORD, 0);
    if (*holder)
        return DUPLICATE;
    if (!insert_tag(&index_key, number))
        return INDEX_FULL;
    if (!find_by_index_key(&index_key, number, 0))
        return ADDED;
    remove_tag(&index_key, number);
    return DUPLICATE;
}

inline_always void remove_tuple(const struct control *state, u32 side, const struct flow_key *key, u32 number)
{
    struct index_key index_key;

    index_key_of(state, side, key, &index_key);
    remove_tag(&index_key, number);
}

/* A free record and its number, to be filled, added to the index and then activated; 0 when there is none. */
inline_always struct record *allocate_record(u32 *number)
{
    u32 zero = 0;
    struct record_counts *counts = record_counts.lookup(&zero);
    u64 at;

    if (!counts)
        return 0;
    if (free_records.pop(number)) {
        if (counts->used >= MAX_FLOWS)
            return 0;
        at = __sync_fetch_and_add(&counts->used, 1);
        if (at >= MAX_FLOWS)
            return 0;
        *number = at;
    }
    return record_at(*number);
}

/* Sets a unique `live` on the record, which is complete and in the index: from here on it is a flow, and may be ended. */
inline_always void activate_record(struct record *record, u32 number)
{
    u32 zero = 0;
    struct record_counts *counts = record_counts.lookup(&zero);
    u64 use;

    if (!counts)
        return;
    use = __sync_fetch_and_add(&counts->allocated, 1) << 1 | 1; /* odd: never zero, even when it wraps */
    in_order();
    *(volatile u64 *)&record->live = use << 32 | number;
}

/* Makes a record available that is in no index and was not activated, or has ended. */
inline_always void free_record(u32 number)
{
    free_records.push(&number, 0);
}

/* Removes the record with this `live` from the table; returns 1 on the one CPU that did. */
inline_always int remove_record(const struct control *state, struct record *record, u64 live)
{
    u32 number = (u32)live & NUMBER_MASK;

    if (!live || __sync_val_compare_and_swap(&record->live, live, 0) != live)
        return 0;
    remove_tuple(state, SIDE_INBOUND, &record->reply, number);
    remove_tuple(state, SIDE_OUTBOUND, &record->key, number);
    return 1;
}

#endif
