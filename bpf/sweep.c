/* Ends flows that user space names: run by BPF_PROG_TEST_RUN with a list of keys as its packet. Here,
 * because only here the check and the end of a flow are next to each other: user space can't delete an
 * entry on a condition. */
#define SWEEP_KEYS 100

struct sweep_header {
    u32 count;
    u32 force; /* 1: end the flow whether it has expired or not */
    u64 reserved;
};

int xdp_sweep(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sweep_header *header = data;
    struct flow_key *from = data + sizeof(*header), key;
    u32 zero = 0, i, now = now_ticks();
    struct scratch *scratch = scratches.lookup(&zero);

    if ((void *)(header + 1) > end || !scratch)
        return 0;
    scratch->ended = 0;
    for (i = 0; i < SWEEP_KEYS; i++) {
        struct flow *flow;

        if ((void *)(from + i + 1) > end || i >= header->count)
            break;
        __builtin_memcpy(&key, from + i, sizeof(key));
        flow = flows.lookup(&key);
        if (!flow || (!header->force && !is_past(now, flow->expires)))
            continue;
        end_flow(&key, flow);
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
