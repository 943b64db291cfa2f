# SPDX-License-Identifier: Apache-2.0
"""Operational commands: what runs, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from snatsh.api.flows import FLOW_FIELDS, FlowFilter
from snatsh.model.vocabulary import FLOW_STATES, PROTOCOLS
from snatsh.shell.core.answers import (
    CONFIGURATION,
    TABLE,
    Answer,
    Configuration,
    Message,
    ShellError,
    TableAnswer,
)
from snatsh.shell.core.command import Argument, Command, CommandSet, Flag, Option
from snatsh.shell.core.grammar import Call, State, Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import PREFIX, number
from snatsh.shell.render import system_tables, tables

OPERATIONAL = CommandSet()
OPERATIONAL_ONLY = CommandSet()

_MOST_FLOWS = 1_000_000


_FILTERS = (
    Option("source", "Inside address or prefix", replace(PREFIX, sources=(("live", "source"),))),
    Option("destination", "Outside address or prefix", PREFIX),
    Option("mapped", "Public address or prefix", PREFIX),
    Option("protocol", "Protocol", choices=PROTOCOLS),
    Option("port", "Source, destination or mapped port", number(0, 65535)),
    Option("rule", "Number of the rule that made the flow", number(1, 1_000_000, ("live", "rule"))),
    Option("pool", "Pool that the public address belongs to", Value("<name>", str, (("live", "pool"),))),
    Option("link", "Link that it leaves by", Value("<name>", str, (("live", "link"),))),
    Option("state", "State of the flow", choices=FLOW_STATES),
    Option("age", "Seconds since it began, at least", number(0, 10_000_000)),
    Option("rate", "Bits per second over its life, at least", number(0, 99_999_999_999)),
)


@OPERATIONAL.command(
    "show flows",
    "Flows that are being translated",
    *_FILTERS,
    Option("limit", "How many to show at most (default 100)", number(1, _MOST_FLOWS)),
    Option("sort", "Order: greatest first, addresses and rules lowest first", choices=FLOW_FIELDS.sorts),
    Flag("summary", "Numbers only"),
    Flag("detail", "Every field of each flow"),
    answers=TABLE,
)
def show_flows(
    session: Session,
    limit: int = 100,
    sort: str | None = None,
    summary: bool = False,
    detail: bool = False,
    **filters: str | int,
) -> Answer:
    if summary:
        return TableAnswer(_flow_summary(session, filters), tables.flow_summary)
    render = system_tables.flow_details if detail else tables.flows
    return TableAnswer(session.client.flows(filters, limit=limit, sort=sort), render)


@OPERATIONAL.command(
    "show flows top talkers",
    "Inside addresses with the most bytes among their live flows",
    *_FILTERS,
    Option("limit", "How many to show at most (default 10)", number(1, 10_000)),
    answers=TABLE,
)
def show_talkers(session: Session, limit: int = 10, **filters: str | int) -> Answer:
    return TableAnswer(session.client.talkers(filters, limit=limit), system_tables.talkers)


@OPERATIONAL.command(
    "show subscribers",
    "Inside addresses by the sessions they hold",
    Option("limit", "How many to show at most (default 100)", number(1, _MOST_FLOWS)),
    answers=TABLE,
)
def show_subscribers(session: Session, limit: int = 100) -> Answer:
    return TableAnswer(session.client.subscribers(limit), system_tables.subscribers)


def _flow_summary(session: Session, filters: FlowFilter) -> tables.FlowSummary:
    whole = session.client.flows(filters, limit=0)
    return tables.FlowSummary(
        whole.total,
        whole.matched,
        whole.capacity,
        protocol=_counts(session, filters, "protocol", PROTOCOLS),
        state=_counts(session, filters, "state", FLOW_STATES),
    )


def _counts(session: Session, filters: FlowFilter, kind: str, words: Sequence[str]) -> dict[str, int]:
    return {word: _matching(session, filters, kind, word) for word in words}


def _matching(session: Session, filters: FlowFilter, kind: str, word: str) -> int:
    if filters.get(kind, word) != word:
        return 0
    return session.client.flows({**filters, kind: word}, limit=0).matched


@OPERATIONAL.command(
    "clear flows",
    "End flows",
    *_FILTERS,
    Flag("all", "End every flow", alone=True),
    ready=bool,
)
def clear_flows(session: Session, all: bool = False, **filters: str | int) -> Answer:
    ended = session.client.end_flows(None if all else filters)
    return Message(f"{ended:,} flow{'' if ended == 1 else 's'} ended")


@OPERATIONAL.command(
    "show pools",
    "Pools and how much of them is in use",
    Argument("name", "Pool, with each of its addresses", Value("<name>", str, (("live", "pool"),))),
    Flag("detail", "All pools with each of their addresses", alone=True),
    answers=TABLE,
)
def show_pools(session: Session, name: str | None = None, detail: bool = False) -> Answer:
    pools = session.client.pools()
    if detail:
        return TableAnswer(pools, tables.pool_detail)
    if name is None:
        return TableAnswer(pools, tables.pools)
    found = [pool for pool in pools if pool.name == name]
    if not found:
        raise ShellError(_missing("pool", name, [pool.name for pool in pools]))
    return TableAnswer(found, tables.pool_detail)


@OPERATIONAL.command(
    "show rules",
    "Rules in the order they match, and what they did",
    Argument("rule", "Number of a rule, with all its fields", number(1, 1_000_000, ("live", "rule"))),
    Flag("hits", "Most packets first, and those that never matched last", alone=True),
    answers=TABLE,
)
def show_rules(session: Session, rule: int | None = None, hits: bool = False) -> Answer:
    rules = session.client.rules()
    if hits:
        return TableAnswer(sorted(rules, key=lambda row: -row.packets), tables.rules)
    if rule is None:
        return TableAnswer(rules, tables.rules)
    found = [row for row in rules if row.number == rule]
    if not found:
        raise ShellError(_missing("rule", str(rule), [str(row.number) for row in rules]))
    return TableAnswer(found, tables.rule_detail)


def _missing(kind: str, name: str, existing: list[str]) -> str:
    some = ", ".join(existing[:12]) + (", …" if len(existing) > 12 else "")
    return f"no {kind} {name}; " + (f"there are: {some}" if existing else f"there are no {kind}s")


@OPERATIONAL.command(
    "show links",
    "Uplinks and their state",
    Flag("history", "What they went through, newest first", alone=True),
    answers=TABLE,
)
def show_links(session: Session, history: bool = False) -> Answer:
    if history:
        return TableAnswer(session.client.link_changes(), tables.link_changes)
    return TableAnswer(session.client.links(), tables.links)


@OPERATIONAL.command("show drops", "Packets dropped or handed to the stack, by reason", answers=TABLE)
def show_drops(session: Session) -> Answer:
    return TableAnswer(session.client.drops(), tables.drops)


@OPERATIONAL.command("show interfaces", "Interfaces that take part", answers=TABLE)
def show_interfaces(session: Session) -> Answer:
    return TableAnswer(session.client.interfaces(), tables.interfaces)


@OPERATIONAL.command("show system commit", "Commits, newest first, and those that wait", answers=TABLE)
def show_system_commit(session: Session) -> Answer:
    return TableAnswer(session.client.commits(), tables.history)


@OPERATIONAL.command("show version", "Release, host and user", answers=TABLE)
def show_version(session: Session) -> Answer:
    return TableAnswer(session.client.version(), tables.version)


def _configuration_path() -> State:
    from snatsh.shell.core.statements import StatementScope, statement

    def finish(path: tuple[str, ...]) -> Call:
        return Call(show_configuration, {"path": path}, CONFIGURATION)

    return statement((), StatementScope(finish, with_values=False))


def show_configuration(session: Session, path: tuple[str, ...] = ()) -> Answer:
    return Configuration(session.client.configuration(), path)


OPERATIONAL.add(
    Command(
        ("show", "configuration"), "The running configuration", show_configuration, start=_configuration_path
    )
)


@OPERATIONAL_ONLY.command(
    "configure",
    "Edit the candidate configuration",
    Flag("private", "A candidate of your own", alone=True),
    Flag("exclusive", "Keep others from editing", alone=True),
)
def configure(session: Session, private: bool = False, exclusive: bool = False) -> Answer:
    mode = "private" if private else "exclusive" if exclusive else "shared"
    return Message(session.enter_configuration(mode))


@OPERATIONAL_ONLY.command("exit", "Leave the shell")
@OPERATIONAL_ONLY.command("quit", "Leave the shell")
def leave(session: Session) -> Answer:
    session.finished = True
    return Message("")


@OPERATIONAL_ONLY.command("help", "How to get along here")
def help_(session: Session) -> Answer:
    return Message(session.overview())
