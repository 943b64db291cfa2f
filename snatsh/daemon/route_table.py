# SPDX-License-Identifier: Apache-2.0
"""Every request that snatd answers, with the role that may send it and the model of its answer."""

from __future__ import annotations

from snatsh.api.commits import CommitNumber, CommitResult, CommittedEntry, History, RescueSaved, Unscheduled
from snatsh.api.configuration import (
    CandidateConfiguration,
    DocumentAnswer,
    Edited,
    EditorList,
    EditPath,
    EnteredConfiguration,
    RunningConfiguration,
    Updated,
    Values,
)
from snatsh.api.diagnostics import PacketTrial, ProbeResult, Traced, TraceStarted
from snatsh.api.flows import Ended, FlowAnswer, FlowListing, FlowPage, GroupPage, TalkerList
from snatsh.api.interfaces import Drops, InterfaceList
from snatsh.api.links import LinkChangeList, LinkList, LinkOrdered, LinkSeriesList
from snatsh.api.mappings import MappingListing
from snatsh.api.overview import Overview
from snatsh.api.pools import LivePoolList, PoolList
from snatsh.api.rules import LiveRuleList, RuleList
from snatsh.api.subscribers import SubscriberListing, SubscriberPage
from snatsh.api.system import (
    AlarmList,
    AuditLog,
    ConsoleList,
    Empty,
    FileContent,
    FileList,
    FileWritten,
    LogMessages,
    NetfilterRules,
    NoticeList,
    Resources,
    Uptime,
    Version,
)
from snatsh.daemon.api import LARGE_BODY, Route
from snatsh.daemon.roles import Role
from snatsh.daemon.routes import (
    commit,
    config,
    diagnostics,
    files,
    flows,
    links,
    live,
    netfilter,
    sessions,
    state,
    system,
)

COMMANDS = "/v1/commands"

UNAUDITED = frozenset({COMMANDS})
"""Changing requests that are not recorded as such: a console's commands have their own audit entries."""

_VIEW, _OPERATOR, _ADMIN = Role.VIEW, Role.OPERATOR, Role.ADMIN

ROUTES = (
    Route("GET", "/v1/version", _VIEW, system.version, Version),
    Route("GET", "/v1/configuration", _VIEW, config.running, RunningConfiguration),
    Route("GET", "/v1/candidate", _VIEW, config.candidate, CandidateConfiguration),
    Route("GET", "/v1/candidate/names", _VIEW, config.names, Values),
    Route("PUT", "/v1/candidate", _ADMIN, config.replace, Edited, LARGE_BODY),
    Route("POST", "/v1/candidate/statements", _ADMIN, config.edit, Edited, LARGE_BODY),
    Route("POST", "/v1/candidate/merge", _ADMIN, config.merge, Edited, LARGE_BODY),
    Route("POST", "/v1/candidate/rollback", _ADMIN, config.rollback, Edited),
    Route("POST", "/v1/candidate/update", _ADMIN, config.update, Updated),
    Route("POST", "/v1/commit", _ADMIN, commit.commit, CommitResult),
    Route("POST", "/v1/commit/abort", _ADMIN, commit.abort, CommitNumber),
    Route("DELETE", "/v1/commit/scheduled", _ADMIN, commit.unschedule, Unscheduled),
    Route("GET", "/v1/history", _VIEW, commit.history, History),
    Route("GET", "/v1/history/rescue", _VIEW, commit.rescue, DocumentAnswer),
    Route("PUT", "/v1/history/rescue", _ADMIN, commit.save_rescue, RescueSaved),
    Route("DELETE", "/v1/history/rescue", _ADMIN, commit.delete_rescue, RescueSaved),
    Route("GET", "/v1/history/{number}", _VIEW, commit.committed, CommittedEntry),
    Route("GET", "/v1/sessions", _VIEW, sessions.sessions, EditorList),
    Route("POST", "/v1/sessions", _ADMIN, sessions.enter, EnteredConfiguration),
    Route("PUT", "/v1/sessions/path", _ADMIN, sessions.move, EditPath),
    Route("DELETE", "/v1/sessions", _ADMIN, sessions.leave, Empty),
    Route("GET", "/v1/notices", _VIEW, sessions.notices, NoticeList),
    Route("POST", COMMANDS, _VIEW, sessions.ran, Empty),
    Route("GET", "/v1/files", _VIEW, files.entries, FileList),
    Route("GET", "/v1/files/{name:.*}", _VIEW, files.read, FileContent),
    Route("PUT", "/v1/files/{name:.*}", _VIEW, files.write, FileWritten, LARGE_BODY),
    Route("DELETE", "/v1/files/{name:.*}", _VIEW, files.delete, Empty),
    Route("GET", "/v1/flows", _VIEW, flows.flows, FlowListing),
    Route("DELETE", "/v1/flows", _OPERATOR, flows.end, Ended),
    Route("GET", "/v1/mappings", _VIEW, flows.mappings, MappingListing),
    Route("DELETE", "/v1/mappings", _OPERATOR, flows.end_mappings, Ended),
    Route("GET", "/v1/talkers", _VIEW, flows.talkers, TalkerList),
    Route("GET", "/v1/subscribers", _VIEW, flows.subscribers, SubscriberListing),
    Route("GET", "/v1/completions/source", _VIEW, flows.sources, Values),
    Route("GET", "/v1/completions/{kind}", _VIEW, config.completions, Values),
    Route("GET", "/v1/pools", _VIEW, state.pools, PoolList),
    Route("POST", "/v1/pools/drain", _OPERATOR, state.drain, Empty),
    Route("POST", "/v1/pools/restore", _OPERATOR, state.restore, Empty),
    Route("GET", "/v1/rules", _VIEW, state.rules, RuleList),
    Route("GET", "/v1/drops", _VIEW, state.drops, Drops),
    Route("GET", "/v1/interfaces", _VIEW, state.interfaces, InterfaceList),
    Route("GET", "/v1/links", _VIEW, links.links, LinkList),
    Route("GET", "/v1/links/series", _VIEW, links.series, LinkSeriesList),
    Route("GET", "/v1/links/changes", _VIEW, links.changes, LinkChangeList),
    Route("POST", "/v1/links/{name}/order", _OPERATOR, links.order, LinkOrdered),
    Route("GET", "/v1/live/overview", _VIEW, live.overview, Overview),
    Route("GET", "/v1/live/flows", _VIEW, live.flows, FlowPage),
    Route("GET", "/v1/live/groups", _VIEW, live.grouped, GroupPage),
    Route("GET", "/v1/live/flow", _VIEW, live.flow, FlowAnswer),
    Route("GET", "/v1/live/pools", _VIEW, live.pools, LivePoolList),
    Route("GET", "/v1/live/rules", _VIEW, live.rules, LiveRuleList),
    Route("GET", "/v1/live/subscribers", _VIEW, live.subscribers, SubscriberPage),
    Route("POST", "/v1/live/flows/end", _OPERATOR, live.end, Ended),
    Route("GET", "/v1/system/resources", _VIEW, system.resources, Resources),
    Route("GET", "/v1/system/uptime", _VIEW, system.uptime, Uptime),
    Route("GET", "/v1/system/alarms", _VIEW, system.alarms, AlarmList),
    Route("GET", "/v1/system/users", _VIEW, system.users, ConsoleList),
    Route("GET", "/v1/log/messages", _VIEW, system.messages, LogMessages),
    Route("GET", "/v1/log/audit", _OPERATOR, system.audit_log, AuditLog),
    Route("GET", "/v1/netfilter/rules", _OPERATOR, netfilter.rules, NetfilterRules),
    Route("POST", "/v1/test/packet", _OPERATOR, diagnostics.test_packet, PacketTrial),
    Route("POST", "/v1/trace", _OPERATOR, diagnostics.trace, TraceStarted),
    Route("GET", "/v1/trace", _OPERATOR, diagnostics.trace_events, Traced),
    Route("DELETE", "/v1/trace", _OPERATOR, diagnostics.stop_trace, Empty),
    Route("POST", "/v1/probe", _OPERATOR, diagnostics.probe, ProbeResult),
)
