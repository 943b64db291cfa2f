/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP programs that others tail-call. */
#ifndef SNATSH_XDP_PROGRAMS_H
#define SNATSH_XDP_PROGRAMS_H

#include "map.h"
#include "types.h"

SHARED_MAP("prog", u32, u32, xdp_programs);

/* Indices into xdp_programs (snatsh/datapath/programs.py). */
enum xdp_tail_call {
    XDP_PROGRAM_MATCH,
    XDP_PROGRAM_CLAIM,
    XDP_PROGRAM_CLAIM_EIM,
    XDP_PROGRAM_REFUSE,
    XDP_PROGRAM_RESET,
    XDP_PROGRAM_INSIDE,
    XDP_PROGRAM_SWEEP,
    XDP_PROGRAM_RECLAIM,
    XDP_PROGRAM_OPEN,
    XDP_PROGRAM_MIGRATE,
    XDP_PROGRAM_FIND,
};

#endif
