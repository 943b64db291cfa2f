# SPDX-License-Identifier: Apache-2.0
"""DPVS: `ipvsadm -H MATCH … -J` and `dpip addr … sapool`; its listing; and the services of its keepalived."""

from __future__ import annotations

import re
from dataclasses import dataclass

from snatsh.interop import text
from snatsh.interop.intermediate import (
    Finding,
    Imported,
    ImportedAction,
    ImportedMatch,
    SourceLocation,
    SourceRule,
)
from snatsh.interop.text import Line, ShellWord
from snatsh.model.limits import check_size
from snatsh.model.values import AddressRange, Prefix

_ADD = {"-A": "add", "-a": "server", "-s": "scheduler=", "-H": "match=", "-r": "address=", "-w": "weight=",
        "-J": "snat", "--add-service": "add", "--add-server": "server", "--match": "match="}  # fmt: skip
_PROTOCOLS = ("tcp", "udp", "icmp")


@dataclass(frozen=True, slots=True)
class Service:
    """fields: proto, src-range, dst-range, oif and iif, as far as given. servers: address and weight."""

    head: ShellWord
    shown: str
    fields: dict[str, ShellWord]
    scheduler: str
    servers: tuple[tuple[ShellWord, int], ...]


def read(source: str) -> Imported:
    services_: dict[str, Service] = {}
    findings: list[Finding] = []
    for line in text.lines(source):
        program = line[0].text.rpartition("/")[2]
        if program != "ipvsadm":
            reason = f"{' '.join(word.text for word in line)[:80]}: addresses and routes stay the system's"
            findings.append(Finding(line[0].place, "passed-over", reason))
            continue
        _ipvsadm(line, services_)
    return services(list(services_.values()), findings)


def _ipvsadm(line: Line, known: dict[str, Service]) -> None:
    given = {option.name: option.given for option in text.options(line[1:], _ADD)}
    if "match" not in given:
        raise line[0].refuse("has no -H MATCH; only SNAT services have a counterpart here")
    match = given["match"]
    if "add" in given:
        scheduler = given["scheduler"].text if "scheduler" in given else "rr"
        shown = " ".join(word.text for word in line)
        known[match.text] = Service(line[0], shown, _fields(match), scheduler, ())
        return
    if match.text not in known:
        raise match.refuse("is no service that was added above")
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
    return ShellWord(address, word.place)


def _fields(match: ShellWord) -> dict[str, ShellWord]:
    found: dict[str, ShellWord] = {}
    for part in match.text.split(","):
        name, _, value = part.partition("=")
        if name not in ("proto", "src-range", "dst-range", "oif", "iif") or not value:
            raise match.refuse(f"{part!r} is not known; expected proto, src-range, dst-range, oif or iif")
        found[name] = ShellWord(value, match.place)
    return found


_ROW = re.compile(r"MATCH (\w+),(?:from=([0-9.]+-[0-9.]+)(?::0-0)?,?)?(?:to=([0-9.]+-[0-9.]+)(?::0-0)?,?)?"
                  r"(?:oif=([^,\s]+),?)?(?:iif=([^,\s]+))? (\w+)")  # fmt: skip
_SERVER = re.compile(r"\s*-> ([0-9.]+):0\s+SNAT\s+(\d+)\b.*")


def read_listing(source: str) -> Imported:
    """The output of `ipvsadm -ln`, of DPVS, or of lvs-snat with an empty table."""
    check_size(source)
    found: list[Service] = []
    findings: list[Finding] = []
    for number, line in enumerate(source.splitlines(), 1):
        place, row, server = SourceLocation(number, 1), _ROW.fullmatch(line.rstrip()), _SERVER.fullmatch(line)
        head = ShellWord(line.strip()[:200], place)
        if row:
            values = zip(("proto", "src-range", "dst-range", "oif", "iif"), row.groups(), strict=False)
            fields = {name: ShellWord(value, place) for name, value in values if value}
            found.append(Service(head, head.text, fields, row[6], ()))
        elif server and found:
            held = found.pop()
            servers = (*held.servers, (ShellWord(server[1], place), int(server[2])))
            found.append(Service(held.head, held.shown, held.fields, held.scheduler, servers))
        elif re.match(r"\[|IP Virtual|Prot |\s*-> (Source|Remote)A|FWM\s+\d+ snat_sched|\s*$", line):
            if line.startswith("FWM"):
                findings.append(Finding(place, "passed-over", "the service itself; it lists no rule"))
        else:
            raise head.refuse("is no line of a listing that can be read")
    return services(found, findings)


def services(given: list[Service], findings: list[Finding]) -> Imported:
    rules: list[SourceRule] = []
    inside: list[str] = []
    for service in given:
        rules += _rules(service, findings)
        if "iif" in service.fields:
            inside.append(text.interface(service.fields["iif"]))
            reason = "iif: it is an inside interface now, and the rule holds for all of them"
            findings.append(Finding(service.fields["iif"].place, "differs", reason))
    return Imported("dpvs", tuple(rules), tuple(findings), True, "pass", tuple(inside))


def _rules(service: Service, findings: list[Finding]) -> list[SourceRule]:
    fields, place = service.fields, service.head.place
    protocol = fields["proto"].text.lower() if "proto" in fields else None
    if protocol is not None and protocol not in _PROTOCOLS:
        raise fields["proto"].refuse("is no protocol; expected tcp, udp or icmp")
    if not service.servers:
        raise service.head.refuse("has no address to translate to")
    if service.scheduler not in ("rr", "wrr"):
        findings.append(Finding(place, "differs", f"scheduler {service.scheduler}: round-robin here"))
    if len({weight for _, weight in service.servers}) > 1:
        findings.append(Finding(place, "differs", "weights differ there; here all addresses count alike"))
    addresses: dict[AddressRange, None] = {text.address_range(word): None for word, _ in service.servers}
    outcome = ImportedAction(addresses=tuple(addresses), algorithm="round-robin")
    out = text.interface(fields["oif"]) if "oif" in fields else None
    return [
        SourceRule(place, service.shown, ImportedMatch(source, destination, protocol, out), outcome)
        for source in _span(fields.get("src-range"))
        for destination in _span(fields.get("dst-range"))
    ]


def _span(word: ShellWord | None) -> tuple[Prefix | None, ...]:
    if word is None:
        return (None,)
    return tuple(text.given_prefix(one) for one in text.prefixes_of(text.address_range(word)))
