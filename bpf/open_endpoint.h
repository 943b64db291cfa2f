/* New flows of endpoint-independent rules: the inside endpoint's exterior, found or claimed, then the flow. */

/* Claims an exterior; its address and port into scratch->reply. */
inline_always u32 claim_new_exterior(struct scratch *scratch, const struct pool *pool, const struct packet *p, u32 now)
{
    struct flow_key *reply = &scratch->reply;
    struct exterior_key key;
    u32 i;

    for (i = 0; i < CLAIM_TRIES; i++) {
        u16 port;

        __builtin_memset(reply, 0, sizeof(*reply)); /* the allocator's hints are for all destinations */
        reply->destination = scratch->address;
        reply->protocol = p->protocol;
        port = port_to_try(scratch, pool, p, reply, now);
        if (scratch->full) {
            note_exhausted(scratch->address);
            if (!next_pool_address(scratch, pool))
                return CLAIM_BUSY;
            continue;
        }
        if (!port)
            continue;
        reply->destination_port = port;
        exterior_key_of(scratch->address, port, p->protocol, &key);
        if (!claim_exterior(&key, &scratch->exterior, now))
            continue;
        if (scratch->step > LUCKY_TRIES)
            found_free(reply);
        return CLAIMED;
    }
    return next_round(scratch);
}

inline_always u32 settle_exterior(void *ctx, struct scratch *scratch, const struct rule *rule, const struct pool *pool,
                                  const struct packet *p, u32 now)
{
    struct exterior *exterior = &scratch->exterior;
    struct flow_key *reply = &scratch->reply;
    struct endpoint_key endpoint;
    struct exterior_key key;
    u32 outcome;

    exterior->inside = p->source;
    exterior->pool = pool->id;
    exterior->inside_port = p->source_port;
    exterior->flags = rule->flags;
    exterior->rule = rule->number;
    exterior->counter = rule->counter;
    exterior->expires = now + timeout_ticks(scratch->slot & 1, p->protocol, STATE_UNREPLIED);
    endpoint_key_of(exterior, p->protocol, &endpoint);
    if (find_exterior(scratch, scratch->slot & 1, &endpoint, now))
        return CLAIMED;
    outcome = claim_new_exterior(scratch, pool, p, now);
    if (outcome != CLAIMED)
        return outcome;
    exterior_key_of(reply->destination, reply->destination_port, p->protocol, &key);
    reply->source = p->destination;
    reply->source_port = p->destination_port;
    if (pool->flags & POOL_LOCAL && is_taken_by_socket(ctx, reply)) {
        exteriors.delete(&key);
        return next_round(scratch);
    }
    endpoints.update(&endpoint, &key);
    return CLAIMED;
}

/* Claims the mapping that scratch->reply names by its destination address and port. */
inline_always u32 claim_mapping(struct scratch *scratch, u32 remote, u16 remote_port, u8 protocol, u32 now)
{
    struct mapping *mapping = &scratch->mapping;
    struct flow_key *reply = &scratch->reply;

    reply->source = remote;
    reply->source_port = remote_port;
    reply->protocol = protocol;
    mapping->address_delta = delta_of_address(reply->destination, mapping->inside);
    mapping->port_delta = delta_of_port(reply->destination_port, mapping->inside_port);
    return claim(reply, mapping, now);
}

inline_always void claim_flow_of_endpoint(void *ctx, struct packet *p, struct opening *opening, u32 now)
{
    u32 zero = 0, outcome;
    struct scratch *scratch = scratches.lookup(&zero);
    struct rule *rule = scratch ? matched_rule(scratch) : 0;
    struct pool *pool = rule ? pool_of(scratch->slot & 1, rule) : 0;

    if (!pool)
        return refuse(opening, DROP_INTERNAL);
    prepare_mapping(scratch, p->source, p->source_port, rule->number, rule->counter, now);
    outcome = settle_exterior(ctx, scratch, rule, pool, p, now);
    if (outcome == CLAIMED)
        outcome = claim_mapping(scratch, p->destination, p->destination_port, p->protocol, now);
    if (outcome != CLAIMED)
        return settle_failure(scratch, outcome, opening);
    publish_flow(scratch, rule->redirect, SEEN_ENDPOINT, opening, now);
}

/* The exterior that filters by nothing and takes this packet from outside; 0 when there is none. */
inline_always struct exterior *open_exterior(const struct packet *p, u32 now)
{
    struct exterior_key key;
    struct exterior *exterior;

    if (p->protocol == IPPROTO_ICMP)
        return 0;
    exterior_key_of(p->destination, p->destination_port, p->protocol, &key);
    exterior = exteriors.lookup(&key);
    if (!exterior || !(exterior->flags & RULE_FILTER_ENDPOINT_INDEPENDENT) || is_past(now, exterior->expires))
        return 0;
    return exterior;
}

/* A packet from outside opens a flow to the endpoint behind an exterior. Returns 1 when the flow is there. */
inline_always int open_from_outside(u32 slot, const struct packet *p, u32 now)
{
    struct exterior *exterior = open_exterior(p, now);
    struct opening opening = {};
    struct scratch *scratch;
    u32 zero = 0;

    scratch = scratches.lookup(&zero);
    if (!exterior || !scratch || !find_pool_address(slot, p->destination) || limit_reached(slot, exterior->inside, now) != NOT_REFUSED)
        return 0;
    if (p->protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return 0;
    scratch->slot = slot;
    prepare_mapping(scratch, exterior->inside, exterior->inside_port, exterior->rule, exterior->counter, now);
    scratch->reply.destination = p->destination;
    scratch->reply.destination_port = p->destination_port;
    if (claim_mapping(scratch, p->source, p->source_port, p->protocol, now) != CLAIMED)
        return 0;
    publish_flow(scratch, 0, SEEN_ENDPOINT, &opening, now);
    return opening.verdict == VERDICT_TRANSLATE;
}
