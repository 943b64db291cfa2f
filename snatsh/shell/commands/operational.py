# SPDX-License-Identifier: Apache-2.0
"""Commands about flows, pools, rules, links, interfaces and the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from snatsh.api.flows import FLOW_FIELDS, FlowFilter
from snatsh.api.mappings import MAPPING_FIELDS, MAPPING_FILTERS
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
    Option("source", "Source address or prefix", replace(PREFIX, sources=(("live", "source"),))),
    Option("destination", "Destination address or prefix", PREFIX),
    Option("mapped", "External address or prefix", PREFIX),
    Option("protocol", "Protocol", choices=PROTOCOLS),
    Option("port", "Source, destination or external port", number(0, 65535)),
    Option("rule", "Rule number", number(1, 1_000_000, ("live", "rule"))),
    Option("pool", "Pool of the external address", Value("<name>", str, (("live", "pool"),))),
    Option("link", "Outbound link", Value("<name>", str, (("live", "link"),))),
    Option("state", "Flow state", choices=FLOW_STATES),
    Option("age", "Minimum age in seconds", number(0, 10_000_000)),
    Option("rate", "Minimum mean rate in bits per second", number(0, 99_999_999_999)),
)

_MAPPING_FILTERS = tuple(option for option in _FILTERS if option.name in MAPPING_FILTERS)


@OPERATIONAL.command(
    "show flows",
    "Show active flows",
    *_FILTERS,
    Option("limit", "Maximum number of entries (default 100)", number(1, _MOST_FLOWS)),
    Option("sort", "Sort order: descending, for addresses and rules ascending", choices=FLOW_FIELDS.sorts),
    Flag("summary", "Show counts only"),
    Flag("detail", "Show all fields"),
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
    "Show subscribers with the most bytes in active flows",
    *_FILTERS,
    Option("limit", "Maximum number of entries (default 10)", number(1, 10_000)),
    answers=TABLE,
)
def show_talkers(session: Session, limit: int = 10, **filters: str | int) -> Answer:
    return TableAnswer(session.client.talkers(filters, limit=limit), system_tables.talkers)


@OPERATIONAL.command(
    "show subscribers",
    "Show subscribers by number of sessions",
    Option("limit", "Maximum number of entries (default 100)", number(1, _MOST_FLOWS)),
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
    "End flows that match",
    *_FILTERS,
    Flag("all", "End all flows", alone=True),
    ready=bool,
)
def clear_flows(session: Session, all: bool = False, **filters: str | int) -> Answer:
    ended = session.client.end_flows(None if all else filters)
    return Message(f"{ended:,} flow{'' if ended == 1 else 's'} ended")


@OPERATIONAL.command(
    "show mappings",
    "Show endpoint-independent mappings",
    *_MAPPING_FILTERS,
    Option("limit", "Maximum number of entries (default 100)", number(1, _MOST_FLOWS)),
    Option("sort", "Sort order: descending, for addresses and rules ascending", choices=MAPPING_FIELDS.sorts),
    answers=TABLE,
)
def show_mappings(
    session: Session, limit: int = 100, sort: str | None = None, **filters: str | int
) -> Answer:
    return TableAnswer(session.client.mappings(filters, limit=limit, sort=sort), tables.mappings)


@OPERATIONAL.command(
    "clear mappings",
    "End endpoint-independent mappings that match, with their flows",
    *_MAPPING_FILTERS,
    Flag("all", "End all mappings", alone=True),
    ready=bool,
)
def clear_mappings(session: Session, all: bool = False, **filters: str | int) -> Answer:
    ended = session.client.end_mappings(None if all else filters)
    return Message(f"{ended:,} mapping{'' if ended == 1 else 's'} ended")


@OPERATIONAL.command(
    "show pools",
    "Show pools and their usage",
    Argument("name", "Pool name", Value("<name>", str, (("live", "pool"),))),
    Flag("detail", "Show usage per address", alone=True),
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
    "Show rules in matching order with counters",
    Argument("rule", "Rule number; shows all fields", number(1, 1_000_000, ("live", "rule"))),
    Flag("hits", "Sort by packets, descending", alone=True),
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
    return f"no {kind} {name}; " + (f"expected one of: {some}" if existing else f"no {kind}s are configured")


@OPERATIONAL.command(
    "show links",
    "Show links and their state",
    Flag("history", "Show state changes, newest first", alone=True),
    answers=TABLE,
)
def show_links(session: Session, history: bool = False) -> Answer:
    if history:
        return TableAnswer(session.client.link_changes(), tables.link_changes)
    return TableAnswer(session.client.links(), tables.links)


@OPERATIONAL.command("show drops", "Show dropped and passed packets by reason", answers=TABLE)
def show_drops(session: Session) -> Answer:
    return TableAnswer(session.client.drops(), tables.drops)


@OPERATIONAL.command("show interfaces", "Show inside and outside interfaces", answers=TABLE)
def show_interfaces(session: Session) -> Answer:
    return TableAnswer(session.client.interfaces(), tables.interfaces)


@OPERATIONAL.command("show system commit", "Show commit history and pending commits", answers=TABLE)
def show_system_commit(session: Session) -> Answer:
    return TableAnswer(session.client.commits(), tables.history)


@OPERATIONAL.command("show version", "Show software version, host and user", answers=TABLE)
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
        ("show", "configuration"),
        "Show the running configuration",
        show_configuration,
        start=_configuration_path,
    )
)


@OPERATIONAL_ONLY.command(
    "configure",
    "Enter configuration mode",
    Flag("private", "Edit a private candidate", alone=True),
    Flag("exclusive", "Lock the candidate", alone=True),
)
def configure(session: Session, private: bool = False, exclusive: bool = False) -> Answer:
    mode = "private" if private else "exclusive" if exclusive else "shared"
    return Message(session.enter_configuration(mode))


@OPERATIONAL_ONLY.command("exit", "Exit the CLI")
@OPERATIONAL_ONLY.command("quit", "Exit the CLI")
def leave(session: Session) -> Answer:
    session.finished = True
    return Message("")


@OPERATIONAL_ONLY.command("help", "Show help on the CLI")
def help_(session: Session) -> Answer:
    return Message(session.overview())
