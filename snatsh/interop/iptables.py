# SPDX-License-Identifier: Apache-2.0
"""iptables-save, or a script of iptables commands: the rules of POSTROUTING in the nat table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from snatsh.interop import netfilter, text
from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.intermediate import (
    Finding,
    FindingKind,
    Imported,
    ImportedAction,
    NumberedRule,
    SourceLocation,
    SourceRule,
)
from snatsh.interop.text import CommandOption, Line, ShellWord
from snatsh.model.values import Prefix
from snatsh.model.vocabulary import PROTOCOLS

_OPTIONS = {
    "-s": "source=", "--source": "source=", "-d": "destination=", "--destination": "destination=",
    "-p": "protocol=", "--protocol": "protocol=", "-o": "out=", "--out-interface": "out=",
    "-i": "in=", "--in-interface": "in=", "-m": "module=", "--match": "module=", "-j": "target=",
    "--jump": "target=", "-g": "target=", "--to-source": "to-source=", "--to-ports": "to-ports=",
    "--to": "to=",
    "--random": "random", "--random-fully": "random", "--persistent": "persistent",
    "--src-range": "src-range=", "--dst-range": "dst-range=", "--mark": "mark=", "--comment": "comment=",
    "--match-set": "set=", "--dports": "dports=", "--sports": "sports=", "--ports": "ports=",
    "--dport": "dports=", "--sport": "sports=", "--destination-port": "dports=", "--source-port": "sports=",
    "--destination-ports": "dports=", "--source-ports": "sports=", "-f": "fragment", "-w": "wait",
    "-t": "table=", "--table": "table=",
}  # fmt: skip
_CHANGES = ("-D", "--delete", "-R", "--replace")
_PORTS = ("dports", "sports", "ports")
_COMMANDS = {"-A": "append", "--append": "append", "-I": "insert", "--insert": "insert"}


@dataclass(slots=True)
class _Reading:
    own: InterfaceAddresses
    rules: list[SourceRule] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    sets: dict[str, list[Prefix]] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)
    chains: list[list[SourceRule]] = field(default_factory=list)


def read(source: str, own: InterfaceAddresses) -> Imported:
    reading = _Reading(own)
    table = "filter"
    for line in text.lines(source):
        first = line[0].text
        if first.startswith("*"):
            table = first[1:]
        elif first.startswith(":") or first == "COMMIT":
            _check_policy(line, table)
        elif first in ("create", "add"):
            _ipset(line, reading)
        else:
            _rule_line(line, table, reading)
    rules = tuple(rule for chain in reading.chains for rule in chain)
    inside, findings = tuple(reading.inside), tuple(reading.findings)
    return Imported("iptables", rules, findings, True, "pass", inside, keeps_port_class=True)


def _check_policy(line: Line, table: str) -> None:
    words = [word.text for word in line]
    if table == "nat" and words[0] == ":POSTROUTING" and words[1:2] not in (["ACCEPT"], []):
        raise line[1].refuse("expected policy ACCEPT")


def _ipset(line: Line, reading: _Reading) -> None:
    """A line of `ipset save`."""
    if len(line) < 3:
        raise line[0].refuse("expected a set and its element")
    held = reading.sets.setdefault(line[1].text, [])
    if line[0].text == "add":
        if "-" in line[2].text:
            held += text.address_range(line[2]).prefixes
        else:
            held.append(text.prefix(line[2])[0])


def _rule_line(line: Line, table: str, reading: _Reading) -> None:
    whole = line
    if line[0].text.startswith("["):
        line = line[1:]
    if line and line[0].text.rpartition("/")[2] == "iptables":
        line, table = line[1:], "filter"
    elif not line or not line[0].text.startswith("-"):
        raise whole[0].refuse("expected a line of iptables-save, iptables or ipset save")
    line, table = _without_table(line, table)
    if table == "nat" and len(line) > 1 and line[1].text == "POSTROUTING" and line[0].text in _CHANGES:
        raise line[0].refuse("changes a rule by number or text; expected the output of iptables-save")
    shown = " ".join(word.text for word in whole)[:200]
    if table != "nat" or len(line) < 2 or line[1].text != "POSTROUTING" or line[0].text not in _COMMANDS:
        adds_nat = table == "nat" and line and line[0].text in _COMMANDS
        kind: FindingKind = "no-counterpart" if adds_nat else "passed-over"
        reading.findings.append(Finding(whole[0].location, kind, f"not POSTROUTING of table nat: {shown}"))
        return
    rest, at = line[2:], len(reading.chains)
    if _COMMANDS[line[0].text] == "insert":
        at = 0
        if rest and rest[0].text.isdigit():
            at, rest = max(0, int(rest[0].text) - 1), rest[1:]
    given = text.options(_one_word_sets(rest), _OPTIONS)
    reading.chains.insert(at, list(_rules(whole[0].location, shown, given, reading)))


def _without_table(line: Line, table: str) -> tuple[Line, str]:
    """The line without `-t TABLE`, and the table."""
    for at, word in enumerate(line[:-1]):
        if word.text in ("-t", "--table"):
            return (*line[:at], *line[at + 2 :]), line[at + 1].text
    return line, table


def _one_word_sets(rest: Line) -> Line:
    """The line with `--match-set NAME src` joined to one value, as every option takes."""
    words = list(rest)
    for at, word in enumerate(rest[:-2]):
        if word.text == "--match-set":
            words[at + 1] = ShellWord(f"{rest[at + 1].text} {rest[at + 2].text}", rest[at + 1].location)
            del words[at + 2]
            break
    return tuple(words)


def _rules(
    location: SourceLocation, shown: str, given: list[CommandOption], reading: _Reading
) -> Iterator[SourceRule]:
    why = _cannot(given, reading)
    if why:
        reason = f"{why}; its traffic meets the rules after it"
        reading.findings.append(Finding(location, "no-counterpart", f"{reason}: {shown}"))
        return
    by_name = {option.name: option.given for option in given}
    out = text.interface(by_name["out"]) if "out" in by_name else None
    protocol = by_name["protocol"].text if "protocol" in by_name else "all"
    mark = (
        text.number(ShellWord(by_name["mark"].text.partition("/")[0], by_name["mark"].location))
        if "mark" in by_name
        else None
    )
    matches = netfilter.products(
        _prefixes(by_name, "source", "src-range", "src", reading),
        _prefixes(by_name, "destination", "dst-range", "dst", reading),
        (out,), (None if protocol == "all" else protocol,), mark,
    )  # fmt: skip
    if "in" in by_name:
        reading.inside.append(text.interface(by_name["in"]))
    action = _action(location, by_name, reading, out)
    if isinstance(action, Finding):
        reading.findings.append(action)
        return
    for match in matches:
        rule = SourceRule(location, shown, match, action)
        if by_name["target"].text != "NETMAP":
            yield rule
            continue
        to, _ = text.prefix(by_name["to"])
        hosts = netfilter.netmap(rule, to)
        if isinstance(hosts, Finding):
            reading.findings.append(hosts)
            return
        yield from hosts


def _cannot(given: list[CommandOption], reading: _Reading) -> str:
    """Why a rule has no counterpart; empty when it has."""
    names = {option.name: option for option in given}
    for option in given:
        if option.negated:
            return f"{option.word.text} is negated; rules here have no negation"
        if option.name in _PORTS or option.name == "fragment":
            return "rules here match neither ports nor fragments"
        if option.name == "module" and option.given.text not in (
            "tcp", "udp", "icmp", "iprange", "multiport", "set", "mark", "comment",
        ):  # fmt: skip
            return f"match {option.given.text} is unknown here"
    if "target" not in names:
        return "no target; it only counts"
    target = names["target"].given.text
    if target not in ("SNAT", "MASQUERADE", "NETMAP", "RETURN", "ACCEPT"):
        return f"target {target} is unknown here"
    if "in" in names:
        return "POSTROUTING does not know the input interface"
    if "protocol" in names and names["protocol"].given.text not in (*PROTOCOLS, "all"):
        return f"protocol {names['protocol'].given.text} is unknown here"
    if "out" in names and names["out"].given.text.endswith("+"):
        return "out-interface here is one name, without wildcards"
    mark = names["mark"].given.text.lower() if "mark" in names else ""
    if "/" in mark and not mark.endswith("/0xffffffff"):
        return "fwmark here takes no mask"
    if "set" in names:
        name, _, direction = names["set"].given.text.partition(" ")
        if direction not in ("src", "dst"):
            return f"set {name} by {direction or 'no direction'}; expected src or dst"
        if name not in reading.sets:
            return f"unknown set {name}; expected the output of ipset save before the rules"
    return ""


def _prefixes(
    given: dict[str, ShellWord], plain: str, span: str, direction: str, reading: _Reading
) -> tuple[Prefix | None, ...]:
    """The prefixes that a rule matches an address against; one None for any."""
    asked: list[tuple[Prefix, ...]] = []
    if plain in given:
        asked.append(
            tuple(
                text.prefix(ShellWord(one, given[plain].location))[0] for one in given[plain].text.split(",")
            )
        )
    if span in given:
        asked.append(text.address_range(given[span]).prefixes)
    if "set" in given:
        name, _, side = given["set"].text.partition(" ")
        if side == direction:
            asked.append(tuple(reading.sets[name]))
    if not asked:
        return (None,)
    if len(asked) > 1:
        reason = f"can't be combined with {plain}; expected one of them"
        raise given[span if span in given else "set"].refuse(reason)
    return tuple(text.given_prefix(one) for one in asked[0])


def _action(
    location: SourceLocation, given: dict[str, ShellWord], reading: _Reading, out: str | None
) -> ImportedAction | Finding:
    target = given["target"]
    if target.text in ("RETURN", "ACCEPT"):
        return ImportedAction("exempt")
    if target.text == "MASQUERADE":
        ports = text.port_range(given["to-ports"], given["to-ports"].text) if "to-ports" in given else None
        action = netfilter.masquerade(location, out, reading.own, ports)
        if isinstance(action, ImportedAction) and out is not None:
            reading.findings.append(netfilter.masquerade_finding(location, out, reading.own[out]))
        return action
    if target.text == "NETMAP":
        if "to" not in given:
            raise target.refuse("expected --to")
        return ImportedAction()
    if "to-source" not in given:
        raise target.refuse("expected --to-source")
    to = given["to-source"]
    addresses, _, ports_text = to.text.partition(":")
    span = text.address_range(ShellWord(addresses, to.location))
    ports = text.port_range(to, ports_text) if ports_text else None
    action = netfilter.translation(span, ports, "persistent" in given)
    reading.findings += netfilter.choice_findings(location, action, "random" in given)
    return action


def write(rules: list[NumberedRule]) -> Iterator[str]:
    """Input of iptables-restore, with a comment for each rule that iptables can't express."""
    yield "*nat"
    for number, match, action in netfilter.ordered(rules):
        why = netfilter.cannot(match, action)
        if why:
            yield f"# rule {number} left out: {why}"
            continue
        words = ["-A POSTROUTING"]
        words += [f"-s {match.source}"] if match.source else []
        words += [f"-d {match.destination}"] if match.destination else []
        words += [f"-o {match.out_interface}"] if match.out_interface else []
        words += [f"-p {match.protocol}"] if match.protocol else []
        words += [f"-m mark --mark {match.fwmark:#x}"] if match.fwmark is not None else []
        if action.verdict == "exempt":
            words.append("-j ACCEPT")
        else:
            words.append(f"-j SNAT --to-source {netfilter.dashed(action)}")
            words += ["--persistent"] if action.algorithm == "source-hash" else []
        yield " ".join(words)
    yield "COMMIT"


DIALECT = Dialect(
    "iptables",
    signature=r"^\s*\*(nat|filter|mangle|raw)\b|^[^#\n]*\biptables\b|^\s*-A\s+[A-Z]{2}",
    help="Output of iptables-save",
    paste="`iptables-save`, or a script of `iptables -t nat -A POSTROUTING …`; with sets, `ipset save` first",
    read=read,
    write=write,
    write_help="Show for iptables-restore",
)
