# SPDX-License-Identifier: Apache-2.0
"""The dialects by name, and which one a text is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from snatsh.interop import dpvs, iptables, ipvsadm, keepalived, lvs_dpdk, nft
from snatsh.interop.assemble import assemble
from snatsh.interop.intermediate import Imported, ImportedAction, ImportedMatch
from snatsh.interop.report import Report
from snatsh.model.document.document import Document, to_profile
from snatsh.model.errors import FormError
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.values import Address, PortRange

Writer = Callable[[list[tuple[int, ImportedMatch, ImportedAction]]], Iterator[str]]

DIALECTS = ("ipvsadm", "keepalived", "lvs-dpdk", "dpvs", "dpvs-listing", "iptables", "nft")
WRITERS: dict[str, Writer] = {
    "ipvsadm": ipvsadm.write,
    "keepalived": keepalived.write,
    "iptables": iptables.write,
    "nft": nft.write,
}

_SIGNS = (
    ("nft", r'\A\s*\{\s*"nftables"'),
    ("dpvs-listing", r"(?m)^\s*IP Virtual Server version|^Prot LocalAddress"),
    ("keepalived", r"(?m)^[^#!\n]*(\bvirtual_server\b|\bsnat_rule\b|\bzone\b)[^\n{]*\{"),
    ("lvs-dpdk", r"(?m)^\s*#?(>>>)?\s*#?snat\s+(add|enable|del)\b"),
    ("dpvs", r"(?m)^[^#\n]*\b(dpip\b|ipvsadm\b.*\s-J\b)"),
    ("iptables", r"(?m)^\s*\*(nat|filter|mangle|raw)\b|^[^#\n]*\biptables\b|^\s*-A\s+[A-Z]{2}"),
    ("ipvsadm", r"(?m)^[^#\n]*\bipvsadm\b|^\s*-[AaKkHP]\s"),
)


def detect(text: str) -> str:
    """The dialect; FormError where it is none, rather than a guess."""
    for dialect, sign in _SIGNS:
        if re.search(sign, text):
            return dialect
    raise FormError(f"no dialect recognised; expected one of {', '.join(DIALECTS)}", 1, 1)


def import_text(
    text: str, dialect: str | None = None, own: Mapping[str, Address] | None = None
) -> tuple[Document, Report]:
    """Document and report. own: the box's first address on each interface, for masquerading."""
    return assemble(read(text, dialect, own))


def read(text: str, dialect: str | None = None, own: Mapping[str, Address] | None = None) -> Imported:
    chosen = dialect or detect(text)
    if chosen == "iptables":
        return iptables.read(text, own)
    if chosen == "nft":
        return nft.read(text, own)
    readers = {
        "ipvsadm": ipvsadm.read, "keepalived": keepalived.read, "lvs-dpdk": lvs_dpdk.read,
        "dpvs": dpvs.read, "dpvs-listing": dpvs.read_listing,
    }  # fmt: skip
    if chosen not in readers:
        raise FormError(f"{chosen} is no dialect; expected one of {', '.join(DIALECTS)}", 1, 1)
    return readers[chosen](text)


def export(document: Document, dialect: str) -> str:
    """The rules in a dialect, and remarks for what it has no words for."""
    profile = to_profile(document)
    lines = [f"# {remark}" for remark in _unsaid(profile)]
    rules = [(number, *_parts(profile, number)) for number in sorted(profile.rules)]
    return "\n".join([*lines, *WRITERS[dialect](rules)]) + "\n"


def _parts(profile: Profile, number: int) -> tuple[ImportedMatch, ImportedAction]:
    rule = profile.rules[number]
    pool = profile.pools.get(rule.pool or "")
    match = ImportedMatch(
        rule.source, rule.destination, rule.protocol, rule.out_interface, rule.next_hop, rule.fwmark
    )
    if pool is None:
        return match, ImportedAction(rule.action, redirect=rule.redirect)
    return match, ImportedAction(rule.action, pool.address, _ports(pool), rule.algorithm, rule.redirect)


def _ports(pool: Pool) -> PortRange | None:
    return None if pool.ports == PortRange(1024, 65535) else pool.ports


def _unsaid(profile: Profile) -> Iterator[str]:
    """What no dialect has words for."""
    for number, rule in sorted(profile.rules.items()):
        if rule.failover or rule.group:
            yield f"rule {number}: its failover or group is left out"
        if rule.mapping == "endpoint-independent":
            yield f"rule {number}: endpoint-independent mapping is left out"
    for name, pool in sorted(profile.pools.items()):
        if pool.exclude:
            yield f"pool {name}: its excluded addresses are not left out"
    if profile.links or profile.link_groups:
        yield "links, link groups and their monitors are left out"
    if profile.timeouts.model_fields_set or profile.limits.model_fields_set:
        yield "timeouts and limits are left out"
