# SPDX-License-Identifier: Apache-2.0
"""The JSON that crosses the socket: recorded from a gateway, it passes through the models unchanged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from snatsh.api import (
    codec,
    commits,
    configuration,
    diagnostics,
    flows,
    interfaces,
    links,
    overview,
    pools,
    rules,
    subscribers,
    system,
)

RECORDED: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("wire.jsonl").read_text("utf-8").splitlines()
]

MODELS: dict[str, type[codec.Model]] = {
    "GET /v1/version": system.Version,
    "GET /v1/configuration": configuration.RunningConfiguration,
    "GET /v1/candidate": configuration.CandidateConfiguration,
    "GET /v1/candidate/names": configuration.Values,
    "PUT /v1/candidate": configuration.Edited,
    "POST /v1/candidate/(statements|merge|rollback)": configuration.Edited,
    "POST /v1/candidate/update": configuration.Updated,
    "GET /v1/completions/[a-z]+": configuration.Values,
    "POST /v1/commit": commits.CommitResult,
    "POST /v1/commit/abort": commits.CommitNumber,
    "DELETE /v1/commit/scheduled": commits.Unscheduled,
    "GET /v1/history": commits.History,
    "GET /v1/history/[0-9]+": commits.CommittedEntry,
    "GET /v1/history/rescue": configuration.DocumentAnswer,
    "(PUT|DELETE) /v1/history/rescue": commits.RescueSaved,
    "GET /v1/sessions": configuration.EditorList,
    "POST /v1/sessions": configuration.EnteredConfiguration,
    "PUT /v1/sessions/path": configuration.EditPath,
    "DELETE /v1/(sessions|trace|files/.*)": system.Empty,
    "POST /v1/commands": system.Empty,
    "GET /v1/notices": system.NoticeList,
    "GET /v1/flows": flows.FlowListing,
    "DELETE /v1/flows": flows.Ended,
    "GET /v1/talkers": flows.TalkerList,
    "GET /v1/subscribers": subscribers.SubscriberListing,
    "GET /v1/pools": pools.PoolList,
    "GET /v1/rules": rules.RuleList,
    "GET /v1/links": links.LinkList,
    "GET /v1/links/series": links.LinkSeriesList,
    "GET /v1/links/changes": links.LinkChangeList,
    "POST /v1/links/[a-z-]+/order": links.LinkOrdered,
    "GET /v1/drops": interfaces.Drops,
    "GET /v1/interfaces": interfaces.InterfaceList,
    "POST /v1/trace": diagnostics.TraceStarted,
    "GET /v1/trace": diagnostics.Traced,
    "POST /v1/probe": diagnostics.ProbeResult,
    "POST /v1/test/packet": diagnostics.PacketTrial,
    "GET /v1/system/resources": system.Resources,
    "GET /v1/system/uptime": system.Uptime,
    "GET /v1/system/alarms": system.AlarmList,
    "GET /v1/system/users": system.ConsoleList,
    "GET /v1/log/messages": system.LogMessages,
    "GET /v1/log/audit": system.AuditLog,
    "GET /v1/netfilter/rules": system.NetfilterRules,
    "GET /v1/files": system.FileList,
    "GET /v1/files/.+": system.FileContent,
    "PUT /v1/files/.+": system.FileWritten,
    "GET /v1/live/overview": overview.Overview,
    "GET /v1/live/flows": flows.FlowPage,
    "GET /v1/live/groups": flows.GroupPage,
    "GET /v1/live/flow": flows.FlowAnswer,
    "GET /v1/live/pools": pools.LivePoolList,
    "GET /v1/live/rules": rules.LiveRuleList,
    "GET /v1/live/subscribers": subscribers.SubscriberPage,
    "POST /v1/live/flows/end": flows.Ended,
}


def model_of(request: str) -> type[codec.Model]:
    return next(model for pattern, model in MODELS.items() if re.fullmatch(pattern, request))


def question(entry: dict[str, Any]) -> str:
    return f"{entry['method']} {entry['path'].partition('?')[0]}"


ANSWERS = [entry for entry in RECORDED if entry["status"] == 200]


@pytest.mark.parametrize("entry", ANSWERS, ids=question)
def test_an_answer_keeps_its_keys_and_values(entry: dict[str, Any]) -> None:
    recorded = entry["answer"]
    encoded = codec.encode(codec.decode(json.dumps(recorded).encode(), model_of(question(entry))))
    assert exact(json.loads(encoded)) == exact(recorded)


def exact(value: object) -> str:
    """Text that tells 1 from 1.0 and does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, indent=1)


def test_every_answer_is_recorded() -> None:
    asked = {question(entry) for entry in ANSWERS}
    missing = [pattern for pattern in MODELS if not any(re.fullmatch(pattern, request) for request in asked)]
    assert not missing
