# SPDX-License-Identifier: Apache-2.0
"""Operational data as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snatsh.api.codec import builtins
from snatsh.api.commits import History, HistoryEntry
from snatsh.api.fields import FieldTable
from snatsh.api.flows import FLOW_FIELDS, Flow, FlowListing
from snatsh.api.interfaces import Drops, InterfaceRow, Reason
from snatsh.api.links import LINK_FIELDS, LinkChange, LinkRow
from snatsh.api.mappings import MAPPING_FIELDS, MappingListing, MappingRow
from snatsh.api.pools import POOL_FIELDS, PoolRow
from snatsh.api.rules import RULE_FIELDS, RuleRow
from snatsh.api.system import Version
from snatsh.shell.render.text import Column, count, duration, fields, first_few, plural, size, table


def right(*titles: str) -> list[Column]:
    return [Column(title, right=True) for title in titles]


def left(*titles: str) -> list[Column]:
    return [Column(title) for title in titles]


def columns_of(fields: FieldTable, *names: str) -> list[Column]:
    """Columns for these fields; numbers stand to the right."""
    return [Column(fields[name].title, right=fields[name].is_number) for name in names]


_FLOW = ("protocol", "source", "destination", "mapped", "state", "rule", "out_interface", "bytes_out",
         "bytes_in", "idle", "expires")  # fmt: skip
_MAPPING = ("protocol", "source", "mapped", "rule", "flows", "age", "expires")
_USAGE = ("tcp", "udp", "icmp", "created", "exhausted")
_RULE = ("order", "number", "match", "action", "flows", "created", "packets", "bytes")
_LINK = ("name", "interface", "next_hop", "state", "since", "rtt", "loss", "failed_over", "reason")


def _end(address: str, port: int) -> str:
    """Return an endpoint. ICMP queries have an identifier as source port and no destination port."""
    return f"{address}:{port}" if port else address


def flows(data: FlowListing) -> str:
    columns = columns_of(FLOW_FIELDS, *_FLOW)
    listing = table(columns, [_flow(flow) for flow in data.flows]) if data.flows else ""
    return listing + flows_footer(data)


def _flow(flow: Flow) -> list[object]:
    return [
        flow.protocol,
        _end(flow.source, flow.source_port),
        _end(flow.destination, flow.destination_port),
        _end(flow.mapped, flow.mapped_port),
        flow.state,
        flow.rule,
        flow.out_interface,
        size(flow.bytes_out),
        size(flow.bytes_in),
        duration(flow.idle),
        duration(flow.expires),
    ]


def mappings(data: MappingListing) -> str:
    columns = columns_of(MAPPING_FIELDS, *_MAPPING)
    listing = table(columns, [_mapping(row) for row in data.mappings]) if data.mappings else ""
    return listing + listing_footer("mapping", data.total, data.matched, len(data.mappings))


def _mapping(row: MappingRow) -> list[object]:
    return [
        row.protocol,
        _end(row.source, row.source_port),
        _end(row.mapped, row.mapped_port),
        row.rule,
        count(row.flows),
        duration(row.age),
        duration(row.expires),
    ]


def flows_footer(data: FlowListing) -> str:
    return listing_footer("flow", data.total, data.matched, len(data.flows))


def listing_footer(what: str, total: int, matched: int, shown: int) -> str:
    """How many there are, match, and are shown."""
    if not total:
        return f"No {what}s\n"
    if not matched:
        return f"No {what} matches, of {count(total)}\n"
    text = plural(matched, what)
    if matched < total:
        text += f" of {count(total)}"
    if shown < matched:
        text += f", {count(shown)} shown; use `limit` for more"
    return text + "\n"


@dataclass(frozen=True, slots=True)
class FlowSummary:
    """protocol, state: flows that match, by each of their values."""

    total: int
    matched: int
    capacity: int
    protocol: Mapping[str, int]
    state: Mapping[str, int]


def flow_summary(data: FlowSummary) -> str:
    used = 100 * data.total / data.capacity if data.capacity else 0.0
    head = [("Flows", count(data.total)), ("Capacity", f"{count(data.capacity)} ({used:.1f}% used)")]
    if data.matched != data.total:
        head.append(("Matched", count(data.matched)))
    return fields(head) + _counted("Protocol", data.protocol) + _counted("State", data.state)


def _counted(title: str, numbers: Mapping[str, int]) -> str:
    columns = [Column(title), Column("Flows", right=True)]
    return "\n" + table(columns, [(name, count(number)) for name, number in numbers.items()])


def pools(data: Sequence[PoolRow]) -> str:
    if not data:
        return "No pools\n"
    columns = columns_of(POOL_FIELDS, "name", "addresses", "ports", "announce", *_USAGE)
    return table(columns, [_pool(pool) for pool in data]) + "".join(_drained(pool) for pool in data)


def _drained(pool: PoolRow) -> str:
    return "".join(
        f"\n{one.address} of pool {pool.name} is drained by order of {one.ordered}: "
        f"{plural(one.flows, 'flow')} left\n"
        for one in pool.drained
    )


def _pool(pool: PoolRow) -> list[object]:
    active = pool.active
    figures = [active.tcp, active.udp, active.icmp, pool.created, pool.exhausted]
    return [pool.name, count(pool.addresses), pool.ports, pool.announce, *map(count, figures)]


def pool_detail(data: Sequence[PoolRow]) -> str:
    columns = columns_of(POOL_FIELDS, "address", *_USAGE)
    text = pools(data)
    for pool in data:
        rows = [
            [row.address, *map(count, (row.tcp, row.udp, row.icmp, row.created, row.exhausted))]
            for row in pool.usage
        ]
        text += "\n" + (table(columns, rows) if rows else f"No address of {pool.name} has been used\n")
    return text


def rules(data: Sequence[RuleRow]) -> str:
    """Render rules in matching order."""
    if not data:
        return "No rules\n"
    return table(columns_of(RULE_FIELDS, *_RULE), [_rule(rule) for rule in data])


def _rule(rule: RuleRow) -> list[object]:
    figures = [count(rule.flows), count(rule.created), size(rule.packets), size(rule.bytes)]
    return [rule.order + 1, rule.number, _rule_match(rule), _rule_action(rule), *figures]


def _rule_match(rule: RuleRow) -> str:
    return " ".join(f"{name} {value}" for name, value in rule.match()) or "any"


def _rule_action(rule: RuleRow) -> str:
    action = rule.action
    if rule.pool is not None:
        action += f" {rule.pool}"
    if rule.redirect is not None:
        action += f" via {rule.redirect}"
    if rule.group is not None:
        action += f" by {rule.links or rule.group}"
    if moved := rule.failed_over:
        action += f"; {moved.links} failed over: {moved.pool}"
        action += f" via {moved.redirect}" if moved.redirect else ""
        action += f" since {moment(moved.since)}" if moved.since else ""
    return action


def rule_detail(data: Sequence[RuleRow]) -> str:
    """Render all fields of rules."""
    return "\n".join(map(_rule_fields, data))


def _rule_fields(rule: RuleRow) -> str:
    shown = {"rule": rule.number, **builtins(rule), "order": rule.order + 1, "bytes": count(rule.bytes)}
    del shown["number"]
    return fields([(name, _flat(value)) for name, value in shown.items() if value is not None])


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_flat(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def links(data: Sequence[LinkRow]) -> str:
    if not data:
        return "No links\n"
    return table(columns_of(LINK_FIELDS, *_LINK), [_link(row) for row in data])


def link_changes(data: Sequence[LinkChange]) -> str:
    if not data:
        return "No changes\n"
    rows = [[moment(row.time), row.link, row.before or "-", row.state, row.reason or "-"] for row in data]
    return table(left("Time", "Link", "From", "To", "Reason"), rows)


def _link(row: LinkRow) -> list[object]:
    cells = [row.name, row.interface, row.next_hop, row.state, moment(row.since)]
    rtt = f"{row.rtt:.1f} ms" if row.rtt is not None else "-"
    loss = f"{row.loss:g}%" if row.loss is not None else "-"
    moved = "rules " + first_few(row.failed_over) if row.failed_over else "-"
    return [*cells, rtt, loss, moved, row.reason or "-"]


def interfaces(data: Sequence[InterfaceRow]) -> str:
    if not data:
        return "No interfaces\n"
    columns = left("Interface", "Role", "Hook", "State") + right("MTU") + left("MAC", "Addresses")
    return table(columns + right("In bytes", "Out bytes", "Lost"), [_interface(row) for row in data])


def _interface(row: InterfaceRow) -> list[object]:
    cells = [row.name, row.role or "-", row.hook or "-", row.state, row.mtu, row.mac or "-"]
    return [*cells, " ".join(row.addresses) or "-", *_carried(row)]


def _carried(row: InterfaceRow) -> list[object]:
    if row.bytes_in is None or row.bytes_out is None or row.lost is None:
        return [None, None, None]
    return [size(row.bytes_in), size(row.bytes_out), count(row.lost)]


class InterfaceTraffic(InterfaceRow, frozen=True, kw_only=True):
    """rates: growth of each counter in a second since the reading before; empty without one."""

    rates: dict[str, float]


def interface_traffic(data: Sequence[InterfaceTraffic]) -> str:
    """Render counters and their rates per second."""
    columns = left("Interface", "Role", "State")
    columns += right("In packets/s", "In bits/s", "Out packets/s", "Out bits/s")
    columns += right("In bytes", "Out bytes", "Lost")
    rows = [[row.name, row.role, row.state, *_growth(row.rates), *_carried(row)] for row in data]
    return table(columns, rows)


def _growth(rates: Mapping[str, float]) -> list[object]:
    factors = {"packets_in": 1, "bytes_in": 8, "packets_out": 1, "bytes_out": 8}
    return [size(rates[name] * factor) if name in rates else None for name, factor in factors.items()]


def drops(data: Drops) -> str:
    return (
        "Dropped\n"
        + _reasons(data.drops, "No packets dropped")
        + "\nPassed to the stack\n"
        + _reasons(data.handed_up, "No packets passed")
    )


def _reasons(reasons: Sequence[Reason], nothing: str) -> str:
    seen = [row for row in reasons if row.packets]
    if not seen:
        return f"{nothing}\n"
    columns = [Column("Reason"), *right("Packets", "Bytes"), Column("Meaning")]
    return table(columns, [[r.reason, count(r.packets), size(r.bytes), r.help] for r in seen])


def history(data: History) -> str:
    """Render the history in the format of Junos, after pending and scheduled commits."""
    columns = [*right("#"), *left("Time", "User", "Method", "Comment")]
    waiting = ""
    if pending := data.pending:
        waiting += (
            f"commit confirmed by {pending.by} will be rolled back in {duration(pending.seconds)}, "
            f"at {moment(pending.deadline)}, unless confirmed\n"
        )
    if scheduled := data.scheduled:
        waiting += f"commit requested by {scheduled.user} for {scheduled.at}\n"
    listing = table(columns, [_commit(entry) for entry in data.entries])
    return waiting + (listing if data.entries else "No commits\n")


def _commit(entry: HistoryEntry) -> list[object]:
    cells = [entry.number, moment(entry.time), entry.user, entry.method]
    return [*cells, entry.comment or "-"]


def moment(time: str) -> str:
    """Format a time of the API, to the second."""
    return time[:19].replace("T", " ") + " UTC" if len(time) >= 19 else time


def version(data: Version) -> str:
    pairs = [("Hostname", data.host_name), ("snatd", data.version), ("API", data.api)]
    return fields([*pairs, ("User", f"{data.user} ({data.role})")])
