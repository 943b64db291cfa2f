# SPDX-License-Identifier: Apache-2.0
"""DPVS: `ipvsadm -H MATCH … -J` and `dpip addr … sapool`, and the SNAT services they configure."""

from __future__ import annotations

from dataclasses import dataclass

from snatsh.interop import text
from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.intermediate import Finding, Imported, ImportedAction, ImportedMatch, SourceRule
from snatsh.interop.text import Line, ShellWord
from snatsh.model.values import AddressRange, Prefix
from snatsh.model.vocabulary import PROTOCOLS

_ADD = {"-A": "add", "-a": "server", "-s": "scheduler=", "-H": "match=", "-r": "address=", "-w": "weight=",
        "-J": "snat", "--add-service": "add", "--add-server": "server", "--match": "match="}  # fmt: skip
FIELDS = ("proto", "src-range", "dst-range", "oif", "iif")
"""What a service can match."""


@dataclass(frozen=True, slots=True)
class Service:
    """An SNAT service. fields: those given, by name. servers: address and weight."""

    head: ShellWord
    shown: str
    fields: dict[str, ShellWord]
    scheduler: str
    servers: tuple[tuple[ShellWord, int], ...]


def read(source: str, _own: InterfaceAddresses) -> Imported:
    found: dict[str, Service] = {}
    findings: list[Finding] = []
    for line in text.lines(source):
        program = line[0].text.rpartition("/")[2]
        if program != "ipvsadm":
            reason = f"{' '.join(word.text for word in line)[:80]}: addresses and routes are the system's"
            findings.append(Finding(line[0].location, "passed-over", reason))
            continue
        _ipvsadm(line, found)
    return services(list(found.values()), findings)


def _ipvsadm(line: Line, known: dict[str, Service]) -> None:
    given = {option.name: option.given for option in text.options(line[1:], _ADD)}
    if "match" not in given:
        raise line[0].refuse("expected -H MATCH; only SNAT services have a counterpart here")
    match = given["match"]
    if "add" in given:
        scheduler = given["scheduler"].text if "scheduler" in given else "rr"
        shown = " ".join(word.text for word in line)
        known[match.text] = Service(line[0], shown, _fields(match), scheduler, ())
        return
    if match.text not in known:
        raise match.refuse("unknown service; expected one added above")
    if "address" not in given or "server" not in given or "snat" not in given:
        raise line[0].refuse("expected -a -H MATCH -r ADDRESS:0 -J")
    held = known[match.text]
    weight = text.number(given["weight"]) if "weight" in given else 1
    servers = (*held.servers, (_without_port(given["address"]), weight))
    known[match.text] = Service(held.head, held.shown, held.fields, held.scheduler, servers)


def _without_port(word: ShellWord) -> ShellWord:
    address, colon, port = word.text.partition(":")
    if colon and port != "0":
        raise word.refuse("expected port 0")
    return ShellWord(address, word.location)


def _fields(match: ShellWord) -> dict[str, ShellWord]:
    found: dict[str, ShellWord] = {}
    for part in match.text.split(","):
        name, _, value = part.partition("=")
        if name not in FIELDS or not value:
            raise match.refuse(f"unknown match {part!r}; expected one of {', '.join(FIELDS)}")
        found[name] = ShellWord(value, match.location)
    return found


def services(given: list[Service], findings: list[Finding]) -> Imported:
    """The rules of SNAT services, of which the first match wins."""
    rules: list[SourceRule] = []
    inside: list[str] = []
    for service in given:
        rules += _rules(service, findings)
        if "iif" in service.fields:
            inside.append(text.interface(service.fields["iif"]))
            reason = "iif: becomes an inside interface; the rule applies to all of them"
            findings.append(Finding(service.fields["iif"].location, "differs", reason))
    return Imported("dpvs", tuple(rules), tuple(findings), True, "pass", tuple(inside))


def _rules(service: Service, findings: list[Finding]) -> list[SourceRule]:
    fields, location = service.fields, service.head.location
    protocol = fields["proto"].text.lower() if "proto" in fields else None
    if protocol is not None and protocol not in PROTOCOLS:
        raise fields["proto"].refuse(f"unknown protocol; expected one of {', '.join(PROTOCOLS)}")
    if not service.servers:
        raise service.head.refuse("no address to translate to; expected -a -r ADDRESS:0 -J")
    if service.scheduler not in ("rr", "wrr"):
        findings.append(Finding(location, "differs", f"scheduler {service.scheduler}: round-robin here"))
    if len({weight for _, weight in service.servers}) > 1:
        findings.append(Finding(location, "differs", "addresses differ in weight there; here all are equal"))
    addresses: dict[AddressRange, None] = {text.address_range(word): None for word, _ in service.servers}
    action = ImportedAction(addresses=tuple(addresses), algorithm="round-robin")
    out = text.interface(fields["oif"]) if "oif" in fields else None
    return [
        SourceRule(location, service.shown, ImportedMatch(source, destination, protocol, out), action)
        for source in _span(fields.get("src-range"))
        for destination in _span(fields.get("dst-range"))
    ]


def _span(word: ShellWord | None) -> tuple[Prefix | None, ...]:
    if word is None:
        return (None,)
    return tuple(text.given_prefix(one) for one in text.address_range(word).prefixes)


DIALECT = Dialect(
    "dpvs",
    signature=r"^[^#\n]*(\bdpip\b|\bipvsadm\b.*\s-J\b)",
    help="Commands of DPVS",
    paste="`ipvsadm -A/-a -H MATCH … -J` of DPVS, shell variables included",
    read=read,
)
