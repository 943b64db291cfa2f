# SPDX-License-Identifier: Apache-2.0
"""The API: correct answers, and one format for all errors."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from snatsh.api.codec import builtins, decode
from snatsh.api.configuration import Statement
from snatsh.client import Busy, Client, Rejected
from snatsh.daemon.api import Route
from snatsh.daemon.route_table import ROUTES
from tests.e2e.harness import Gateway, addresses, document

HOOK = "auto"


@pytest.fixture(scope="module")
def hook() -> str:
    """Nothing here depends on it."""
    return HOOK


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """Whatever a test commits is taken back."""
    yield gateway.snatd.client
    gateway.snatd.client.replace_candidate(document(HOOK))
    if gateway.snatd.client.candidate().changed:
        gateway.snatd.client.commit()


def ask(
    gateway: Gateway, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and JSON of a raw request."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(gateway.snatd.socket))
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/", b"", 404, "no such resource"),
        ("GET", "/v1/nothing", b"", 404, "no such resource"),
        ("GET", "/v1/history/50", b"", 404, "no such entry"),
        ("GET", "/v1/history/x", b"", 404, "expected a number"),
        ("GET", "/v1/completions/planet", b"", 404, "expected interface"),
        ("POST", "/v1/flows", b"", 405, "DELETE, GET"),
        ("PUT", "/v1/commit", b"", 405, "expected POST"),
        ("POST", "/v1/commit", b"{", 400, "JSON"),
        ("POST", "/v1/commit", b"[]", 400, "body"),
        ("POST", "/v1/commit", b'{"chek": true}', 400, "chek"),
        ("POST", "/v1/commit", b'{"check": "yes"}', 400, "check"),
        ("POST", "/v1/commit", b'{"comment": "a\\nb"}', 400, "comment"),
        ("POST", "/v1/candidate/statements", b'{"statements": [{"verb": "add", "path": []}]}', 400, "verb"),
        ("POST", "/v1/candidate/rollback", b'{"number": -1}', 400, "number"),
        ("POST", "/v1/candidate/rollback", b'{"number": 4999999999999}', 404, "no such entry"),
        ("PUT", "/v1/candidate", b'{"document": []}', 400, "document"),
        (
            "PUT",
            "/v1/candidate",
            b'{"document": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            400,
            "nested more than 32",
        ),
        ("PUT", "/v1/candidate", b'{"document": {"rulez": {}}}', 422, "rulez"),
        ("PUT", "/v1/candidate", b" " * (17 << 20), 413, "too large"),
        ("GET", "/v1/flows?source=10.0.0.1/8", b"", 400, "10.0.0.0/8"),
        ("GET", "/v1/flows?limit=many", b"", 400, "limit"),
        ("GET", "/v1/flows?sort=colour", b"", 400, "sort"),
        ("GET", "/v1/flows?port=1&port=2", b"", 400, "more than once"),
        ("DELETE", "/v1/flows?sorce=10.0.0.1", b"", 400, "no such filter"),
    ],
)
def test_invalid_requests_are_refused(
    gateway: Gateway, client: Client, method: str, path: str, body: bytes, status: int, says: str
) -> None:
    got, answer = ask(gateway, method, path, body)
    assert (got, set(answer)) == (status, {"error"})
    assert {"message", "problems", "index", "expected"} <= set(answer["error"])
    assert says in answer["error"]["message"]
    assert not client.candidate().changed


def test_invalid_statement_error_names_statement_and_token(client: Client) -> None:
    with pytest.raises(Rejected) as caught:
        client.edit(
            [
                Statement("set", ["rules", "30", "pool", "a"]),
                Statement("set", ["rules", "30", "protocol", "gre"]),
            ]
        )
    assert (caught.value.status, caught.value.statement, caught.value.index) == (422, 1, 3)
    assert "tcp" in caught.value.expected
    assert not client.candidate().changed


def test_refused_commit_names_every_problem(client: Client) -> None:
    history = client.history()
    client.edit([Statement("set", ["rules", "30", "pool", "nowhere"])])
    client.edit([Statement("set", ["interfaces", "eth9", "role", "outside"])])
    for check in (True, False):
        with pytest.raises(Rejected) as caught:
            client.commit(check=check)
        assert {("rules", "30", "pool"), ("interfaces", "eth9")} <= {
            problem.path[:3] for problem in caught.value.problems
        }
    assert client.history() == history
    assert client.configuration() == document(HOOK)


def test_commit_check_changes_nothing(client: Client) -> None:
    history = client.history()
    client.edit([Statement("set", ["rules", "30", "pool", "a"])])
    assert client.commit(check=True).ended_flows == 0
    assert client.candidate().changed
    assert client.history() == history
    assert [rule.number for rule in client.rules()] == [10, 20]


def test_history_records_the_kind_of_client(client: Client, gateway: Gateway) -> None:
    agent = {"User-Agent": "snatsh/1.0"}
    for headers, method in ((agent, "api"), ({"Snatsh-Client": "cli"}, "cli"), ({}, "api")):
        assert ask(gateway, "POST", "/v1/commit", b"{}", headers)[0] == 200
        assert client.history()[0].method == method
    status, answer = ask(gateway, "POST", "/v1/commit", b"{}", {"Snatsh-Client": "fax"})
    assert (status, answer["error"]["message"]) == (400, "Snatsh-Client: fax: expected one of cli, api")


def test_commit_history_and_rollback(client: Client) -> None:
    client.edit([Statement("set", ["rules", "30", "pool", "a"])])
    done = client.commit(comment='with "quotes"')
    assert done.number == 0
    assert done.milliseconds > 0
    newest = client.history()[0]
    assert (newest.user, newest.method, newest.comment) == ("root", "cli", 'with "quotes"')
    assert client.committed(0) == client.configuration() != client.committed(1)
    client.rollback(1)
    assert client.candidate().document == client.committed(1)
    client.rollback(0)
    assert not client.candidate().changed


def test_commit_ends_flows_of_removed_addresses_only(gateway: Gateway, client: Client) -> None:
    for server in ("8.8.8.8", "203.0.113.9"):
        gateway.client.run("ping", "-c", "1", server)
    mapped = {flow.mapped for flow in client.flows({"protocol": "icmp"}).flows}
    assert mapped & addresses("a")
    assert mapped & addresses("b")
    client.edit(
        [
            Statement("delete", ["pools", "a"]),
            Statement("set", ["rules", "10", "pool", "c"]),
        ]
    )
    assert client.commit().ended_flows >= 1
    left = {flow.mapped for flow in client.flows(limit=1000).flows}
    assert not left & addresses("a")
    assert left & addresses("b")


def test_flows_are_ended_by_filter(gateway: Gateway, client: Client) -> None:
    gateway.client.run("ping", "-c", "1", "8.8.8.8")
    gateway.other_client.run("ping", "-c", "1", "8.8.8.8")
    wanted = {"source": "192.168.40.10", "protocol": "icmp"}
    assert client.end_flows(wanted) >= 1
    assert client.flows(wanted).matched == 0
    assert client.flows({"source": "192.168.40.9", "protocol": "icmp"}).matched >= 1
    client.end_flows()
    assert client.flows().total == 0


def test_counters_agree_across_views(gateway: Gateway, client: Client) -> None:
    client.end_flows()
    before = {rule.number: rule for rule in client.rules()}
    gateway.client.run("ping", "-c", "3", "-i", "0.05", "8.8.8.8")
    listing = client.flows({"protocol": "icmp"})
    assert listing.matched == listing.total == len(listing.flows) == 1
    flow = listing.flows[0]
    assert (flow.packets_out, flow.packets_in, flow.rule) == (3, 3, 10)
    assert (flow.out_interface, flow.state) == ("eth1", "established")
    rule = {row.number: row for row in client.rules()}[10]
    assert rule.flows == 1
    assert rule.created == before[10].created + 1
    assert rule.packets == before[10].packets + 6
    pool = next(row for row in client.pools() if row.name == "a")
    assert (pool.addresses, pool.ports, pool.active.icmp) == (11, "1024-65535", 1)
    used = [row for row in pool.usage if row.icmp]
    assert [row.address for row in used] == [flow.mapped]


def test_completion_values(client: Client) -> None:
    assert client.completions("interface") == ["eth0", "eth1", "eth2"]
    client.edit([Statement("set", ["rules", "5", "pool", "a"])])
    assert client.completions("rule") == ["5", "10", "20"]
    assert client.completions("pool") == ["a", "b", "c", "d"]
    assert client.completions("link") == ["isp-a", "isp-b"]


def test_commits_run_one_at_a_time(client: Client) -> None:
    """Of many commits at once, at least one succeeds and the others are refused; none is half applied."""
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def commit() -> None:
        start.wait()
        try:
            client.commit()
            outcomes.append("done")
        except Busy:
            outcomes.append("busy")

    before = client.history()[0].time
    threads = [threading.Thread(target=commit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert {"done", "busy"} == set(outcomes)
    new = [entry for entry in client.history() if entry.time > before]
    assert len(new) == outcomes.count("done")


def test_disconnecting_client_does_not_disturb_the_commit(gateway: Gateway, client: Client) -> None:
    for request in (
        b"GET /v1/flows HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/commit HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"PUT /v1/candidate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        b"NONSENSE\r\n\r\n",
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(gateway.snatd.socket))
            connection.sendall(request)
    assert client.version().api == 1
    assert not client.candidate().changed
    log = gateway.snatd.log.read_text()
    assert "Traceback" not in log, log


def test_changing_requests_are_audited(gateway: Gateway, client: Client) -> None:
    client.edit([Statement("set", ["rules", "30", "pool", "a"])])
    client.flows()
    lines = (gateway.snatd.state / "audit.log").read_text().splitlines()
    last = json.loads(lines[-1])
    assert (last["user"], last["uid"], last["method"], last["result"]) == ("root", 0, "POST", 200)
    assert last["path"] == "/v1/candidate/statements"
    assert last["detail"] == "set rules 30 pool a"
    assert Path(gateway.snatd.state / "audit.log").stat().st_mode & 0o777 == 0o600


SAMPLES = {
    "/v1/candidate/names": "/v1/candidate/names?word=rules",
    "/v1/completions/{kind}": "/v1/completions/pool",
    "/v1/history/{number}": "/v1/history/0",
    "/v1/live/groups": "/v1/live/groups?by=rule",
    "/v1/live/flow": "/v1/live/flow?source=192.168.40.9&source_port=1&destination=8.8.8.8&destination_port=7"
    "&protocol=udp",
    "/v1/files/{name:.*}": "/v1/files/sample",
}
"""What to ask, for routes whose path alone is no question."""


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.path
)
def test_answers_match_their_models(gateway: Gateway, client: Client, route: Route) -> None:
    gateway.client.run("ping", "-c", "1", "8.8.8.8")
    client.write_file("sample", "text")
    client.save_rescue()
    status, answer = ask(gateway, "GET", SAMPLES.get(route.path, route.path))
    assert status == 200, answer
    assert builtins(decode(json.dumps(answer).encode(), route.answers)) == answer
