# SPDX-License-Identifier: Apache-2.0
"""nftables, by `nft -j list ruleset` (libnftables-json(5)): chains of type nat at postrouting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from snatsh.interop import netfilter, text
from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.intermediate import (
    Finding,
    Imported,
    ImportedAction,
    ImportedMatch,
    NumberedRule,
    SourceLocation,
    SourceRule,
)
from snatsh.interop.text import ShellWord
from snatsh.model.errors import FormError
from snatsh.model.limits import accept, load_json
from snatsh.model.values import AddressRange, PortRange, Prefix
from snatsh.model.vocabulary import PROTOCOLS

_RULE = re.compile(r'\{\s*"rule"\s*:')
Json = Any


class _NoCounterpartError(Exception):
    """A rule has no counterpart here, and why. Caught in this module."""


def read(source: str, own: InterfaceAddresses) -> Imported:
    source = accept(source)
    try:
        objects = load_json(source)["nftables"]
        if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
            raise TypeError
    except json.JSONDecodeError as error:
        raise FormError(f"invalid JSON: {error.msg}", error.lineno, error.colno) from None
    except (TypeError, KeyError):
        raise FormError('expected the output of nft -j list ruleset: {"nftables": […]}', 1, 1) from None
    return _Reader(source, objects, own).read()


class _Reader:
    """The objects of one listing: sets, maps and chains by name."""

    def __init__(self, source: str, objects: list[dict[str, Json]], own: InterfaceAddresses) -> None:
        self._objects, self._own = objects, own
        starts = [found.start() for found in _RULE.finditer(source)]
        self._locations = [
            SourceLocation(source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)) for at in starts
        ]
        self._findings: list[Finding] = []
        self._sets = {
            (one[kind].get("table"), f"@{one[kind].get('name')}"): one[kind].get("elem", [])
            for one in objects
            for kind in ("set", "map")
            if isinstance(one.get(kind), dict)
        }

    def read(self) -> Imported:
        chains = [one["chain"] for one in self._objects if isinstance(one.get("chain"), dict)]
        hooked = [one for one in chains if one.get("type") == "nat" and one.get("hook") == "postrouting"]
        hooked.sort(key=lambda one: one["prio"] if isinstance(one.get("prio"), int) else 0)
        names = [(one.get("family"), one.get("table"), one.get("name")) for one in hooked]
        found: dict[Any, list[SourceRule]] = {name: [] for name in names}
        rules = [one["rule"] for one in self._objects if "rule" in one]
        for number, rule in enumerate(rules):
            location = self._locations[number] if number < len(self._locations) else SourceLocation(1, 1)
            if not isinstance(rule, dict) or not isinstance(rule.get("expr"), list):
                raise FormError("expected a rule with an expr", location.line, location.column)
            at = (rule.get("family"), rule.get("table"), rule.get("chain"))
            shown = f"{at[0]} {at[1]} {at[2]} handle {rule.get('handle')}"
            if at not in found or at[0] == "ip6":
                reason = f"{shown}: not in an IPv4 chain of type nat at postrouting"
                self._findings.append(Finding(location, "passed-over", reason))
                continue
            try:
                found[at] += self._rule(location, shown, rule)
            except _NoCounterpartError as error:
                reason = f"{error}; its traffic meets the rules after it: {shown}"
                self._findings.append(Finding(location, "no-counterpart", reason))
            except (TypeError, KeyError, ValueError, AttributeError, IndexError):
                reason = f"{shown}: malformed expression; expected the output of nft"
                raise FormError(reason, location.line, location.column) from None
        every = tuple(rule for name in names for rule in found[name])
        return Imported("nft", every, tuple(self._findings), True, "pass", keeps_port_class=True)

    def _rule(self, location: SourceLocation, shown: str, rule: dict[str, Json]) -> list[SourceRule]:
        sides: dict[str, tuple[Any, ...]] = {}
        table, action = rule["table"], None
        for statement in rule["expr"]:
            ((name, body),) = statement.items()
            if name == "match":
                self._match(sides, body, location, table)
            elif name in ("accept", "return"):
                action = ImportedAction("exempt")
            elif name == "snat":
                return self._snat(location, shown, sides, body or {}, table)
            elif name == "masquerade":
                return self._masquerade(location, shown, sides, body or {})
            elif name == "xt":
                raise _NoCounterpartError("set by iptables; import the output of iptables-save")
            elif name not in ("counter", "comment", "log"):
                raise _NoCounterpartError(f"{name} is unknown here")
        if action is None:
            raise _NoCounterpartError("no verdict; it only counts")
        return [SourceRule(location, shown, match, action) for match in _matches(sides)]

    def _match(
        self, sides: dict[str, tuple[Any, ...]], body: dict[str, Json], location: SourceLocation, table: str
    ) -> None:
        left, right = _left(body["left"]), body["right"]
        if body["op"] not in ("==", "in"):
            raise _NoCounterpartError(f"{left} {body['op']} is unknown here")
        values = self._values(right, table)
        if left in sides:
            raise _NoCounterpartError(f"{left} is matched twice")
        if left in ("saddr", "daddr"):
            sides[left] = tuple(prefix for value in values for prefix in _prefixes(value, location))
        elif left == "protocol":
            if not all(value in PROTOCOLS for value in values):
                raise _NoCounterpartError("a protocol is unknown here")
            sides[left] = tuple(values)
        elif left == "mark":
            if len(values) != 1 or not isinstance(values[0], int) or not 0 <= values[0] <= text.MAX_NUMBER:
                raise _NoCounterpartError("fwmark here is one number, without a mask")
            sides[left] = tuple(values)
        else:
            if any("*" in str(value) for value in values):
                raise _NoCounterpartError("out-interface here is one name, without wildcards")
            sides[left] = tuple(text.interface(ShellWord(str(value), location)) for value in values)

    def _values(self, right: Json, table: str) -> list[Json]:
        if isinstance(right, dict) and "set" in right:
            inner = right["set"]
            return self._values(inner, table) if isinstance(inner, str) else [_element(one) for one in inner]
        if isinstance(right, str) and right.startswith("@"):
            if (table, right) not in self._sets:
                raise _NoCounterpartError(f"unknown set {right}; expected it in the listing")
            return [_element(one) for one in self._sets[table, right]]
        return [right]

    def _snat(
        self,
        location: SourceLocation,
        shown: str,
        sides: dict[str, tuple[Any, ...]],
        body: dict[str, Json],
        table: str,
    ) -> list[SourceRule]:
        if body.get("family", "ip") != "ip":
            raise _NoCounterpartError("IPv6 is not translated")
        flags = body.get("flags", [])
        flags = [flags] if isinstance(flags, str) else flags
        ports = _ports(body.get("port"), location)
        to = body["addr"]
        rules: list[SourceRule] = []
        for extra, target in self._targets(to, table, location, sides):
            action = netfilter.translation(_range(target, location), ports, "persistent" in flags)
            self._findings += netfilter.choice_findings(
                location, action, "random" in flags or "fully-random" in flags
            )
            if "netmap" in flags:
                raise _NoCounterpartError("one-to-one mapping is imported from iptables only")
            rules += [SourceRule(location, shown, match, action) for match in _matches({**sides, **extra})]
        return rules

    def _targets(
        self, to: Json, table: str, location: SourceLocation, sides: dict[str, tuple[Any, ...]]
    ) -> Iterator[tuple[dict[str, tuple[Any, ...]], Json]]:
        if not (isinstance(to, dict) and "map" in to):
            yield {}, to
            return
        key = _left(to["map"]["key"])
        if key not in ("saddr", "daddr", "oifname", "mark", "protocol") or key in sides:
            raise _NoCounterpartError(f"map by {key} is unknown here")
        data = to["map"]["data"]
        pairs = self._sets.get((table, data)) if isinstance(data, str) else data["set"]
        if pairs is None:
            raise _NoCounterpartError(f"unknown map {data}; expected it in the listing")
        for given, target in pairs:
            extra: dict[str, tuple[Any, ...]] = {}
            equal = {"op": "==", "left": to["map"]["key"], "right": _element(given)}
            self._match(extra, equal, location, table)
            yield extra, target

    def _masquerade(
        self, location: SourceLocation, shown: str, sides: dict[str, tuple[Any, ...]], body: dict[str, Json]
    ) -> list[SourceRule]:
        rules = []
        for out in sides.get("oifname", (None,)):
            action = netfilter.masquerade(location, out, self._own, _ports(body.get("port"), location))
            if isinstance(action, Finding):
                raise _NoCounterpartError(action.text)
            self._findings.append(netfilter.masquerade_finding(location, out, self._own[out]))
            matches = _matches({**sides, "oifname": (out,)})
            rules += [SourceRule(location, shown, match, action) for match in matches]
        return rules


def _left(left: Json) -> str:
    """The field that a match compares."""
    if "payload" in left and left["payload"].get("protocol") == "ip":
        field = str(left["payload"]["field"])
        if field in ("saddr", "daddr", "protocol"):
            return field
    if "meta" in left:
        key = {"oif": "oifname", "oifname": "oifname", "l4proto": "protocol", "mark": "mark"}.get(
            left["meta"]["key"]
        )
        if key:
            return key
    raise _NoCounterpartError(f"rules here do not match {json.dumps(left)[:80]}")


def _element(one: Json) -> Json:
    return one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one


def _prefixes(value: Json, location: SourceLocation) -> tuple[Prefix | None, ...]:
    if isinstance(value, dict) and "prefix" in value:
        return (text.given_prefix(text.prefix(_prefix_word(value["prefix"], location))[0]),)
    return tuple(map(text.given_prefix, _range(value, location).prefixes))


def _range(value: Json, location: SourceLocation) -> AddressRange:
    if isinstance(value, dict):
        if "range" in value:
            first, last = value["range"]
            return text.address_range(ShellWord(f"{first}-{last}", location))
        if "prefix" in value:
            return text.address_range(_prefix_word(value["prefix"], location))
        raise _NoCounterpartError("an address by expression is unknown here")
    return text.address_range(ShellWord(str(value), location))


def _prefix_word(prefix: Json, location: SourceLocation) -> ShellWord:
    return ShellWord(f"{prefix['addr']}/{prefix['len']}", location)


def _ports(value: Json, location: SourceLocation) -> PortRange | None:
    if value is None:
        return None
    shown = "-".join(map(str, value["range"])) if isinstance(value, dict) else str(value)
    return text.port_range(ShellWord(shown, location), shown)


def _matches(sides: dict[str, tuple[Any, ...]]) -> Iterator[ImportedMatch]:
    none = (None,)
    return netfilter.products(
        sides.get("saddr", none), sides.get("daddr", none), sides.get("oifname", none),
        sides.get("protocol", none), sides.get("mark", none)[0],
    )  # fmt: skip


def write(rules: list[NumberedRule]) -> Iterator[str]:
    """Input of `nft -f`, with a comment for each rule that nft's NAT can't express."""
    yield "table ip snatsh {"
    yield "    chain postrouting {"
    yield "        type nat hook postrouting priority 100; policy accept;"
    for number, match, action in netfilter.ordered(rules):
        why = netfilter.cannot(match, action)
        if why:
            yield f"        # rule {number} left out: {why}"
            continue
        words = [f"ip saddr {match.source}"] if match.source else []
        words += [f"ip daddr {match.destination}"] if match.destination else []
        words += [f'oifname "{match.out_interface}"'] if match.out_interface else []
        words += [f"meta l4proto {match.protocol}"] if match.protocol else []
        words += [f"meta mark {match.fwmark}"] if match.fwmark is not None else []
        if action.verdict == "exempt":
            words.append("accept")
        else:
            words.append(f"snat to {netfilter.dashed(action)}")
            words += ["persistent"] if action.algorithm == "source-hash" else []
        yield "        " + " ".join(words)
    yield "    }"
    yield "}"


DIALECT = Dialect(
    "nft",
    signature=r'\A\s*\{\s*"nftables"',
    help="Output of nft -j list ruleset",
    paste="`nft -j list ruleset`",
    read=read,
    write=write,
    write_help="Show for nft -f",
)
