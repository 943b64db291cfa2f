# SPDX-License-Identifier: Apache-2.0
"""ipvsadm of lvs-snat: v2 rules (-K -k -H), v1 zones, the address list of 2014, and save files; and back."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.interop import snat_rules, text
from snatsh.interop.intermediate import Finding, Imported, ImportedAction, ImportedMatch, SourceRule
from snatsh.interop.text import CommandOption, Line, ShellWord
from snatsh.model.errors import FormError
from snatsh.model.values import AddressRange

_COMMANDS = {
    "-A": "add-service", "--add-service": "add-service", "-C": "clear", "--clear": "clear",
    "-a": "add-server", "--add-server": "add-server", "--set": "set", "-R": "restore", "-S": "save",
    "--add-snat": "add", "--edit-snat": "edit", "--delete-snat": "delete",
    "-L": "list", "-l": "list", "--list": "list", "-ln": "list", "-Ln": "list",
    "-E": "edit-service", "-D": "delete-service", "--edit-service": "edit-service",
    "--delete-service": "delete-service", "-Z": "zero", "-d": "delete-server",
}  # fmt: skip
_V2 = {**_COMMANDS, "-K": "add", "-k": "edit", "-H": "delete", "-P": "add-address", "-Q": "delete-address"}
_ZONES = {**_COMMANDS, "-K": "add-zone", "-k": "delete-zone", "-P": "add-address", "-Q": "delete-address",
          "-U": "add-address", "-W": "delete-address"}  # fmt: skip
_SERVICE = {
    "-f": "fwmark=", "--fwmark-service": "fwmark=", "-s": "scheduler=", "--scheduler": "scheduler=",
    "-t": "tcp=", "--tcp-service": "tcp=", "-u": "udp=", "--udp-service": "udp=",
    "-p": "persistent=", "--persistent": "persistent=", "-r": "server=", "--real-server": "server=",
    "-m": "masquerade", "-b": "fullnat", "-w": "weight=", "-z": "address=",
}  # fmt: skip
_RULE = {
    **_SERVICE, "-F": "from=", "--from": "from=", "-T": "to=", "--to": "to=", "-W": "gw=", "--gw": "gw=",
    "--oif": "oif=", "-o": "oif=", "-U": "snat-ip=", "--snat-ip": "snat-ip=", "-O": "algo=",
    "--algo": "algo=", "-N": "new-gw=", "--new-gw": "new-gw=",
}  # fmt: skip


def read(source: str) -> Imported:
    """FormError with line and column where a line is none of ipvsadm's."""
    lines = [text.dashes(line) for line in text.lines(source)]
    if any(word.text.startswith("--zone") for line in lines for word in line):
        return _read_zones(lines)
    reader = _Reader()
    for line in lines:
        reader.line(line)
    return reader.finish()


def _command(line: Line) -> tuple[Line, ShellWord] | None:
    """A line without the program's name, and its first word; None where it is another program's."""
    first = line[0]
    if first.text.rpartition("/")[2] == "ipvsadm":
        line = line[1:]
    elif not first.text.startswith("-"):
        return None
    return (line, first) if line else None


def _others(line: Line) -> Finding:
    shown = " ".join(word.text for word in line)
    return Finding(line[0].place, "passed-over", f"no line of ipvsadm: {shown[:80]}")


class _Reader:
    """The rules as the lines before have left them."""

    def __init__(self) -> None:
        self._rules: list[SourceRule] = []
        self._findings: list[Finding] = []
        self._timeouts: dict[str, dict[str, int]] = {}
        self._plain: list[AddressRange] = []
        self._gateway: ShellWord | None = None
        self._first: ShellWord | None = None
        self._scheduler = "rr"

    def line(self, whole: Line) -> None:
        found = _command(whole)
        if found is None:
            self._findings.append(_others(whole))
            return
        line, head = found
        command = _V2.get(line[0].text)
        if command is None:
            raise line[0].refuse(f"is no command of ipvsadm; expected one of {' '.join(sorted(_V2))}")
        if command in ("add", "edit", "delete"):
            self._rule(command, head, whole, line[1:])
        elif command == "set":
            self._set(line)
        elif command == "clear":
            self._rules.clear()
        else:
            self._service(command, head, text.options(line[1:], _SERVICE))

    def _rule(self, command: str, head: ShellWord, whole: Line, rest: Line) -> None:
        given = {option.name: option.given for option in text.options(rest, _RULE)}
        if "snat-ip" not in given and command == "delete":
            given["snat-ip"] = ShellWord("192.0.2.1", head.place)
        fields = snat_rules.Fields(
            given.get("from"), given.get("to"), given.get("gw"), given.get("oif"),
            given.get("snat-ip"), given.get("algo"), given.get("new-gw"),
        )  # fmt: skip
        rule, findings = snat_rules.rule(head, " ".join(word.text for word in whole), fields)
        at = next((n for n, old in enumerate(self._rules) if old.match == rule.match), None)
        if command == "add":
            self._rules.append(rule)
        elif at is None:
            reason = f"there is no rule with this key to {command}; ipvsadm would have failed"
            self._findings.append(Finding(head.place, "no-counterpart", reason))
            return
        elif command == "edit":
            self._rules[at] = rule
        else:
            del self._rules[at]
            return
        self._findings += findings

    def _set(self, line: Line) -> None:
        if len(line) != 4:
            raise line[0].refuse("expected three numbers: tcp, tcpfin and udp seconds")
        names = (("tcp", "established"), ("tcp", "transitory"), ("udp", "replied"))
        for word, (protocol, name) in zip(line[1:], names, strict=True):
            seconds = text.number(word)
            if seconds and not 5 <= seconds <= 86_400:
                raise word.refuse("expected 0 or 5 to 86400 seconds")
            if seconds:
                self._timeouts.setdefault(protocol, {})[name] = seconds

    def _service(self, command: str, head: ShellWord, given: list[CommandOption]) -> None:
        by_name = {option.name: option.given for option in given}
        if "tcp" in by_name or "udp" in by_name:
            reason = "load balancing has no counterpart here"
            self._findings.append(Finding(head.place, "no-counterpart", reason))
        elif command == "add-service":
            scheduler = by_name.get("scheduler")
            self._scheduler = scheduler.text if scheduler else "rr"
        elif command == "add-server" and "server" in by_name:
            self._gateway = by_name["server"]
        elif command == "add-address" and "address" in by_name:
            self._plain.append(text.address_range(by_name["address"]))
        else:
            self._findings.append(Finding(head.place, "passed-over", f"{command} changes no rule"))
        self._first = self._first or head

    def finish(self) -> Imported:
        rules = list(self._rules)
        if self._plain:
            rules.append(self._address_list())
        findings = [*self._findings, *snat_rules.between(rules)]
        return Imported("ipvsadm", tuple(rules), tuple(findings), timeouts=self._timeouts)

    def _address_list(self) -> SourceRule:
        """The form of 2014: one server that is the gateway, and addresses taken in turn."""
        if self._gateway is None:
            raise FormError("addresses are given by -P -z, but no gateway by -a -r")
        hop = text.address(self._gateway)
        outcome = ImportedAction(addresses=tuple(self._plain), algorithm="round-robin", redirect=hop)
        place = self._first.place if self._first else self._gateway.place
        shown = f"-a -r {hop}, -P -z " + " ".join(map(str, self._plain))
        return SourceRule(place, shown, ImportedMatch(), outcome)


def _read_zones(lines: list[Line]) -> Imported:
    """v1: the first zone that holds the source wins, and what is in none is dropped."""
    table = {**_SERVICE, "--zone": "zone="}
    zones: dict[ShellWord, list[AddressRange]] = {}
    named: dict[str, ShellWord] = {}
    findings: list[Finding] = []
    for whole in lines:
        found = _command(whole)
        if found is None:
            findings.append(_others(whole))
            continue
        line, head = found
        command = _ZONES.get(line[0].text)
        if command is None:
            raise line[0].refuse(f"is no command of ipvsadm; expected one of {' '.join(sorted(_ZONES))}")
        given = {option.name: option.given for option in text.options(line[1:], table)}
        if "zone" not in given:
            kind = "passed-over" if given.get("tcp", head).text == "0.0.0.0:0" else "no-counterpart"
            findings.append(Finding(head.place, kind, "no zone: it is no matter of source NAT"))  # type: ignore[arg-type]
            continue
        zone, key = given["zone"], str(text.prefix(given["zone"])[0])
        held = zones.setdefault(named.setdefault(key, ShellWord(zone.text, head.place)), [])
        if command == "add-address" and "address" in given:
            held.append(text.address_range(given["address"]))
        elif command == "delete-address" and "address" in given:
            gone = text.address_range(given["address"])
            if gone in held:
                held.remove(gone)
        elif command == "delete-zone":
            del zones[named.pop(key)]
    return zone_rules("ipvsadm-zones", list(zones.items()), findings)


def zone_rules(
    dialect: str, zones: list[tuple[ShellWord, list[AddressRange]]], findings: list[Finding]
) -> Imported:
    """The rules of v1 zones, in the order in which they are tried."""
    rules = []
    for zone, held in zones:
        prefix, _ = text.prefix(zone)
        outcome = (
            ImportedAction(addresses=tuple(held), algorithm="round-robin") if held else ImportedAction("drop")
        )
        rules.append(
            SourceRule(zone.place, f"zone {zone.text}", ImportedMatch(text.given_prefix(prefix)), outcome)
        )
        if not held:
            reason = "a zone without an address: its traffic is dropped, there and here"
            findings.append(Finding(zone.place, "differs", reason))
    return Imported(dialect, tuple(rules), tuple(findings), first_match=True)


def write(rules: list[tuple[int, ImportedMatch, ImportedAction]]) -> Iterator[str]:
    """The lines; a remark for each rule that lvs-snat has no words for."""
    yield "ipvsadm -A -f 1 -s snat_sched"
    for number, match, outcome in rules:
        why = cannot(match, outcome)
        if why:
            yield f"# rule {number} left out: {why}"
            continue
        words = [f"ipvsadm -K -f 1 -F {match.source}"]
        words += [f"-T {match.destination}"] if match.destination else []
        words += [f"-W {match.next_hop}"] if match.next_hop else []
        words += [f"--oif {match.out_interface}"] if match.out_interface else []
        words += [f"-U {span(outcome)} -O {snat_rules.NAMES[outcome.algorithm]}"]
        words += [f"-N {outcome.redirect}"] if outcome.redirect else []
        yield " ".join(words)


def span(outcome: ImportedAction) -> str:
    """The one range of addresses as first-last: there is no word for a prefix."""
    one = outcome.addresses[0]
    return str(one.first) if one.first == one.last else f"{one.first}-{one.last}"


def cannot(match: ImportedMatch, outcome: ImportedAction) -> str:
    """Why lvs-snat has no words for a rule; nothing where it has."""
    if outcome.action != "translate":
        return f"action {outcome.action} is not known there"
    if outcome.algorithm not in snat_rules.NAMES:
        return f"algorithm {outcome.algorithm} is not known there"
    if match.protocol or match.fwmark is not None:
        return "rules there match neither protocol nor fwmark"
    if match.source is None:
        return "a rule for every source is never installed there"
    if len(outcome.addresses) != 1:
        return "a rule there has one range of addresses"
    if int(outcome.addresses[0].first) >> 8 != int(outcome.addresses[0].last) >> 8:
        return "a range there may not cross an octet"
    return "port ranges are not known there" if outcome.ports else ""
