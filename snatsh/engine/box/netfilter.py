# SPDX-License-Identifier: Apache-2.0
"""Netfilter on the path of forwarded packets: what translated ones pass by, and what translates them too."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.engine.box.legacy_tables import legacy_ruleset
from snatsh.engine.box.nftables import Nftables
from snatsh.engine.box.ruleset import Chain, Ruleset
from snatsh.model.box import Bypass, Subject

_PROXYING = ("tproxy", "redirect", "dnat")
_TRANSLATING = ("masquerade", "snat")
_IP = ("ip", "inet", "legacy")


def read_ruleset() -> Ruleset:
    """Read what nf_tables and iptables-legacy have. Needs CAP_NET_ADMIN."""
    try:
        with Nftables() as nftables:
            found = nftables.ruleset()
    except OSError:
        found = Ruleset()  # no nf_tables in this kernel
    return found + legacy_ruleset()


def source_translations(ruleset: Ruleset) -> tuple[str, ...]:
    """Describe every source NAT rule, which would translate packets a second time."""
    return tuple(
        f"{rule}: {action}"
        for rule in ruleset.rules
        if rule.family in _IP
        for action in rule.actions
        if action in _TRANSLATING
    )


def sets_marks(ruleset: Ruleset) -> bool:
    """Whether packets may have a mark when they are routed: a rule sets one before, or is not read."""
    return ruleset.is_cut or any(
        "mark" in rule.actions
        for chain in ruleset.chains
        if chain.hook in ("prerouting", "ingress")
        for rule in ruleset.reached_from(chain)
    )


def bypassed(ruleset: Ruleset) -> Iterator[Bypass]:
    """Yield what translated packets pass by, whatever the hook."""
    for chain in ruleset.chains:
        if not chain.is_idle:
            for subject in _subjects(chain):
                yield from _of_devices(subject, chain)
    for chain in ruleset.chains:
        if chain.family in _IP and chain.hook == "prerouting":
            yield from _proxies(ruleset, chain)
    for flowtable in ruleset.flowtables:
        yield Bypass("hardware flowtable" if flowtable.in_hardware else "flowtable", f"{flowtable}")
    if ruleset.is_cut:
        yield Bypass("unread rules", "the rules of netfilter")


def _subjects(chain: Chain) -> Iterator[Subject]:
    if chain.family == "bridge":
        yield "bridge filter"
    elif chain.hook in ("ingress", "egress"):  # a redirect of TC skips both
        yield "mangling"
    elif chain.kind != "nat" and chain.hook == "forward":
        yield "firewall"
    elif chain.kind != "nat" and chain.hook in ("prerouting", "postrouting"):
        yield "mangling"


def _of_devices(subject: Subject, chain: Chain) -> Iterator[Bypass]:
    for device in chain.devices or ("",):
        yield Bypass(subject, f"{chain}", device)


def _proxies(ruleset: Ruleset, chain: Chain) -> Iterator[Bypass]:
    """Yield the rules that send packets elsewhere, but for those that are about what they were sent to.

    Port forwarding is by an address of the gateway, to which translated packets are not sent.
    """
    found = {
        Bypass("proxy", f"{rule}: {action}", rule.interface): None
        for rule in ruleset.reached_from(chain)
        for action in rule.actions
        if action in _PROXYING and not rule.by_destination
    }
    yield from found
