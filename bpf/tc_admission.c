/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets from outside that may open a flow to an endpoint-independent mapping. */
#include "admission.h"
#include "skb.h"

inline_always int leave_unadmitted(struct __sk_buff *skb, const struct packet *p)
{
    tc_programs.call(skb, TC_PROGRAM_UNMATCHED);
    return drop_skb(DROP_INTERNAL, p);
}

/* Judges the packet by the rules in force. Its flow, which does not hold the mapping, is opened after tc_reclaim: only
 * the subscriber prolongs the mapping's life. */
int tc_admit(struct __sk_buff *skb)
{
    u32 zero = 0, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);
    const struct control *state = running();
    struct packet *p;

    if (!state || !scratch)
        return TC_ACT_SHOT;
    p = &scratch->packet;
    if (parse_skb(skb, p) != PARSED)
        return TC_ACT_SHOT;
    if (!is_admitted(skb, scratch, state, p, now))
        return leave_unadmitted(skb, p);
    scratch->rounds = 0;
    scratch->is_shared = 1;
    start_reclaim(scratch, state->generation & 1, scratch->eim_mapping.inside, SEEN_FROM_OUTSIDE, now);
    tc_programs.call(skb, TC_PROGRAM_RECLAIM);
    return drop_skb(DROP_INTERNAL, p);
}
