"""Blocking client of snatd, for every console. Standard library only: it imports in milliseconds."""

from __future__ import annotations

from snatsh.client.configuration import ConfigurationCalls
from snatsh.client.errors import Busy, ClientError, Garbled, Refused, Rejected, ServerGone, TimedOut
from snatsh.client.rows import (
    Active,
    AddressUsage,
    Candidate,
    Commit,
    Document,
    Drops,
    EditSession,
    Entered,
    FileRow,
    Flow,
    FlowFilter,
    Flows,
    History,
    HistoryEntry,
    InterfaceRow,
    LinkOrdered,
    LinkRow,
    LinkSeries,
    Notice,
    Notices,
    PoolRow,
    ProblemRow,
    Reason,
    RuleRow,
    Scheduled,
    Statement,
    Subscriber,
    Subscribers,
    Talker,
    TargetSeries,
    Trial,
    Verdict,
    Version,
    Waiting,
)
from snatsh.client.state import StateCalls
from snatsh.client.system import SystemCalls
from snatsh.client.transport import ANSWER_LIMIT, API, DEFAULT_SOCKET, socket_path


class Client(ConfigurationCalls, StateCalls, SystemCalls):
    """All of snatd's API."""


__all__ = [
    "ANSWER_LIMIT",
    "API",
    "DEFAULT_SOCKET",
    "Active",
    "AddressUsage",
    "Busy",
    "Candidate",
    "Client",
    "ClientError",
    "Commit",
    "Document",
    "Drops",
    "EditSession",
    "Entered",
    "FileRow",
    "Flow",
    "FlowFilter",
    "Flows",
    "Garbled",
    "History",
    "HistoryEntry",
    "InterfaceRow",
    "LinkOrdered",
    "LinkRow",
    "LinkSeries",
    "Notice",
    "Notices",
    "PoolRow",
    "ProblemRow",
    "Reason",
    "Refused",
    "Rejected",
    "RuleRow",
    "Scheduled",
    "ServerGone",
    "Statement",
    "Subscriber",
    "Subscribers",
    "Talker",
    "TargetSeries",
    "TimedOut",
    "Trial",
    "Verdict",
    "Version",
    "Waiting",
    "socket_path",
]
