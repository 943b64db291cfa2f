# SPDX-License-Identifier: Apache-2.0
"""ipvsadm of lvs-snat: v2 rules (-K -k -H), the address list of 2014, save files, and v1 zones."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.interop import snat_rules, text
from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.intermediate import (
    Finding,
    FindingKind,
    Imported,
    ImportedAction,
    ImportedMatch,
    NumberedRule,
    SourceRule,
)
from snatsh.interop.text import CommandOption, Line, ShellWord
from snatsh.interop.zones import zone_rules
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


def read(source: str, _own: InterfaceAddresses) -> Imported:
    lines = [text.dashes(line) for line in text.lines(source)]
    if any(word.text.startswith("--zone") for line in lines for word in line):
        return _read_zones(lines)
    reader = _Reader()
    for line in lines:
        reader.line(line)
    return reader.finish()


def _command(line: Line) -> tuple[Line, ShellWord] | None:
    """A line without the program's name, and its first word; None for a line of another program."""
    first = line[0]
    if first.text.rpartition("/")[2] == "ipvsadm":
        line = line[1:]
    elif not first.text.startswith("-"):
        return None
    return (line, first) if line else None


def _passed_over(line: Line) -> Finding:
    shown = " ".join(word.text for word in line)
    return Finding(line[0].location, "passed-over", f"not an ipvsadm command: {shown[:80]}")


class _Reader:
    """The rules as the lines read so far leave them."""

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
            self._findings.append(_passed_over(whole))
            return
        line, head = found
        command = _V2.get(line[0].text)
        if command is None:
            raise line[0].refuse(f"unknown command; expected one of {' '.join(sorted(_V2))}")
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
            given["snat-ip"] = ShellWord("192.0.2.1", head.location)
        fields = snat_rules.Fields(
            given.get("from"), given.get("to"), given.get("gw"), given.get("oif"),
            given.get("snat-ip"), given.get("algo"), given.get("new-gw"),
        )  # fmt: skip
        rule = snat_rules.rule(head, " ".join(word.text for word in whole), fields)
        at = next((n for n, old in enumerate(self._rules) if old.match == rule.match), None)
        if command == "add":
            self._rules.append(rule)
        elif at is None:
            reason = f"no rule with this key to {command}; ipvsadm would fail"
            self._findings.append(Finding(head.location, "no-counterpart", reason))
            return
        elif command == "edit":
            self._rules[at] = rule
        else:
            del self._rules[at]
            return
        self._findings += snat_rules.traps(fields)

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
            self._findings.append(Finding(head.location, "no-counterpart", reason))
        elif command == "add-service":
            scheduler = by_name.get("scheduler")
            self._scheduler = scheduler.text if scheduler else "rr"
        elif command == "add-server" and "server" in by_name:
            self._gateway = by_name["server"]
        elif command == "add-address" and "address" in by_name:
            self._plain.append(text.address_range(by_name["address"]))
        else:
            self._findings.append(Finding(head.location, "passed-over", f"{command} changes no rule"))
        self._first = self._first or head

    def finish(self) -> Imported:
        rules = list(self._rules)
        if self._plain:
            rules.append(self._address_list())
        findings = [*self._findings, *snat_rules.between(rules)]
        return Imported("ipvsadm", tuple(rules), tuple(findings), timeouts=self._timeouts)

    def _address_list(self) -> SourceRule:
        """The rule of the 2014 form: one server, which is the gateway, and addresses used round-robin."""
        if self._gateway is None:
            raise FormError("addresses by -P -z without a gateway; expected one by -a -r")
        hop = text.address(self._gateway)
        action = ImportedAction(addresses=tuple(self._plain), algorithm="round-robin", redirect=hop)
        location = self._first.location if self._first else self._gateway.location
        shown = f"-a -r {hop}, -P -z " + " ".join(map(str, self._plain))
        return SourceRule(location, shown, ImportedMatch(), action)


def _read_zones(lines: list[Line]) -> Imported:
    """The rules of v1: the first zone that contains the source wins; traffic of no zone is dropped."""
    table = {**_SERVICE, "--zone": "zone="}
    zones: dict[ShellWord, list[AddressRange]] = {}
    named: dict[str, ShellWord] = {}
    findings: list[Finding] = []
    for whole in lines:
        found = _command(whole)
        if found is None:
            findings.append(_passed_over(whole))
            continue
        line, head = found
        command = _ZONES.get(line[0].text)
        if command is None:
            raise line[0].refuse(f"unknown command; expected one of {' '.join(sorted(_ZONES))}")
        given = {option.name: option.given for option in text.options(line[1:], table)}
        if "zone" not in given:
            is_default = given.get("tcp", head).text == "0.0.0.0:0"
            kind: FindingKind = "passed-over" if is_default else "no-counterpart"
            findings.append(Finding(head.location, kind, "no zone: not source NAT"))
            continue
        zone, key = given["zone"], str(text.prefix(given["zone"])[0])
        held = zones.setdefault(named.setdefault(key, ShellWord(zone.text, head.location)), [])
        if command == "add-address" and "address" in given:
            held.append(text.address_range(given["address"]))
        elif command == "delete-address" and "address" in given:
            gone = text.address_range(given["address"])
            if gone in held:
                held.remove(gone)
        elif command == "delete-zone":
            del zones[named.pop(key)]
    return zone_rules("ipvsadm-zones", list(zones.items()), findings)


def write(rules: list[NumberedRule]) -> Iterator[str]:
    """The commands, with a comment for each rule that lvs-snat can't express."""
    yield "ipvsadm -A -f 1 -s snat_sched"
    for number, match, action in rules:
        why = snat_rules.cannot(match, action)
        if why:
            yield f"# rule {number} left out: {why}"
            continue
        words = [f"ipvsadm -K -f 1 -F {match.source}"]
        words += [f"-T {match.destination}"] if match.destination else []
        words += [f"-W {match.next_hop}"] if match.next_hop else []
        words += [f"--oif {match.out_interface}"] if match.out_interface else []
        words += [f"-U {action.addresses[0].dashed} -O {snat_rules.NAMES[action.algorithm]}"]
        words += [f"-N {action.redirect}"] if action.redirect else []
        yield " ".join(words)


DIALECT = Dialect(
    "ipvsadm",
    signature=r"^[^#\n]*\bipvsadm\b|^\s*-[AaKkHP]\s",
    help="Commands of lvs-snat's ipvsadm",
    paste="the commands of lvs-snat v2, or its save file; v1 zones; the address list of 2014",
    read=read,
    write=write,
    write_help="Show as commands of lvs-snat's ipvsadm",
)
