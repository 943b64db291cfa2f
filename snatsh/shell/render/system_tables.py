# SPDX-License-Identifier: Apache-2.0
"""Renderers of system data, files, subscribers and packet tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from snatsh.api.codec import builtins
from snatsh.api.diagnostics import PacketTrial, Verdict
from snatsh.api.flows import GROUP_FIELDS, FlowListing, Talker
from snatsh.api.subscribers import SUBSCRIBER_FIELDS, SubscriberListing
from snatsh.api.system import (
    AlarmList,
    AuditEntry,
    AuditLog,
    ConsoleList,
    FileRow,
    LogMessages,
    Resources,
    Uptime,
)
from snatsh.shell.render.tables import columns_of, flows_footer, left, moment, right
from snatsh.shell.render.text import count, duration, fields, plural, size, table


def settings(data: Mapping[str, Any]) -> str:
    return fields([(name, "from terminal" if value is None else value) for name, value in data.items()])


def profiles(data: Sequence[Mapping[str, str]]) -> str:
    if not data:
        return "No profiles\n"
    return table(left("Profile", "Origin"), [[row["name"], row["origin"]] for row in data])


def files(data: Sequence[FileRow]) -> str:
    if not data:
        return "No files\n"
    columns = left("File") + right("Bytes") + left("Changed")
    return table(columns, [[row.name, count(row.size), moment(row.changed)] for row in data])


def flow_details(data: FlowListing) -> str:
    """Render all fields of each flow."""
    blocks = [
        fields([(name.replace("_", "-"), value) for name, value in builtins(flow).items()])
        for flow in data.flows
    ]
    return "\n".join([*blocks, flows_footer(data)])


def talkers(data: Sequence[Talker]) -> str:
    if not data:
        return "No flows\n"
    columns = left("Source") + columns_of(GROUP_FIELDS, "flows", "packets", "bytes", "rate")
    return table(
        columns,
        [[row.source, count(row.flows), size(row.packets), size(row.bytes), size(row.rate)] for row in data],
    )


def subscribers(data: SubscriberListing) -> str:
    limit = "no session limit" if data.allowed is None else f"at most {count(data.allowed)} sessions each"
    foot = f"{plural(data.total, 'subscriber')}, {limit}\n"
    if not data.subscribers:
        return foot
    columns = columns_of(SUBSCRIBER_FIELDS, "name", "sessions", "refused")
    rows = [[row.address, count(row.sessions), count(row.refused)] for row in data.subscribers]
    return table(columns, rows) + foot


def resources(data: Resources) -> str:
    used = 100 * data.flows / data.flow_capacity
    return fields(
        [
            ("Flows", f"{count(data.flows)} of {count(data.flow_capacity)} ({used:.1f}%)"),
            ("Memory of the maps", f"{size(data.map_memory)}B, {data.bytes_per_flow} bytes per flow"),
            ("Memory of snatd", f"{size(data.daemon_memory)}B"),
            ("CPU time of snatd", duration(data.daemon_cpu_seconds)),
            ("Load", " ".join(f"{value:.2f}" for value in data.load) + f" on {data.cpus} CPUs"),
            ("Memory free", f"{size(data.memory_available)}B of {size(data.memory_total)}B"),
            ("Disk free", f"{size(data.state_disk_free)}B of {size(data.state_disk_total)}B"),
        ]
    )


def uptime(data: Uptime) -> str:
    return fields(
        [
            ("Current time", moment(data.now)),
            ("System up", duration(data.box_seconds)),
            ("snatd up", duration(data.daemon_seconds)),
            ("Last commit", f"{moment(data.committed or '-')} by {data.committed_by or '-'}"),
            ("Datapath generation", count(data.generation)),
        ]
    )


def users(data: ConsoleList) -> str:
    if not data.users:
        return "No consoles\n"
    columns = left("User", "Role", "Terminal", "From") + right("PID", "Since", "Idle") + left("What")
    return table(
        columns,
        [
            [row.user, row.role, row.terminal or "-", row.origin or "-", row.pid,
             duration(row.seconds), duration(row.idle), row.command or "-"]
            for row in data.users
        ],
    )  # fmt: skip


def alarms(data: AlarmList) -> str:
    if not data.alarms:
        return "No alarms currently active\n"
    return table(left("Class", "Description"), [[row.severity, row.text] for row in data.alarms])


def messages(data: LogMessages) -> str:
    return "".join(f"{line}\n" for line in data.lines)


def audit(data: AuditLog) -> str:
    columns = left("Time", "User", "From", "Result", "What")
    return table(columns, [_audited(entry) for entry in data.entries])


def _audited(entry: AuditEntry) -> list[object]:
    what = entry.action.partition("\n")[0][:200]
    return [moment(entry.time), entry.user, entry.origin or "-", entry.result, what]


def trial(data: PacketTrial) -> str:
    """Render the verdict of the running configuration, then that of a changed candidate."""
    text = "Running configuration:\n" + _verdict(data.running)
    if flow := data.flow:
        mapped = f"{flow.mapped}:{flow.mapped_port}"
        text += f"\nExisting flow: mapped to {mapped} by rule {flow.rule}\n"
    if data.candidate is not None:
        text += "\nCandidate configuration:\n" + _verdict(data.candidate)
    if data.passed_by:
        text += "\nNot followed by the datapath:\n" + "".join(f"  {what}\n" for what in data.passed_by)
    return text


def _verdict(verdict: Verdict) -> str:
    pairs: list[tuple[str, object]] = [("  Verdict", verdict.verdict), ("  Reason", verdict.reason)]
    if verdict.rule is not None:
        pairs.append(("  Rule", verdict.rule))
    if verdict.ways:
        pairs.append(("  By link", verdict.ways))
    if verdict.pool is not None:
        first, *more = verdict.addresses or ["none"]
        pairs += [
            ("  Pool", verdict.pool),
            ("  Address", f"one of {len(more) + 1}, {first} …" if more else first),
        ]
    if verdict.out_interface:
        pairs += [("  Interface", verdict.out_interface), ("  Next hop", verdict.next_hop)]
    if verdict.redirect:
        pairs.append(("  Redirect", verdict.redirect))
    text = fields(pairs)
    if verdict.others:
        text += "  Other rules:\n" + "".join(f"    {one.rule}: {one.reason}\n" for one in verdict.others)
    return text
