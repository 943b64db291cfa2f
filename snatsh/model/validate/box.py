# SPDX-License-Identifier: Apache-2.0
"""What of the host a configuration passes by, and what that means: for `commit check` and for alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from snatsh.model.box import Bypass, Subject
from snatsh.model.errors import Path, Problem
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from snatsh.model.values import ADDRESS_BITS, Prefix

Mode = Literal["auto", "xdp", "tc"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """reason: a clause about the thing, and what is expected. alarm: its class; empty for none.

    xdp_only: TC does not pass it by, so hook auto takes TC. role: of the interfaces that it matters on.
    """

    reason: str
    alarm: Literal["", "major", "minor"]
    xdp_only: bool = False
    role: Literal["", "inside", "outside"] = ""


MEANINGS: Mapping[Subject, Meaning] = {
    "firewall": Meaning("is not applied to translated packets; expected rules with action drop", "major"),
    "mangling": Meaning("is not applied to translated packets; expected rules of snatsh instead", "minor"),
    "bridge filter": Meaning(
        "is not applied to frames that a port with a role takes; expected the role at the bridge", "minor"
    ),
    "proxy": Meaning(
        "does not get translated packets; expected action exempt for what it is to get",
        "major",
        role="inside",
    ),
    "flowtable": Meaning("is not used by translated packets; expected nothing of it", "minor"),
    "hardware flowtable": Meaning(
        "forwards packets that no hook sees; expected a flowtable without flag offload", "major"
    ),
    "unread rules": Meaning("are too many to look for proxies and marks in", "minor"),
    "qdisc": Meaning(
        "is not applied to frames that XDP sends; expected hook auto or tc", "minor", xdp_only=True
    ),
    "filter": Meaning(
        "is not applied to frames that XDP takes or sends; expected hook auto or tc", "minor", xdp_only=True
    ),
    "late filter": Meaning("comes after those of snatsh, which decide; expected a pref below 1447", "minor"),
    "policy rule": Meaning(
        "is not followed, as marks of netfilter are not known at the hooks; expected a rule without fwmark,"
        " or next-hop, redirect or group in rules of snatsh",
        "major",
    ),
    "forwarding": Meaning("so what comes in there is not forwarded; expected 1", "major"),
    "rp_filter": Meaning(
        "drops replies to redirected flows where they take the stack, as fragments do; expected 0 or 2",
        "",
        role="outside",
    ),
    "bridge port": Meaning(
        "so frames to its own address pass by what the bridge does; expected the role at the bridge", "minor"
    ),
    "no redirect": Meaning(
        "so every frame that XDP sends there is lost; expected hook auto or tc", "major", xdp_only=True
    ),
    "ipsec policy": Meaning(
        "is not applied to translated packets, which leave in the clear; expected a rule with action exempt",
        "major",
    ),
}

CHECKSUMS = (
    "the interface is virtual: TCP and UDP of hosts on this machine are lost unless they fill in checksums;"
    " expected auto or tc, or at the other end: ethtool -K DEV tx off gro on"
)


@dataclass(frozen=True, slots=True)
class BoxFinding:
    """interface: whose configuration it concerns; empty for none."""

    interface: str
    text: str
    alarm: Literal["", "major", "minor"]

    def __str__(self) -> str:
        return f"interface {self.interface}: {self.text}" if self.interface else self.text


def box_findings(profile: Profile, facts: Facts, mode_of: Callable[[str], Mode]) -> Iterator[BoxFinding]:
    """Yield what translated packets pass by. mode_of: by interface the hook that is wanted or attached."""
    if not any(rule.action == "translate" for rule in profile.rules.values()):
        return
    ports = {found.interface for found in facts.box if found.subject == "bridge port"}
    for found in _in_order(facts.box):
        meaning = MEANINGS[found.subject]
        if found.subject == "rp_filter" and not _redirects(profile):
            continue
        if found.subject == "bridge filter" and not ports & set(profile.interfaces):
            continue
        if found.subject == "ipsec policy" and (_is_exempt(found, profile) or _is_of_gateway(found, facts)):
            continue
        if found.interface:
            for name in _concerned(found, meaning, profile, mode_of):
                yield BoxFinding(name, f"{found.what} {meaning.reason}", meaning.alarm)
        elif not meaning.xdp_only or any(mode_of(name) == "xdp" for name in profile.interfaces):
            yield BoxFinding("", f"{found.what} {meaning.reason}", meaning.alarm)


def check_box(profile: Profile, facts: Facts) -> Iterator[Problem]:
    """Warn of what translated packets would pass by."""
    for found in box_findings(profile, facts, lambda name: profile.interfaces[name].hook):
        path: Path = ("interfaces", found.interface) if found.interface else ()
        yield Problem(path, "", found.text, "warning")


def _in_order(box: Iterable[Bypass]) -> list[Bypass]:
    order = list(MEANINGS)
    return sorted(box, key=lambda found: order.index(found.subject))


def _concerned(
    found: Bypass, meaning: Meaning, profile: Profile, mode_of: Callable[[str], Mode]
) -> Iterator[str]:
    """Yield the interfaces of the profile that a thing is for and that pass it by."""
    for name, interface in sorted(profile.interfaces.items()):
        passes = not meaning.xdp_only or mode_of(name) == "xdp"
        if passes and meaning.role in ("", interface.role) and fnmatchcase(name, found.interface):
            yield name


def _redirects(profile: Profile) -> bool:
    """Whether flows may leave by another interface than the route to their destination."""
    return any(rule.redirect or rule.group or rule.failover for rule in profile.rules.values())


def _is_exempt(policy: Bypass, profile: Profile) -> bool:
    """Whether a rule leaves all packets that a policy is for to the stack."""
    return any(
        rule.action == "exempt"
        and rule.model_fields_set <= _ADDRESSED
        and _covers(rule.source, policy.source)
        and _covers(rule.destination, policy.destination)
        for rule in profile.rules.values()
    )


_ADDRESSED = {"action", "source", "destination", "description"}


def _covers(of_rule: Prefix | None, wanted: Prefix | None) -> bool:
    return of_rule is None or (wanted is not None and wanted.subnet_of(of_rule))


def _is_of_gateway(policy: Bypass, facts: Facts) -> bool:
    """Whether a policy is for packets that an address of the gateway sends, as between two gateways."""
    own = {address.ip for known in facts.interfaces.values() for address in known.addresses}
    source = policy.source
    return source is not None and source.prefixlen == ADDRESS_BITS and source.network_address in own
