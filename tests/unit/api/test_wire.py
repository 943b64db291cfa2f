# SPDX-License-Identifier: Apache-2.0
"""The JSON that crosses the socket: recorded from a gateway, it passes through the models unchanged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from snatsh.api import codec
from snatsh.api.errors import ErrorAnswer
from snatsh.daemon.api import Route
from snatsh.daemon.route_table import ROUTES

RECORDED: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("wire.jsonl").read_text("utf-8").splitlines()
]

ANSWERS = [entry for entry in RECORDED if entry["status"] == 200]


def route_of(request: str) -> Route:
    """The route that serves a request; exact paths come before patterns."""
    exact = (route for route in ROUTES if request == f"{route.method} {route.path}")
    return next(exact, None) or next(route for route in ROUTES if re.fullmatch(_pattern(route), request))


def _pattern(route: Route) -> str:
    return f"{route.method} " + re.sub(r"{[^}]*}", "[^/]+", route.path)


def question(entry: dict[str, Any]) -> str:
    return f"{entry['method']} {entry['path'].partition('?')[0]}"


@pytest.mark.parametrize("entry", ANSWERS, ids=question)
def test_recorded_answers_round_trip(entry: dict[str, Any]) -> None:
    recorded = entry["answer"]
    encoded = codec.encode(codec.decode(json.dumps(recorded).encode(), route_of(question(entry)).answers))
    assert exact(json.loads(encoded)) == exact(recorded)


def exact(value: object) -> str:
    """Text that tells 1 from 1.0 and does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, indent=1)


def test_every_route_has_a_recorded_answer() -> None:
    recorded = {route_of(question(entry)) for entry in ANSWERS}
    assert not [f"{route.method} {route.path}" for route in ROUTES if route not in recorded]


def test_recorded_errors_round_trip() -> None:
    refusals = [entry["answer"] for entry in RECORDED if entry["status"] != 200]
    assert refusals
    for recorded in refusals:
        decoded = codec.decode(json.dumps(recorded).encode(), ErrorAnswer)
        assert exact(json.loads(codec.encode(decoded))) == exact(recorded)
