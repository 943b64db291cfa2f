/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets from outside that may open a flow to an endpoint-independent mapping. */
#include "admission.h"
#include "skb.h"

inline_always int leave_unadmitted(struct __sk_buff *skb, const struct packet *p)
{
    tc_programs.call(skb, TC_PROGRAM_UNMATCHED);
    return drop_skb(DROP_INTERNAL, p);
}

/* Judges the packet by the rules in force; opens its flow after tc_reclaim. */
int tc_admit(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    const struct control *state = running();
    struct packet p;

    if (!state || !scratch || parse_skb(skb, &p) != PARSED)
        return TC_ACT_SHOT;
    if (!is_admitted(skb, scratch, state, &p, now))
        return leave_unadmitted(skb, &p);
    scratch->rounds = 0;
    start_reclaim(scratch, state->generation & 1, scratch->eim_mapping.inside, 1, now);
    tc_programs.call(skb, TC_PROGRAM_RECLAIM);
    return drop_skb(DROP_INTERNAL, &p);
}

/* Opens the flow that tc_admit has admitted. Continues from the start, which finds the flow. */
int tc_open(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    struct new_flow new_flow = {};

    if (scratch && !scratch->is_refused) {
        open_from_outside(scratch, &new_flow, now);
        if (new_flow.verdict == VERDICT_RECLAIM)
            tc_programs.call(skb, TC_PROGRAM_RECLAIM);
        if (new_flow.verdict == VERDICT_TRANSLATE)
            tc_programs.call(skb, TC_PROGRAM_OUTSIDE_IN);
    }
    tc_programs.call(skb, TC_PROGRAM_UNMATCHED);
    return TC_ACT_SHOT;
}
