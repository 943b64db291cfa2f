# SPDX-License-Identifier: Apache-2.0
"""nftables, by `nft -j list ruleset` (libnftables-json(5)): chains of type nat at postrouting; and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from snatsh.interop import netfilter, text
from snatsh.interop.intermediate import (
    Finding,
    Imported,
    ImportedAction,
    ImportedMatch,
    SourceLocation,
    SourceRule,
)
from snatsh.interop.text import ShellWord
from snatsh.model.errors import FormError
from snatsh.model.limits import check_size, load_json
from snatsh.model.values import AddressRange, PortRange, Prefix

_RULE = re.compile(r'\{\s*"rule"\s*:')
Json = Any


class _NoWordsError(Exception):
    """Why a rule has no counterpart; never leaves this module."""


def read(source: str, own: netfilter.Own | None = None) -> Imported:
    """FormError with line and column where it is no JSON of nft's."""
    check_size(source)
    try:
        objects = load_json(source)["nftables"]
        if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
            raise TypeError
    except json.JSONDecodeError as error:
        raise FormError(f"invalid JSON: {error.msg}", error.lineno, error.colno) from None
    except (TypeError, KeyError):
        raise FormError('expected what `nft -j list ruleset` prints: {"nftables": […]}', 1, 1) from None
    return _Reader(source, objects, own or {}).read()


class _Reader:
    """The objects of one listing: sets, maps and chains by name."""

    def __init__(self, source: str, objects: list[dict[str, Json]], own: netfilter.Own) -> None:
        self._objects, self._own = objects, own
        starts = [found.start() for found in _RULE.finditer(source)]
        self._places = [
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
            place = self._places[number] if number < len(self._places) else SourceLocation(1, 1)
            if not isinstance(rule, dict) or not isinstance(rule.get("expr"), list):
                raise FormError("expected a rule with an expr", place.line, place.column)
            at = (rule.get("family"), rule.get("table"), rule.get("chain"))
            shown = f"{at[0]} {at[1]} {at[2]} handle {rule.get('handle')}"
            if at not in found or at[0] == "ip6":
                reason = f"{shown}: not in an IPv4 chain of type nat at postrouting"
                self._findings.append(Finding(place, "passed-over", reason))
                continue
            try:
                found[at] += self._rule(place, shown, rule)
            except _NoWordsError as error:
                reason = f"{error}; left out, so its traffic meets the rules after it: {shown}"
                self._findings.append(Finding(place, "no-counterpart", reason))
            except (TypeError, KeyError, ValueError, AttributeError, IndexError):
                raise FormError(
                    f"{shown}: an expression is not as nft prints it", place.line, place.column
                ) from None
        every = tuple(rule for name in names for rule in found[name])
        return Imported("nft", every, tuple(self._findings), True, "pass")

    def _rule(self, place: SourceLocation, shown: str, rule: dict[str, Json]) -> list[SourceRule]:
        sides: dict[str, tuple[Any, ...]] = {}
        table, outcome = rule["table"], None
        for statement in rule["expr"]:
            ((name, body),) = statement.items()
            if name == "match":
                self._match(sides, body, place, table)
            elif name in ("accept", "return"):
                outcome = ImportedAction("exempt")
            elif name == "snat":
                return self._snat(place, shown, sides, body or {}, table)
            elif name == "masquerade":
                return self._masquerade(place, shown, sides, body or {})
            elif name == "xt":
                raise _NoWordsError("iptables set it: import what iptables-save prints")
            elif name not in ("counter", "comment", "log"):
                raise _NoWordsError(f"{name} is not known here")
        if outcome is None:
            raise _NoWordsError("it only counts")
        return [SourceRule(place, shown, match, outcome) for match in _matches(sides)]

    def _match(
        self, sides: dict[str, tuple[Any, ...]], body: dict[str, Json], place: SourceLocation, table: str
    ) -> None:
        left, right = _left(body["left"]), body["right"]
        if body["op"] not in ("==", "in"):
            raise _NoWordsError(f"{left} {body['op']} is not known here")
        values = self._values(right, table)
        if left in sides:
            raise _NoWordsError(f"{left} is asked for twice")
        if left in ("saddr", "daddr"):
            sides[left] = tuple(prefix for value in values for prefix in _prefixes(value, place))
        elif left == "protocol":
            if not all(value in netfilter.PROTOCOLS for value in values):
                raise _NoWordsError("a protocol is not known here")
            sides[left] = tuple(values)
        elif left == "mark":
            if len(values) != 1 or not isinstance(values[0], int) or not 0 <= values[0] <= text.MAX_NUMBER:
                raise _NoWordsError("a mark here is one number of 32 bits")
            sides[left] = tuple(values)
        else:
            if any("*" in str(value) for value in values):
                raise _NoWordsError("an out-interface here is one name")
            sides[left] = tuple(text.interface(ShellWord(str(value), place)) for value in values)

    def _values(self, right: Json, table: str) -> list[Json]:
        if isinstance(right, dict) and "set" in right:
            inner = right["set"]
            return self._values(inner, table) if isinstance(inner, str) else [_element(one) for one in inner]
        if isinstance(right, str) and right.startswith("@"):
            if (table, right) not in self._sets:
                raise _NoWordsError(f"set {right} is not in the listing")
            return [_element(one) for one in self._sets[table, right]]
        return [right]

    def _snat(
        self,
        place: SourceLocation,
        shown: str,
        sides: dict[str, tuple[Any, ...]],
        body: dict[str, Json],
        table: str,
    ) -> list[SourceRule]:
        if body.get("family", "ip") != "ip":
            raise _NoWordsError("IPv6 is not translated")
        flags = body.get("flags", [])
        flags = [flags] if isinstance(flags, str) else flags
        ports = _ports(body.get("port"), place)
        to = body["addr"]
        rules: list[SourceRule] = []
        for extra, target in self._targets(to, table, place, sides):
            outcome = netfilter.translation(_range(target, place), ports, "persistent" in flags)
            self._findings += netfilter.choice_findings(
                place, outcome, "random" in flags or "fully-random" in flags
            )
            if "netmap" in flags:
                raise _NoWordsError("a prefix mapped one to one is known only from iptables here")
            rules += [SourceRule(place, shown, match, outcome) for match in _matches({**sides, **extra})]
        return rules

    def _targets(
        self, to: Json, table: str, place: SourceLocation, sides: dict[str, tuple[Any, ...]]
    ) -> Iterator[tuple[dict[str, tuple[Any, ...]], Json]]:
        if not (isinstance(to, dict) and "map" in to):
            yield {}, to
            return
        key = _left(to["map"]["key"])
        if key not in ("saddr", "daddr", "oifname", "mark", "protocol") or key in sides:
            raise _NoWordsError(f"a map by {key} is not known here")
        data = to["map"]["data"]
        pairs = self._sets.get((table, data)) if isinstance(data, str) else data["set"]
        if pairs is None:
            raise _NoWordsError(f"map {data} is not in the listing")
        for given, target in pairs:
            extra: dict[str, tuple[Any, ...]] = {}
            self._match(extra, {"op": "==", "left": to["map"]["key"], "right": _element(given)}, place, table)
            yield extra, target

    def _masquerade(
        self, place: SourceLocation, shown: str, sides: dict[str, tuple[Any, ...]], body: dict[str, Json]
    ) -> list[SourceRule]:
        rules = []
        for out in sides.get("oifname", (None,)):
            outcome = netfilter.masquerade(place, out, self._own, _ports(body.get("port"), place))
            if isinstance(outcome, Finding):
                raise _NoWordsError(outcome.text)
            self._findings.append(netfilter.masquerade_finding(place, out, self._own[out]))
            matches = _matches({**sides, "oifname": (out,)})
            rules += [SourceRule(place, shown, match, outcome) for match in matches]
        return rules


def _left(left: Json) -> str:
    """What a match looks at, in one word."""
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
    raise _NoWordsError(f"{json.dumps(left)[:80]} is not matched here")


def _element(one: Json) -> Json:
    return one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one


def _prefixes(value: Json, place: SourceLocation) -> tuple[Prefix | None, ...]:
    if isinstance(value, dict) and "prefix" in value:
        prefix, _ = text.prefix(ShellWord(f"{value['prefix']['addr']}/{value['prefix']['len']}", place))
        return (text.given_prefix(prefix),)
    return tuple(map(text.given_prefix, text.prefixes_of(_range(value, place))))


def _range(value: Json, place: SourceLocation) -> AddressRange:
    if isinstance(value, dict):
        if "range" in value:
            first, last = value["range"]
            return text.address_range(ShellWord(f"{first}-{last}", place))
        if "prefix" in value:
            return text.address_range(ShellWord(f"{value['prefix']['addr']}/{value['prefix']['len']}", place))
        raise _NoWordsError("an address by an expression is not known here")
    return text.address_range(ShellWord(str(value), place))


def _ports(value: Json, place: SourceLocation) -> PortRange | None:
    if value is None:
        return None
    shown = "-".join(map(str, value["range"])) if isinstance(value, dict) else str(value)
    return text.port_range(ShellWord(shown, place), shown)


def _matches(sides: dict[str, tuple[Any, ...]]) -> Iterator[ImportedMatch]:
    none = (None,)
    return netfilter.products(
        sides.get("saddr", none), sides.get("daddr", none), sides.get("oifname", none),
        sides.get("protocol", none), sides.get("mark", none)[0],
    )  # fmt: skip


def write(rules: list[tuple[int, ImportedMatch, ImportedAction]]) -> Iterator[str]:
    """For `nft -f`; a remark for each rule that nft's NAT has no words for."""
    yield "table ip snatsh {"
    yield "    chain postrouting {"
    yield "        type nat hook postrouting priority 100; policy accept;"
    for number, match, outcome in netfilter.ordered(rules):
        why = netfilter.cannot(match, outcome)
        if why:
            yield f"        # rule {number} left out: {why}"
            continue
        words = [f"ip saddr {match.source}"] if match.source else []
        words += [f"ip daddr {match.destination}"] if match.destination else []
        words += [f'oifname "{match.out_interface}"'] if match.out_interface else []
        words += [f"meta l4proto {match.protocol}"] if match.protocol else []
        words += [f"meta mark {match.fwmark}"] if match.fwmark is not None else []
        if outcome.action == "exempt":
            words.append("accept")
        else:
            words.append(f"snat to {netfilter.dashed(outcome)}")
            words += ["persistent"] if outcome.algorithm == "source-hash" else []
        yield "        " + " ".join(words)
    yield "    }"
    yield "}"
