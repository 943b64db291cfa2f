# SPDX-License-Identifier: Apache-2.0
"""lvs-dpdk: the commands `snat add from … to … out_dev … source … - … algo …` of its console."""

from __future__ import annotations

from snatsh.interop import snat_rules, text
from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.intermediate import Finding, Imported, SourceLocation, SourceRule
from snatsh.interop.text import ShellWord

_LINES = r"""
start: (line | _NL)*
line: WORD+ _NL
WORD: /[^\s#]\S*/
_NL: /\n/
%ignore /[^\S\n]+/
%ignore /#[^\n]*/
"""
_NAMES = {"from": "source", "to": "destination", "out_dev": "out_interface", "algo": "algorithm"}


def read(source: str, _own: InterfaceAddresses) -> Imported:
    rules: list[SourceRule] = []
    findings: list[Finding] = []
    for line in text.parse(_LINES, source + "\n").children:
        words = [text.word(one) for one in line.children if isinstance(one, str)]
        if words[0].text == ">>>":
            del words[0]
        if not words or words[0].text != "snat":
            shown = " ".join(word.text for word in words)
            where = SourceLocation(line.children[0].line, line.children[0].column)
            findings.append(Finding(where, "passed-over", f"not a snat command: {shown[:80]}"))
            continue
        _snat(words, rules, findings)
    return Imported("lvs-dpdk", tuple(rules), (*findings, *snat_rules.between(rules)))


def _snat(words: list[ShellWord], rules: list[SourceRule], findings: list[Finding]) -> None:
    command = words[1].text if len(words) > 1 else ""
    if command in ("enable", "show"):
        return
    if command not in ("add", "del"):
        raise words[-1].refuse("expected snat enable, show, add or del")
    given = _fields(words[2:])
    if command == "del":
        given.setdefault("addresses", ShellWord("192.0.2.1", words[0].location))
    shown, fields = " ".join(word.text for word in words), snat_rules.Fields(**given)
    rule = snat_rules.rule(words[0], shown, fields)
    if command == "add":
        rules.append(rule)
        # lvs-dpdk shares the syntax of lvs-snat, not the other traps of its kernel module.
        findings += snat_rules.host_bits(fields)
        return
    at = next((n for n, old in enumerate(rules) if old.match == rule.match), None)
    if at is None:
        findings.append(Finding(words[0].location, "no-counterpart", "no such rule to delete"))
    else:
        del rules[at]


def _fields(words: list[ShellWord]) -> dict[str, ShellWord]:
    fields: dict[str, ShellWord] = {}
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word.text == "source":
            fields["addresses"] = _span(word, rest)
        elif word.text in _NAMES and rest:
            fields[_NAMES[word.text]] = rest.pop()
        else:
            raise word.refuse("expected from, to, out_dev, source or algo, and a value")
    return fields


def _span(word: ShellWord, rest: list[ShellWord]) -> ShellWord:
    """`A`, `A-B` or `A - B`."""
    if not rest:
        raise word.refuse("expected an address")
    first = rest.pop()
    if rest and rest[-1].text == "-":
        rest.pop()
        if not rest:
            raise first.refuse("expected the last address of the range")
        return ShellWord(f"{first.text}-{rest.pop().text}", first.location)
    return first


DIALECT = Dialect(
    "lvs-dpdk",
    signature=r"^\s*#?(>>>)?\s*#?snat\s+(add|enable|del)\b",
    help="Commands of the lvs-dpdk console",
    paste="`snat add from … to … out_dev … source … algo …`",
    read=read,
)
