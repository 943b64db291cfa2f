# SPDX-License-Identifier: Apache-2.0
"""The reference matcher: the verdict that the datapath must reach for a first packet. Pure, and as plain as
possible; tests compare the loaded programs with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from snatsh.compile.address_hash import (
    flow_bucket,
    source_destination_hash,
    source_hash,
    subscriber_bucket,
    tuple_hash,
)
from snatsh.compile.image import Action, Algorithm, Image, RuleImage
from snatsh.compile.match import Packet
from snatsh.model.values import Address


@dataclass(frozen=True, slots=True)
class MatchResult:
    """The verdict on a packet; pass means untranslated. addresses: those that the algorithm can choose."""

    verdict: Literal["translate", "pass", "drop"]
    rule: RuleImage | None = None
    addresses: tuple[Address, ...] = ()


def find_rule(image: Image, packet: Packet) -> RuleImage | None:
    """The matching rule of longest source, then longest destination, then most fields, then lowest number."""
    candidates = [rule for rule in image.rules if rule.match.covers(packet)]
    return max(candidates, key=lambda rule: (*rule.match.specificity, -rule.number), default=None)


def judge(image: Image, packet: Packet) -> MatchResult:
    """Verdict and addresses for a packet from an inside to an outside interface."""
    rule = find_rule(image, packet)
    if rule is None:
        return MatchResult("pass" if image.default_pass else "drop")
    if rule.action is Action.EXEMPT:
        return MatchResult("pass", rule)
    if rule.action is Action.DROP:
        return MatchResult("drop", rule)
    rule = by_link(rule, packet)
    return MatchResult("translate", rule, choices(image, rule, packet))


def by_link(rule: RuleImage, packet: Packet) -> RuleImage:
    """The rule by the link that the packet's flow takes."""
    if not rule.others:
        return rule
    source, destination = packet.source, packet.destination
    if rule.link_by_flow:
        bucket = flow_bucket(
            source, destination, packet.source_port, packet.destination_port, len(rule.buckets)
        )
    else:
        bucket = subscriber_bucket(source, len(rule.buckets))
    return (rule, *rule.others)[rule.buckets[bucket]]


def choices(image: Image, rule: RuleImage, packet: Packet) -> tuple[Address, ...]:
    """The addresses that the algorithm can choose first: one by hash, any of the pool otherwise."""
    pool = image.pools[rule.pool]
    source, destination, size = packet.source, packet.destination, pool.size
    if rule.algorithm is Algorithm.SOURCE_HASH:
        return (pool.address(source_hash(source, size)),)
    if rule.algorithm is Algorithm.SOURCE_DESTINATION_HASH:
        return (pool.address(source_destination_hash(source, destination, size)),)
    if rule.algorithm is Algorithm.TUPLE_HASH:
        index = tuple_hash(source, destination, packet.source_port, packet.destination_port, size)
        return (pool.address(index),)
    return tuple(pool.address(index) for index in range(size))
