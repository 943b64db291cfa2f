# SPDX-License-Identifier: Apache-2.0
"""keepalived.conf of lvs-snat (`snat_rule` blocks and v1 zones) and of DPVS (`virtual_server match`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from snatsh.interop import dpvs, snat_rules, text
from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.intermediate import (
    Finding,
    FindingKind,
    Imported,
    NumberedRule,
    SourceRule,
)
from snatsh.interop.text import ShellWord
from snatsh.interop.zones import zone_rules
from snatsh.model.values import AddressRange

_BLOCKS = r"""
start: body
body: (_NL | statement)*
statement: WORD+ (block | _NL)
last: WORD+
block: "{" body last? "}"
WORD: /"[^"\n]*"|[^\s{}#!"][^\s{}"]*/
_NL: /\n/
%ignore /[^\S\n]+/
%ignore /[#!][^\n]*/
"""
_DEEPEST = 20
_FIELDS = {"from": "source", "to": "destination", "gw": "gateway", "oif": "out_interface",
           "snat_ip": "addresses", "algo": "algorithm", "new_gw": "new_gateway"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeepalivedStatement:
    """The words of a statement, and the statements of its block, None without one."""

    words: tuple[ShellWord, ...]
    body: tuple[KeepalivedStatement, ...] | None

    @property
    def name(self) -> str:
        return self.words[0].text

    @property
    def shown(self) -> str:
        return " ".join(word.text for word in self.words)


def _statements(body: Any, depth: int = 0) -> Iterator[KeepalivedStatement]:
    for found in body:
        words = tuple(text.word(token, '"') for token in found.children if isinstance(token, str))
        block = found.children[-1]
        if isinstance(block, str):
            yield KeepalivedStatement(words, None)
            continue
        if depth == _DEEPEST:
            raise words[0].refuse(f"expected at most {_DEEPEST} levels of blocks")
        yield KeepalivedStatement(words, tuple(_statements(_inner(block), depth + 1)))


def _inner(block: Any) -> Iterator[Any]:
    """The statements between braces; the last one needs no end of line."""
    body, *last = block.children
    yield from body.children
    yield from last


def read(source: str, _own: InterfaceAddresses) -> Imported:
    statements = list(_statements(text.parse(_BLOCKS, source + "\n").children[0].children))
    if any(one.name == "zone" for one in statements):
        return _read_zones(statements)
    matches = [
        one for one in statements if [word.text for word in one.words[:2]] == ["virtual_server", "match"]
    ]
    findings = [_passed(one) for one in statements if not _is_gateway(one) and one not in matches]
    if matches:
        return dpvs.services([_service(one) for one in matches], findings)
    rules: list[SourceRule] = []
    for server in filter(_is_gateway, statements):
        for one in server.body or ():
            if one.name != "snat_rule":
                findings.append(_passed(one))
                continue
            shown, fields = _fields(one)
            rules.append(snat_rules.rule(one.words[0], shown, fields))
            findings += snat_rules.traps(fields)
    return Imported("keepalived", tuple(rules), (*findings, *snat_rules.between(rules)))


def _is_gateway(one: KeepalivedStatement) -> bool:
    return one.name == "virtual_server" and any(below.name == "snat_rule" for below in one.body or ())


def _passed(one: KeepalivedStatement) -> Finding:
    kind: FindingKind = "no-counterpart" if one.name == "virtual_server" else "passed-over"
    return Finding(one.words[0].location, kind, f"{one.shown[:80]}: not source NAT")


def _fields(one: KeepalivedStatement) -> tuple[str, snat_rules.Fields]:
    """The text and the fields of a snat_rule block."""
    given: dict[str, ShellWord] = {}
    for below in one.body or ():
        if below.name not in _FIELDS:
            raise below.words[0].refuse(f"unknown in a snat_rule; expected one of {' '.join(_FIELDS)}")
        if len(below.words) != 2 or below.body is not None:
            raise below.words[0].refuse("expected one value")
        if _FIELDS[below.name] in given:
            raise below.words[0].refuse("is given twice")
        given[_FIELDS[below.name]] = below.words[1]
    shown = "snat_rule " + " ".join(below.shown for below in one.body or ())
    return shown, snat_rules.Fields(**given)


def _read_zones(statements: list[KeepalivedStatement]) -> Imported:
    groups: dict[str, list[AddressRange]] = {}
    zones: list[tuple[ShellWord, list[AddressRange]]] = []
    findings: list[Finding] = []
    for one in statements:
        if one.name == "local_address_group" and len(one.words) == 2:
            groups[one.words[1].text] = [text.address_range(below.words[0]) for below in one.body or ()]
    for one in statements:
        if one.name != "zone":
            if one.name != "local_address_group":
                findings.append(_passed(one))
            continue
        if len(one.words) != 3:
            raise one.words[0].refuse("expected an address and a mask")
        zone = ShellWord(f"{one.words[1].text}/{one.words[2].text}", one.words[0].location)
        held: list[AddressRange] = []
        for below in one.body or ():
            if below.name != "laddr_group_name" or len(below.words) != 2:
                raise below.words[0].refuse("expected laddr_group_name and a name")
            if below.words[1].text not in groups:
                raise below.words[1].refuse("unknown; expected a local_address_group of this file")
            held += groups[below.words[1].text]
        zones.append((zone, held))
    return zone_rules("keepalived-zones", zones, findings)


def _service(one: KeepalivedStatement) -> dpvs.Service:
    given: dict[str, ShellWord] = {}
    servers: list[tuple[ShellWord, int]] = []
    for below in one.body or ():
        if below.name == "real_server" and len(below.words) >= 2:
            weight = [
                last.words[1] for last in below.body or () if last.name == "weight" and len(last.words) == 2
            ]
            servers.append((below.words[1], text.number(weight[0]) if weight else 1))
        elif len(below.words) == 2:
            given[below.name] = below.words[1]
        else:
            raise below.words[0].refuse("expected one value, or real_server")
    known = {
        "proto": "protocol",
        "src-range": "src-range",
        "dst-range": "dst-range",
        "oif": "oif",
        "iif": "iif",
    }
    fields = {name: given.pop(word) for name, word in known.items() if word in given}
    scheduler = given.get("lb_algo")
    return dpvs.Service(
        one.words[0], one.shown, fields, scheduler.text if scheduler else "rr", tuple(servers)
    )


def write(rules: list[NumberedRule]) -> Iterator[str]:
    """The virtual server block, with a comment for each rule that lvs-snat can't express."""
    yield "virtual_server fwmark 1 {"
    for number, match, action in rules:
        why = snat_rules.cannot(match, action)
        if why:
            yield f"    # rule {number} left out: {why}"
            continue
        yield "    snat_rule {"
        rows = {
            "from": match.source,
            "to": match.destination,
            "gw": match.next_hop,
            "oif": match.out_interface,
            "new_gw": action.redirect,
            "snat_ip": action.addresses[0].dashed,
            "algo": snat_rules.NAMES[action.algorithm],
        }
        yield from (f"        {name} {value}" for name, value in rows.items() if value is not None)
        yield "    }"
    yield "}"


DIALECT = Dialect(
    "keepalived",
    signature=r"^[^#!\n]*(\bvirtual_server\b|\bsnat_rule\b|\bzone\b)[^\n{]*\{",
    help="keepalived.conf of lvs-snat or DPVS",
    paste="keepalived.conf with `snat_rule`, with v1 `zone`, or with `virtual_server match` of DPVS",
    read=read,
    write=write,
    write_help="Show as a keepalived.conf of lvs-snat",
)
