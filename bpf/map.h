/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Declaration of the maps shared with user space. snatsh/datapath/maps.py has their sizes, creates them and links
 * them to the programs; the one entry here only satisfies the compiler. */
#ifndef SNATSH_MAP_H
#define SNATSH_MAP_H

#define SHARED_MAP(kind, key, value, name) BPF_TABLE(kind, key, value, name, 1)
#define SHARED_TRIE(key, value, name) BPF_F_TABLE("lpm_trie", key, value, name, 1, BPF_F_NO_PREALLOC)
/* A device map, by interface index. BCC has no such kind; a lookup is the same. */
#define SHARED_DEVICES(name) BPF_TABLE("hash", u32, u32, name, 1)
#define SHARED_QUEUE(value, name) BPF_QUEUESTACK("queue", name, value, 1, 0)

#endif
