/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table: records in an array, found by their inside tuple or by that of a reply through an index of
 * tags. A tag is a word: a few bits of the hash and the number of the record; sixteen make a cache line, so that
 * the index of a million flows stays in the processor's caches where a hash map of the kernel does not
 * (docs/performance.md). A full table refuses new flows, it never evicts (RFC 6888).
 *
 * Nobody waits for anybody. Whoever adds a tuple puts its tag in with compare-and-swap, looks again, and takes
 * it back when there is another record of the tuple: of two CPUs at least one sees the other, so that no
 * tuple is ever owned twice. Whoever ends a record swaps its `live` for zero first; one CPU succeeds. */
#ifndef SNATSH_TABLE_H
#define SNATSH_TABLE_H

#include "config.h"

SHARED_MAP("array", u32, struct line, lines);
SHARED_MAP("array", u32, struct record, records);
SHARED_MAP("array", u32, struct taking, takings);
/* Records that were in use before; the longest free one is taken first. */
SHARED_QUEUE(u32, freed);

#define SIDE_FLOW 0  /* found by the inside tuple */
#define SIDE_REPLY 1 /* found by the tuple of a reply as it arrives; owns mapped address and port */
#define LINE_TRIES 6 /* lines that a tag may lie in */
#define TAG_USED 0x80000000u
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define PRINT_MASK (~NUMBER_MASK) /* what tag and hash have in common, TAG_USED among it */
#define NOBODY (~0u)

enum added { ADDED, HELD, NO_ROOM };

/* A tuple as two words, as a flow_key lies in memory, and where it is looked for. */
struct place {
    u64 addresses;
    u64 ports; /* and the protocol */
    u32 hash;
    u64 print; /* the tag without its number */
    u64 start; /* tag of the line to begin with */
    u32 side;
};

/* Neighbouring ports of one host towards one destination share a line, and begin at a tag each: what is open at
 * the same time is found in the same cache line. */
#define NEIGHBOURS 3

/* Sums of products by 64-bit secrets (Thorup, "High Speed Hashing for Integers and Strings", 2015, section 3.4):
 * nobody who does not know the secrets can choose tuples that meet. */
inline_always void find_place(const struct control *state, u32 side, u64 addresses, u64 ports, struct place *place)
{
    u32 shift = side == SIDE_FLOW ? 0 : 16; /* of the port that is the inside's or mapped */
    u64 own = ports >> (shift + 8) & NEIGHBOURS; /* the port's low bits: it is in network order */
    u64 others = ports & ~((u64)NEIGHBOURS << (shift + 8));
    u64 sum = (state->secrets[0] + (u32)addresses) * (state->secrets[1] + (addresses >> 32)) +
              (state->secrets[2] + (u32)others) * (state->secrets[3] + (others >> 32));

    sum ^= sum >> 32; /* without this, addresses and ports in a row would fall into few lines */
    sum *= 0x9e3779b97f4a7c15;
    place->addresses = addresses;
    place->ports = ports;
    place->hash = sum >> 32;
    place->print = (sum >> 32 & PRINT_MASK) | TAG_USED;
    place->start = (sum >> 28) + own;
    place->side = side;
}

inline_always void place_of(const struct control *state, u32 side, const struct flow_key *key, struct place *place)
{
    find_place(state, side, ((u64 *)key)[0], ((u64 *)key)[1], place);
}

inline_always struct line *line_at(const struct place *place, u32 turn)
{
    u32 step = place->hash >> 9 | 1;
    u32 at = place->side * LINES + ((place->hash + turn * step) & (LINES - 1));

    return lines.lookup(&at);
}

/* Whether it is the record of the place's tuple. */
inline_always int is_of(const struct record *record, const struct place *place)
{
    const u64 *key = (const u64 *)(place->side == SIDE_FLOW ? &record->key : &record->reply);

    return key[0] == place->addresses && key[1] == place->ports;
}

inline_always struct record *record_at(u32 number)
{
    return records.lookup(&number);
}

/* The record of the place's tuple in this line, but for the one with the number `except`. */
inline_always struct record *find_in_line(const struct place *place, const struct line *line, u32 except)
{
    u64 i;

    for (i = 0; i < LINE_TAGS; i++) {
        u64 tag = line->tags[(place->start + i) & (LINE_TAGS - 1)];
        struct record *record;

        if ((tag ^ place->print) & PRINT_MASK || (tag & NUMBER_MASK) == except)
            continue;
        record = record_at(tag & NUMBER_MASK);
        if (record && is_of(record, place))
            return record;
    }
    return 0;
}

inline_always struct record *find_in_place(const struct place *place, u32 except)
{
    u32 turn;

    for (turn = 0; turn < LINE_TRIES; turn++) {
        struct line *line = line_at(place, turn);
        struct record *record;

        if (!line)
            return 0;
        record = find_in_line(place, line, except);
        if (record)
            return record;
        if (!turn && !line->tags[0])
            return 0;
    }
    return 0;
}

inline_always struct record *find_record(const struct control *state, u32 side, const struct flow_key *key)
{
    struct place place;

    place_of(state, side, key, &place);
    return find_in_place(&place, NOBODY);
}

inline_always const struct control *running(void)
{
    u32 zero = 0;

    return control.lookup(&zero);
}

inline_always struct record *find_flow(const struct flow_key *key)
{
    const struct control *state = running();

    return state ? find_record(state, SIDE_FLOW, key) : 0;
}

inline_always struct record *find_mapping(const struct flow_key *reply)
{
    const struct control *state = running();

    return state ? find_record(state, SIDE_REPLY, reply) : 0;
}

/* Tags are swapped in by pairs: 64 bits is what compare-and-swap takes on every kernel that has it. */
inline_always int put_tag(struct line *line, u32 at, u32 tag)
{
    u64 *pair = (u64 *)line + (at >> 1 & (LINE_TAGS / 2 - 1)), seen = *(volatile u64 *)pair;
    u32 shift = at & 1 ? 32 : 0; /* the datapath runs on little-endian machines */

    if ((u32)(seen >> shift))
        return 0;
    return __sync_val_compare_and_swap(pair, seen, seen | (u64)tag << shift) == seen;
}

/* A tag into the first line that has room. The line it should be in counts those that lie elsewhere, before they do. */
inline_always int place_tag(const struct place *place, u32 number)
{
    struct line *home = line_at(place, 0);
    u32 turn, i;

    if (!home)
        return 0;
    for (turn = 0; turn < LINE_TRIES; turn++) {
        struct line *line = line_at(place, turn);

        if (!line)
            break;
        for (i = 0; i < LINE_TAGS; i++) {
            u32 at = (place->start + i) & (LINE_TAGS - 1);

            if (at && put_tag(line, at, place->print | number))
                return 1;
        }
        if (!turn)
            lock_xadd(&home->tags[0], 1);
    }
    lock_xadd(&home->tags[0], -1);
    return 0;
}

inline_always void remove_tag(const struct place *place, u32 number)
{
    struct line *home = line_at(place, 0);
    u32 turn, i;

    if (!home)
        return;
    for (turn = 0; turn < LINE_TRIES; turn++) {
        struct line *line = line_at(place, turn);

        if (!line)
            return;
        for (i = 0; i < LINE_TAGS; i++) {
            u32 at = (place->start + i) & (LINE_TAGS - 1);

            if (line->tags[at] != (place->print | number))
                continue;
            line->tags[at] = 0;
            if (turn)
                lock_xadd(&home->tags[0], -1);
            return;
        }
        if (!turn && !line->tags[0])
            return;
    }
}

/* Makes the record with this number that of the tuple, if it has none. HELD: `holder` has it; 0 when two CPUs met. */
inline_always u32 add_tuple(const struct control *state, u32 side, const struct flow_key *key, u32 number,
                            struct record **holder)
{
    struct place place;

    place_of(state, side, key, &place);
    *holder = find_in_place(&place, NOBODY);
    if (*holder)
        return HELD;
    if (!place_tag(&place, number))
        return NO_ROOM;
    if (!find_in_place(&place, number))
        return ADDED;
    remove_tag(&place, number);
    return HELD;
}

inline_always void remove_tuple(const struct control *state, u32 side, const struct flow_key *key, u32 number)
{
    struct place place;

    place_of(state, side, key, &place);
    remove_tag(&place, number);
}

/* A free record and its number, to be filled and then named; 0 when there is none. */
inline_always struct record *take_record(u32 *number)
{
    u32 zero = 0;
    struct taking *taking = takings.lookup(&zero);
    u64 at;

    if (!taking)
        return 0;
    if (freed.pop(number)) {
        if (taking->used >= MAX_FLOWS)
            return 0;
        at = __sync_fetch_and_add(&taking->used, 1);
        if (at >= MAX_FLOWS)
            return 0;
        *number = at;
    }
    return record_at(*number);
}

/* Gives the record, whose expiry is set, a `live` that no other ever had: from here on it may be ended. */
inline_always void name_record(struct record *record, u32 number)
{
    u32 zero = 0;
    struct taking *taking = takings.lookup(&zero);
    u64 use;

    if (!taking)
        return;
    use = __sync_fetch_and_add(&taking->taken, 1) << 1 | 1; /* odd, so that it is never zero, not when it wraps either */
    *(volatile u64 *)&record->live = use << 32 | number;
}

/* To be read before what the end of the record depends on. */
inline_always u64 live_of(const struct record *record)
{
    return *(volatile u64 *)&record->live;
}

inline_always u32 number_of(const struct record *record)
{
    return (u32)record->live & NUMBER_MASK;
}

/* The record that had this `live` may be taken again. */
inline_always void release(u64 live)
{
    u32 number = (u32)live & NUMBER_MASK;

    freed.push(&number, 0);
}

/* Gives back what was taken and is in no index. */
inline_always void drop_record(struct record *record)
{
    u64 live = live_of(record);

    record->live = 0;
    release(live);
}

/* Takes the record with this `live` out of the table; 1 for the one CPU that did. */
inline_always int remove_record(const struct control *state, struct record *record, u64 live)
{
    u32 number = (u32)live & NUMBER_MASK;

    if (!live || __sync_val_compare_and_swap(&record->live, live, 0) != live)
        return 0;
    remove_tuple(state, SIDE_REPLY, &record->reply, number);
    remove_tuple(state, SIDE_FLOW, &record->key, number);
    return 1;
}

#endif
