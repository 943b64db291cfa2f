# SPDX-License-Identifier: Apache-2.0
"""Chains and rules of netfilter, whether nf_tables or iptables-legacy has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["masquerade", "snat", "dnat", "redirect", "tproxy", "mark"]

TARGETS: dict[str, Action] = {
    "MASQUERADE": "masquerade", "SNAT": "snat", "DNAT": "dnat", "REDIRECT": "redirect",
    "TPROXY": "tproxy", "MARK": "mark", "CONNMARK": "mark",
}  # fmt: skip
"""Targets of iptables that change packets."""

ANY_CHAIN = "*"
"""Target of a jump that depends on the packet, by a verdict map: any chain of the table."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain. family: of nf_tables, "legacy" for iptables-legacy. policy: empty where it has none."""

    family: str
    table: str
    name: str
    kind: str
    hook: str
    policy: str
    rules: int
    devices: tuple[str, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether every packet passes it unchanged."""
        return not self.rules and self.policy != "drop"

    def __str__(self) -> str:
        where = f"hook {self.hook}" + (f" of {', '.join(self.devices)}" if self.devices else "")
        policy = f", policy {self.policy}" if self.policy else ""
        return f"{_place(self.family, self.table, self.name)} ({where}{policy}, {_count(self.rules)})"


@dataclass(frozen=True, slots=True)
class ChainRule:
    """What a rule does to packets. interface: the one it is for; empty for any. A name may end in *.

    by_destination: it chooses packets by their destination, as port forwarding does. where: handle or number.
    """

    family: str
    table: str
    chain: str
    where: str
    actions: tuple[Action, ...] = ()
    interface: str = ""
    by_destination: bool = False
    jumps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{_place(self.family, self.table, self.chain)}, {self.where}"


@dataclass(frozen=True, slots=True)
class Flowtable:
    family: str
    table: str
    name: str
    devices: tuple[str, ...]
    in_hardware: bool

    def __str__(self) -> str:
        what = "in hardware" if self.in_hardware else "in software"
        return f"table {self.family} {self.table}, flowtable {self.name} of {', '.join(self.devices)}, {what}"


@dataclass(frozen=True, slots=True)
class Ruleset:
    """is_cut: there are more rules than are read."""

    chains: tuple[Chain, ...] = ()
    rules: tuple[ChainRule, ...] = ()
    flowtables: tuple[Flowtable, ...] = ()
    is_cut: bool = False
    _by_chain: dict[tuple[str, str, str], list[ChainRule]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for rule in self.rules:
            self._by_chain.setdefault((rule.family, rule.table, rule.chain), []).append(rule)

    def __add__(self, other: Ruleset) -> Ruleset:
        return Ruleset(
            self.chains + other.chains,
            self.rules + other.rules,
            self.flowtables + other.flowtables,
            self.is_cut or other.is_cut,
        )

    def reached_from(self, chain: Chain) -> Iterator[ChainRule]:
        """Yield the rules of a base chain and of those it jumps to, each with the conditions of the jumps."""
        seen: set[tuple[str, str, bool]] = set()
        anywhere: set[tuple[str, bool]] = set()
        waiting = [(chain.name, "", False)]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            name, interface, by_destination = place
            for rule in self._by_chain.get((chain.family, chain.table, name), ()):
                found = ChainRule(
                    rule.family, rule.table, rule.chain, rule.where, rule.actions,
                    rule.interface or interface, rule.by_destination or by_destination, rule.jumps,
                )  # fmt: skip
                yield found
                condition = (found.interface, found.by_destination)
                if ANY_CHAIN in rule.jumps and condition not in anywhere:
                    anywhere.add(condition)
                    waiting += [(name, *condition) for name in self._chains_beside(rule)]
                waiting += [(target, *condition) for target in rule.jumps if target != ANY_CHAIN]

    def _chains_beside(self, rule: ChainRule) -> list[str]:
        """The chains of a rule's table that have rules."""
        return [name for *place, name in self._by_chain if place == [rule.family, rule.table]]


def _place(family: str, table: str, chain: str) -> str:
    if family == "legacy":
        return f"iptables-legacy, table {table}, chain {chain}"
    return f"table {family} {table}, chain {chain}"


def _count(rules: int) -> str:
    return "1 rule" if rules == 1 else f"{rules:,} rules"
