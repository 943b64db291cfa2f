# SPDX-License-Identifier: Apache-2.0
"""Compiles a profile to an image: names become indices, rules become mask sets and keys. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from snatsh.compile.image import (
    MAX_INTERFACES,
    MAX_MASK_SETS,
    MAX_OWN,
    MAX_POOLS,
    MAX_RANGES,
    MAX_RULES,
    Action,
    Algorithm,
    AnnouncedRange,
    Filtering,
    HookRequest,
    Image,
    InterfaceImage,
    MaskSet,
    OwnAddress,
    PoolAddress,
    PoolImage,
    RuleImage,
    Seconds,
    SubscriberLimitImage,
)
from snatsh.compile.link_selection import LINK_BUCKETS, MAX_LINK_BUCKETS, LinkSelection, select_links
from snatsh.compile.match import MATCH_FIELDS, Match
from snatsh.model.errors import Path, Problem, ProfileError
from snatsh.model.facts import NO_INDEX, Facts
from snatsh.model.pool_addresses import runs, with_interface_addresses
from snatsh.model.schema.profile import Profile, Rule
from snatsh.model.values import ANY_PREFIX, Address, AddressRange, Prefix


def compile_profile(profile: Profile, facts: Facts, down_links: frozenset[str] = frozenset()) -> Image:
    """Compile a validated profile. down_links: links whose failovers are in effect.

    ProfileError when an interface is missing or a bound of the datapath is exceeded.
    """
    profile = with_interface_addresses(profile, facts)
    pools = tuple(
        PoolImage(name, runs(pool), pool.ports, _is_local(runs(pool), facts), pool.port_class == "preserve")
        for name, pool in sorted(profile.pools.items(), key=lambda p: p[0])
    )
    pool_index = {pool.name: index for index, pool in enumerate(pools)}
    selections = select_links(profile, facts, down_links)
    rules = tuple(
        _rule(number, rule, selections.get(number), pool_index, facts)
        for number, rule in sorted(profile.rules.items())
    )
    addresses = tuple(_pool_addresses(profile, facts))
    image = Image(
        interfaces=tuple(_interfaces(profile, facts)),
        hooks=tuple(_hooks(profile, facts)),
        pools=pools,
        pool_addresses=addresses,
        announced=tuple(_announced(profile, addresses)),
        mask_sets=_mask_sets(rules),
        rules=rules,
        timeouts=_timeouts(profile),
        port_hold=profile.timeouts.port_hold,
        refresh_inbound=profile.timeouts.refresh == "both",
        default_pass=profile.system.default_action == "pass",
        tcp_syn_only=profile.system.tcp_mid_stream == "drop",
        inbound_drop=profile.system.inbound == "drop",
        limits=_limits(profile),
        own=tuple(_own_addresses(profile, facts)),
        present=tuple(known.index for known in facts.interfaces.values() if known.index < NO_INDEX),
    )
    _check_bounds(image)
    return image


def _own_addresses(profile: Profile, facts: Facts) -> Iterator[OwnAddress]:
    """With the outside interface that has the address, or else any: one of the loopback is in use on all."""
    outside = [
        facts.interfaces[name].index
        for name, interface in sorted(profile.interfaces.items())
        if interface.role == "outside" and name in facts.interfaces
    ]
    held: dict[Address, int] = {}
    for interface in facts.interfaces.values():
        for own in interface.addresses:
            if interface.index in outside or own.ip not in held:
                held[own.ip] = interface.index if interface.index in outside else next(iter(outside), 0)
    return (OwnAddress(address, reentry) for address, reentry in sorted(held.items()))


def _is_local(held: tuple[AddressRange, ...], facts: Facts) -> bool:
    own = {address.ip for interface in facts.interfaces.values() for address in interface.addresses}
    return any(run.first <= address <= run.last for run in held for address in own)


def _limits(profile: Profile) -> SubscriberLimitImage:
    subscriber = profile.limits.subscriber
    return SubscriberLimitImage(
        sessions=subscriber.sessions or 0,
        new_flows=subscriber.new_flows or 0,
        half_open=subscriber.half_open,
        refusals=profile.limits.refusals,
    )


def _index(facts: Facts, path: Path, name: str) -> int:
    known = facts.interfaces.get(name)
    if known is None:
        there = ", ".join(sorted(facts.interfaces)) or "none"
        raise ProfileError([Problem(path, name, f"no such interface on this gateway; there are: {there}")])
    return known.index


def _interfaces(profile: Profile, facts: Facts) -> Iterator[InterfaceImage]:
    for name, interface in sorted(profile.interfaces.items()):
        index = _index(facts, ("interfaces", name), name)
        known = facts.interfaces[name]
        own = known.addresses[0].ip if known.addresses else None
        yield InterfaceImage(name, index, interface.role, known.mac, own)


def _hooks(profile: Profile, facts: Facts) -> Iterator[HookRequest]:
    if profile.system.datapath == "disabled":
        return
    for name, interface in sorted(profile.interfaces.items()):
        yield HookRequest(name, _index(facts, ("interfaces", name), name), interface.role, interface.hook)


def _rule(
    number: int, rule: Rule, selection: LinkSelection | None, pool_index: dict[str, int], facts: Facts
) -> RuleImage:
    path = ("rules", str(number))
    image = RuleImage(
        number=number,
        match=_match(rule, facts, path),
        action=Action[rule.action.upper()],
        algorithm=Algorithm[rule.algorithm.upper().replace("-", "_")],
        pool=0,
        redirect=None,
        endpoint_independent=rule.action == "translate" and rule.mapping == "endpoint-independent",
        filtering=Filtering[rule.filtering.upper().replace("-", "_")],
    )
    return image if rule.action != "translate" else _by_link(image, selection, pool_index)


def _match(rule: Rule, facts: Facts, path: Path) -> Match:
    given = {}
    for field in MATCH_FIELDS:
        value = getattr(rule, field.name)
        if value is not None:
            at = (*path, field.statement)
            given[field.name] = field.compiled(value, partial(_index, facts, at))
    return Match(rule.source or ANY_PREFIX, rule.destination or ANY_PREFIX, **given)


def _by_link(image: RuleImage, selection: LinkSelection | None, pool_index: dict[str, int]) -> RuleImage:
    """The rule by each of its links. ProfileError when one has no pool."""
    choices = () if selection is None else selection.choices
    missing = [choice.pool for choice in choices if choice.pool not in pool_index]
    if selection is None or missing:
        path = ("rules", str(image.number), "pool")
        raise ProfileError([Problem(path, "".join(missing[:1]), "expected the name of a pool")])
    first, *others = (
        replace(image, pool=pool_index[choice.pool], redirect=choice.redirect, link_by_flow=selection.by_flow)
        for choice in choices
    )
    buckets = selection.buckets if others else ()
    return replace(first, selection=selection, others=tuple(others), buckets=buckets)


def _mask_sets(rules: tuple[RuleImage, ...]) -> tuple[MaskSet, ...]:
    shapes = {
        (rule.match.source.prefixlen, rule.match.destination.prefixlen, rule.match.fields) for rule in rules
    }
    ordered = sorted(shapes, key=lambda s: (-s[0], -s[1], -len(s[2]), sorted(s[2])))
    ranks: dict[tuple[int, int, int], int] = {}
    return tuple(
        MaskSet(source, destination, fields, ranks.setdefault((source, destination, len(fields)), len(ranks)))
        for source, destination, fields in ordered
    )


def _pool_addresses(profile: Profile, facts: Facts) -> Iterator[PoolAddress]:
    for name, pool in sorted(profile.pools.items()):
        for run in runs(pool):
            for prefix in run.prefixes:
                for part, interface in _split_by_link(prefix, profile, facts):
                    yield PoolAddress(
                        name, part, pool.unmatched == "stack", 0 if pool.announce == "none" else interface
                    )


def _announced(profile: Profile, addresses: Iterable[PoolAddress]) -> Iterator[AnnouncedRange]:
    for entry in addresses:
        if entry.announce:
            run = AddressRange(entry.prefix[0], entry.prefix[-1])
            yield AnnouncedRange(run, entry.announce, profile.pools[entry.pool].announce == "always")


def announced_by(profile: Profile, facts: Facts) -> tuple[AnnouncedRange, ...]:
    """The addresses that a profile announces, whether its pools can use them at the moment or not."""
    current = with_interface_addresses(profile, facts)
    return tuple(_announced(current, _pool_addresses(current, facts)))


def _split_by_link(prefix: Prefix, profile: Profile, facts: Facts) -> list[tuple[Prefix, int]]:
    """The prefix, cut at the borders of outside subnets, with the interface of each part, 0 for none."""
    for name, interface in sorted(profile.interfaces.items()):
        known = facts.interfaces.get(name)
        if interface.role != "outside" or known is None:
            continue
        for own in known.addresses:
            if prefix.subnet_of(own.network):
                return [(prefix, known.index)]
            if own.network.subnet_of(prefix):
                rest = [
                    piece
                    for part in prefix.address_exclude(own.network)
                    for piece in _split_by_link(part, profile, facts)
                ]
                return [(own.network, known.index), *rest]
    return [(prefix, 0)]


def _timeouts(profile: Profile) -> Seconds:
    tcp, udp, icmp = profile.timeouts.tcp, profile.timeouts.udp, profile.timeouts.icmp
    return Seconds(
        tcp_syn=tcp.syn,
        tcp_established=tcp.established,
        tcp_transitory=tcp.transitory,
        tcp_time_wait=tcp.time_wait,
        udp_unreplied=udp.unreplied,
        udp_replied=udp.replied,
        icmp=icmp.query,
    )


def _check_bounds(image: Image) -> None:
    ranges = sum(len(pool.runs) for pool in image.pools)
    for what, have, bound in (
        ("rules", sum(1 + len(rule.others) for rule in image.rules), MAX_RULES),
        (
            "rules that share links",
            sum(bool(r.others) for r in image.rules),
            MAX_LINK_BUCKETS // LINK_BUCKETS,
        ),
        ("pools", len(image.pools), MAX_POOLS),
        ("interfaces", len(image.interfaces), MAX_INTERFACES),
        ("addresses of this gateway", len(image.own), MAX_OWN),
    ):
        if have > bound:
            raise ProfileError([Problem((what,), str(have), f"the datapath holds at most {bound} {what}")])
    if len(image.mask_sets) > MAX_MASK_SETS:
        reason = f"the datapath holds at most {MAX_MASK_SETS} combinations of prefix lengths and fields"
        raise ProfileError([Problem(("rules",), f"{len(image.mask_sets)} combinations", reason)])
    if ranges > MAX_RANGES:
        reason = f"the datapath holds at most {MAX_RANGES} address ranges in all pools"
        raise ProfileError([Problem(("pools",), f"{ranges} ranges", reason)])
