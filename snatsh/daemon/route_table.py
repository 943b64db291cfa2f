# SPDX-License-Identifier: Apache-2.0
"""Every request that snatd answers, with the role that may send it."""

from __future__ import annotations

from snatsh.daemon.api import Route
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
    Route("GET", "/v1/version", _VIEW, system.version),
    Route("GET", "/v1/configuration", _VIEW, config.running),
    Route("GET", "/v1/candidate", _VIEW, config.candidate),
    Route("GET", "/v1/candidate/names", _VIEW, config.names),
    Route("PUT", "/v1/candidate", _ADMIN, config.replace),
    Route("POST", "/v1/candidate/statements", _ADMIN, config.edit),
    Route("POST", "/v1/candidate/merge", _ADMIN, config.merge),
    Route("POST", "/v1/candidate/rollback", _ADMIN, config.rollback),
    Route("POST", "/v1/candidate/update", _ADMIN, config.update),
    Route("POST", "/v1/commit", _ADMIN, commit.commit),
    Route("POST", "/v1/commit/abort", _ADMIN, commit.abort),
    Route("DELETE", "/v1/commit/scheduled", _ADMIN, commit.unschedule),
    Route("GET", "/v1/history", _VIEW, commit.history),
    Route("GET", "/v1/history/rescue", _VIEW, commit.rescue),
    Route("PUT", "/v1/history/rescue", _ADMIN, commit.save_rescue),
    Route("DELETE", "/v1/history/rescue", _ADMIN, commit.delete_rescue),
    Route("GET", "/v1/history/{number}", _VIEW, commit.committed),
    Route("GET", "/v1/sessions", _VIEW, sessions.sessions),
    Route("POST", "/v1/sessions", _ADMIN, sessions.enter),
    Route("PUT", "/v1/sessions/path", _ADMIN, sessions.move),
    Route("DELETE", "/v1/sessions", _ADMIN, sessions.leave),
    Route("GET", "/v1/notices", _VIEW, sessions.notices),
    Route("POST", COMMANDS, _VIEW, sessions.ran),
    Route("GET", "/v1/files", _VIEW, files.entries),
    Route("GET", "/v1/files/{name:.*}", _VIEW, files.read),
    Route("PUT", "/v1/files/{name:.*}", _VIEW, files.write),
    Route("DELETE", "/v1/files/{name:.*}", _VIEW, files.delete),
    Route("GET", "/v1/flows", _VIEW, flows.flows),
    Route("DELETE", "/v1/flows", _OPERATOR, flows.end),
    Route("GET", "/v1/talkers", _VIEW, flows.talkers),
    Route("GET", "/v1/subscribers", _VIEW, flows.subscribers),
    Route("GET", "/v1/completions/source", _VIEW, flows.sources),
    Route("GET", "/v1/completions/{kind}", _VIEW, config.completions),
    Route("GET", "/v1/pools", _VIEW, state.pools),
    Route("GET", "/v1/rules", _VIEW, state.rules),
    Route("GET", "/v1/drops", _VIEW, state.drops),
    Route("GET", "/v1/interfaces", _VIEW, state.interfaces),
    Route("GET", "/v1/links", _VIEW, links.links),
    Route("GET", "/v1/links/series", _VIEW, links.series),
    Route("GET", "/v1/links/changes", _VIEW, links.changes),
    Route("POST", "/v1/links/{name}/order", _OPERATOR, links.order),
    Route("GET", "/v1/live/overview", _VIEW, live.overview),
    Route("GET", "/v1/live/flows", _VIEW, live.flows),
    Route("GET", "/v1/live/groups", _VIEW, live.grouped),
    Route("GET", "/v1/live/flow", _VIEW, live.flow),
    Route("GET", "/v1/live/pools", _VIEW, live.pools),
    Route("GET", "/v1/live/rules", _VIEW, live.rules),
    Route("GET", "/v1/live/subscribers", _VIEW, live.subscribers),
    Route("POST", "/v1/live/flows/end", _OPERATOR, live.end),
    Route("GET", "/v1/system/resources", _VIEW, system.resources),
    Route("GET", "/v1/system/uptime", _VIEW, system.uptime),
    Route("GET", "/v1/system/alarms", _VIEW, system.alarms),
    Route("GET", "/v1/system/users", _VIEW, system.users),
    Route("GET", "/v1/log/messages", _VIEW, system.messages),
    Route("GET", "/v1/log/audit", _OPERATOR, system.audit_log),
    Route("GET", "/v1/netfilter/rules", _OPERATOR, netfilter.rules),
    Route("POST", "/v1/test/packet", _OPERATOR, diagnostics.test_packet),
    Route("POST", "/v1/trace", _OPERATOR, diagnostics.trace),
    Route("GET", "/v1/trace", _OPERATOR, diagnostics.trace_events),
    Route("DELETE", "/v1/trace", _OPERATOR, diagnostics.stop_trace),
    Route("POST", "/v1/probe", _OPERATOR, diagnostics.probe),
)
