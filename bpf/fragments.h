/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments. The first one carries the ports and is translated like a whole packet; its new address is kept for
 * the others by the identification of the packet. Fragments that arrive before the first one, and first ones too
 * short for the transport header, are dropped and counted. TC only: XDP passes fragments to the stack. Bounds: so
 * many packets in flight as the map has entries, each for FRAGMENT_TICKS; the least recently used are replaced. */
#ifndef SNATSH_FRAGMENTS_H
#define SNATSH_FRAGMENTS_H

#include "config.h"
#include "parse.h"

#define FRAGMENT_TICKS 900 /* 15 s, RFC 1122 section 3.3.2 asks receivers for 60 at most */

SHARED_MAP("lru_hash", struct fragment_key, struct fragment, fragments);

inline_always void fragment_key_of(const struct packet *p, struct fragment_key *key)
{
    key->source = p->source;
    key->destination = p->destination;
    key->id = p->id;
    key->protocol = p->protocol;
    key->pad = 0;
}

/* Called for every translated packet; records first fragments. */
inline_always void note_fragment(const struct packet *p, u32 address, u32 redirect, u32 now)
{
    struct fragment fragment;
    struct fragment_key key;

    if (p->fragment != FIRST_FRAGMENT)
        return;
    fragment.address = address;
    fragment.redirect = redirect;
    fragment.expires = now + FRAGMENT_TICKS;
    fragment_key_of(p, &key);
    fragments.update(&key, &fragment);
}

/* Copies the translation of the first fragment. Returns 0 when it was not seen. The map may give the entry to another
 * packet at any time, so it is looked up again after the copy. */
inline_always int find_fragment(const struct packet *p, struct fragment *copy, u32 now)
{
    struct fragment_key key;
    struct fragment *fragment;

    fragment_key_of(p, &key);
    fragment = fragments.lookup(&key);
    if (!fragment)
        return 0;
    *copy = *fragment;
    return fragments.lookup(&key) == fragment && !is_past(now, copy->expires);
}

#endif
