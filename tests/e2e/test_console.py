# SPDX-License-Identifier: Apache-2.0
"""The live console on a real gateway with real traffic."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from textual.pilot import Pilot

from snatsh.api.flows import Ended, FlowKey, FlowPage
from snatsh.api.links import LinkChangeList
from snatsh.api.pools import LivePool
from snatsh.client import Client, Rejected
from snatsh.lab.gateway import SNATSH
from snatsh.tui.app import Top
from snatsh.tui.widgets.dialogs import Ask, Question, TextView
from tests.e2e.harness import NOBODY, Gateway, document, running_gateway
from tests.waiting import wait

TRAFFIC = {"client-a": ("8.8.8.8", "203.0.113.9"), "client-b": ("1.0.0.1", "203.0.113.9")}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway("tc") as running:
        for client, targets in TRAFFIC.items():
            running.lab.spawn(
                client, sys.executable, "-m", "snatsh.lab.traffic", *targets, log=f"{client}.log"
            )
        running.snatd.wait_flows({"tcp", "udp", "icmp"})
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Client:
    return gateway.snatd.client


async def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.05)


def console(
    gateway: Gateway, act: Callable[[Top, Pilot[None]], Awaitable[None]], mode: str = "dashboard"
) -> None:
    async def work() -> None:
        app = Top(Client(gateway.snatd.socket, timeout=10), interval=0.3, mode=mode)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(lambda: app.state.overview is not None, "an answer")
            await act(app, pilot)

    asyncio.run(work())


def keys_of(text: str) -> list[str]:
    names = {" ": "space", "-": "minus", "/": "slash", ".": "full_stop", "=": "equals_sign"}
    return [names.get(character, character) for character in text]


# The data


def test_displayed_rates_match_the_traffic(client: Client) -> None:
    def output() -> bool:
        found = client.live_overview().traffic
        if not (found.outbound.packets and found.opened):
            return False
        wires = found.outbound.packets + (found.inbound.packets or 0)
        return bool(wires > 100 and found.translated.packets == pytest.approx(wires, rel=0.2))

    wait(output, "the rates of the wires, counted by the rules")


def test_flow_rates_are_current(client: Client) -> None:
    query: dict[str, str | int] = {"protocol": "udp", "sort": "rate", "limit": 10}

    def output() -> bool:
        rates = [row.rate for row in client.live_flows(query).flows]
        # 20 packets a second each way, of 40 to 60 bytes.
        return len(rates) == 4 and all(5_000 < rate < 40_000 for rate in rates)

    wait(output, "the rates of four flows")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/live/flows?sort=colour", "sort: colour"), ("/v1/live/flows?limit=5000", "limit: 5000"),
        ("/v1/live/flows?offset=-1", "offset: -1"), ("/v1/live/flows?turned=maybe", "turned: maybe"),
        ("/v1/live/flows?planet=mars", "planet"), ("/v1/live/flows?source=10.0.0.1/8", "host bits"),
        ("/v1/live/groups?by=colour", "by: colour"), ("/v1/live/groups?by=rule&sort=idle", "sort: idle"),
        ("/v1/live/flow?source=1.2.3.4", "flow: expected source"),
        ("/v1/live/flows?pool=none", "no such pool"),
    ],
)  # fmt: skip
def test_invalid_queries_are_refused(client: Client, path: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        client.get(path, FlowPage)


def test_invalid_requests_to_end_flows_are_refused(client: Client) -> None:
    for wrong in (
        FlowKey("192.168.40.9", 1, "8.8.8.8", 2, "sctp"),
        FlowKey("nowhere", 1, "8.8.8.8", 2, "tcp"),
    ):
        with pytest.raises(Rejected):
            client.end_these([wrong])
    with pytest.raises(Rejected):
        client.ask("POST", "/v1/live/flows/end", Ended, {"flows": [{}]})
    assert client.end_these([FlowKey("192.168.40.9", 1, "8.8.8.8", 2, "tcp")]) == 0


def test_view_role_cannot_end_flows(gateway: Gateway) -> None:
    code = (
        "import sys; from snatsh.client import Client, Refused\n"
        "c = Client(sys.argv[1]); c.live_overview(); c.live_flows({})\n"
        "try: c.end_these([]); print('LET IN')\n"
        "except Refused: print('refused')\n"
    )
    gateway.snatd.socket.chmod(0o666)
    done = gateway.lab["gateway"].run(*NOBODY, sys.executable, "-c", code, str(gateway.snatd.socket))
    assert done.stdout.strip() == "refused"


def test_filling_pool_raises_an_alarm(gateway: Gateway, client: Client) -> None:
    gateway.commit("set pools tiny address 1.1.2.150", "set pools tiny ports 3000-3009",
                   "set rules 7 source 192.168.40.9/32", "set rules 7 protocol udp",
                   "set rules 7 destination 1.0.0.1/32", "set rules 7 pool tiny")  # fmt: skip
    code = (
        "import socket\nkept=[socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(10)]\n"
        "for one in kept: one.sendto(b'x', ('1.0.0.1', 7))\n"
    )
    gateway.client.run(sys.executable, "-c", code)

    def tiny() -> LivePool:
        return next(pool for pool in client.live_pools() if pool.name == "tiny")

    wait(lambda: tiny().used == 10, "ten ports in use")
    assert (tiny().room, tiny().peak, tiny().heat.cells) == (10, 1.0, "9")
    assert any("pool tiny" in alarm.text for alarm in client.live_overview().alarms)
    wait(lambda: any("pool tiny" in one.text for one in client.notices(after=1).notices), "a notice")
    gateway.commit("delete rules 7", "delete pools tiny")


# The console


def test_marked_flows_are_cleared_after_confirmation(gateway: Gateway, client: Client) -> None:
    code = (
        "import socket\nfor port in (5001, 5002):\n"
        "  socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', port))\n"
    )
    gateway.client.run(sys.executable, "-c", code)

    async def act(app: Top, pilot: Pilot[None]) -> None:
        screen: Any = app.screen
        await pilot.press("slash", *keys_of("8.8.8.8:500"), "enter")
        await until(lambda: screen.table.total == 2, "two flows found")
        await pilot.press("space", "space", "x")
        await until(lambda: isinstance(app.screen, Question), "a question")
        await pilot.press("n")
        assert client.live_flows({"text": "8.8.8.8:500"}).matched == 2
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Question), "a question")
        await pilot.press("y")
        await until(lambda: screen.table.total == 0, "both gone")

    console(gateway, act, "flows")
    assert client.live_flows({"text": "8.8.8.8:500"}).matched == 0
    assert client.live_flows({}).total > 4


@pytest.mark.parametrize("name", ["flows.csv", "flows.json"])
def test_table_is_exported_in_full(gateway: Gateway, client: Client, name: str) -> None:
    async def act(app: Top, pilot: Pilot[None]) -> None:
        await until(lambda: app.screen.table.total > 0, "flows")  # type: ignore[attr-defined]
        await pilot.press("e")
        await until(lambda: bool(app.screen.query("Input")), "a question")
        await pilot.press(*["backspace"] * len("flows.csv"), *keys_of(name), "enter")
        await until(lambda: name in [file.name for file in client.files()], "the file")

    console(gateway, act, "flows")
    text = client.file(name)
    client.delete_file(name)
    if name.endswith("json"):
        assert {row["protocol"] for row in json.loads(text)} == {"tcp", "udp", "icmp"}
    else:
        head, *rows = text.splitlines()
        assert head.startswith("source,destination,mapped")
        assert len(rows) > 10


def test_every_table_is_exported(gateway: Gateway, client: Client) -> None:
    names = {"pools": "3", "links": "4", "rules": "5", "subscribers": "6", "log": "8"}

    async def act(app: Top, pilot: Pilot[None]) -> None:
        for key in names.values():
            await pilot.press(key)
            await until(lambda: app.screen.table.total > 0, "rows")  # type: ignore[attr-defined]
            await pilot.press("e")
            await until(lambda: isinstance(app.screen, Ask), "a question")
            await pilot.press("enter")
            await until(lambda: not isinstance(app.screen, Ask), "an answer")
        wanted = {f"{name}.csv" for name in names}
        await until(lambda: wanted <= {file.name for file in client.files()}, "the files")

    console(gateway, act)
    heads = {name: client.file(f"{name}.csv").splitlines()[0] for name in names}
    assert all(len(head.split(",")) > 2 for head in heads.values()), heads
    for name in names:
        client.delete_file(f"{name}.csv")


def shows(difference: Any, text: str) -> bool:
    return text in difference.text


def test_commit_confirmed_is_aborted_and_confirmed(gateway: Gateway, client: Client) -> None:
    async def act(app: Top, pilot: Pilot[None]) -> None:
        screen: Any = app.screen
        await until(lambda: screen.data is not None, "the configuration")
        for end, pool in (("a", "a"), ("y", "c")):
            await pilot.press("s")
            await pilot.press(*keys_of("rules 10 pool c"), "enter")
            await until(lambda: screen.data.changed, "the candidate changed")
            difference = screen.query_one("#difference")
            await until(partial(shows, difference, "+   pool c;"), "the difference")
            await pilot.press("k")
            await pilot.press("C")
            await until(lambda: isinstance(app.screen, Ask), "minutes")
            await pilot.press("enter")
            await until(lambda: bool(client.notices().pending), "a commit that waits")
            await until(lambda: "unless confirmed" in screen.query_one("#head").text, "the countdown")
            await pilot.press(end)
            if end == "a":
                await until(lambda: isinstance(app.screen, Question), "a question")
                await pilot.press("y")
            await until(lambda: client.notices().pending is None, "settled")
            assert client.configuration()["rules"]["10"]["pool"] == pool

    console(gateway, act, "configuration")
    client.replace_candidate(document("tc"))
    client.commit()


def test_commit_check_comment_and_rollback(gateway: Gateway, client: Client) -> None:
    async def act(app: Top, pilot: Pilot[None]) -> None:
        screen: Any = app.screen
        difference = screen.query_one("#difference")
        await until(lambda: screen.data is not None, "the configuration")
        await pilot.press("s", *keys_of("rules 10 pool nowhere"), "enter")
        await until(lambda: "pool nowhere" in difference.text, "the statement in the candidate")
        await pilot.press("k")
        await until(lambda: isinstance(app.screen, TextView), "why the check fails")
        assert "nowhere" in app.screen.view.text  # type: ignore[attr-defined]
        await pilot.press("escape", "s", *keys_of("rules 10 pool c"), "enter")
        await until(lambda: "+   pool c;" in difference.text, "the better candidate")
        await pilot.press("k")
        output = app._notifications
        await until(lambda: any("check succeeds" in one.message for one in output), "the check")
        assert client.configuration()["rules"]["10"]["pool"] == "a", "a check commits nothing"
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask), "a question for a comment")
        await pilot.press(*keys_of("north to c"), "enter")
        await until(lambda: client.configuration()["rules"]["10"]["pool"] == "c", "the commit")
        assert client.history()[0].comment == "north to c"
        await until(lambda: "same as running" in screen.query_one("#head").text, "no difference")
        await pilot.press("u")
        await until(lambda: isinstance(app.screen, Ask), "a question for a number")
        await pilot.press("backspace", "1", "enter")
        await until(lambda: "-   pool c;" in difference.text, "the candidate of the commit before")
        assert client.configuration()["rules"]["10"]["pool"] == "c", "rolled back is not committed"

    console(gateway, act, "configuration")
    client.commit()
    assert client.configuration()["rules"]["10"]["pool"] == "a"


def test_history_screen_compares_and_rolls_back(gateway: Gateway, client: Client) -> None:
    gateway.commit("set rules 10 description first")
    gateway.commit("set rules 10 description second")

    async def act(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("h")
        await until(lambda: bool(getattr(app.screen, "entries", [])), "the history")
        history: Any = app.screen
        await pilot.press("space", "down", "space", "enter")
        await until(lambda: isinstance(app.screen, TextView), "the comparison")
        await pilot.press("escape")
        assert app.screen is history
        await pilot.press("up", "u")
        await until(lambda: isinstance(app.screen, Question), "a question")
        await pilot.press("y")
        await until(lambda: client.candidate().changed, "the candidate rolled back")

    console(gateway, act, "configuration")
    client.rollback()
    client.replace_candidate(document("tc"))
    client.commit()


def test_command_line_runs_shell_commands(gateway: Gateway) -> None:
    async def act(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("colon", *keys_of("show rul"), "tab")
        prompt: Any = app.screen.query_one("#prompt")
        await until(lambda: prompt.value == "show rules ", "completion")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, TextView), "the answer")
        view: Any = app.screen
        await until(lambda: "192.168.40.0/24" in view.view.text, "rules")
        await pilot.press("escape", "colon", *keys_of("configure"), "enter")
        await until(lambda: isinstance(app.screen, TextView) and app.screen is not view, "a refusal")
        refusal: Any = app.screen
        await until(lambda: "unknown command" in refusal.view.text, "no other mode from here")

    console(gateway, act)


def test_loss_and_return_of_snatd_are_shown(gateway: Gateway) -> None:
    """And what links went through is still known then."""
    gateway.snatd.shell("request link isp-b down")

    async def act(app: Top, pilot: Pilot[None]) -> None:
        await asyncio.to_thread(gateway.snatd.kill)
        await until(lambda: bool(app.state.trouble), "the console notices")
        assert "NOT RESPONDING" in app.screen.query_one("#status").text  # type: ignore[attr-defined]
        await asyncio.to_thread(gateway.snatd.start)
        await until(lambda: not app.state.trouble, "the console resumes")
        await pilot.press("4")
        changes = app.screen.query_one("#changes")
        await until(lambda: "isp-b ✗ down by order of" in changes.text, "the change")  # type: ignore[attr-defined]

    console(gateway, act)


def test_link_history_as_json(gateway: Gateway, client: Client) -> None:
    gateway.snatd.shell("request link isp-b up")
    wait(lambda: client.link_changes("isp-b", 1)[0].state == "up", "isp-b up")
    found = json.loads(gateway.snatd.shell("show links history | json").stdout)
    states = [(one["before"], one["state"]) for one in found if one["link"] == "isp-b"]
    assert states[:2] == [("down", "up"), ("up", "down")]
    assert "by order of" in gateway.snatd.shell("show links history").stdout
    with pytest.raises(Rejected, match="limit"):
        client.get("/v1/links/changes?limit=x", LinkChangeList)


def test_subscribers_at_their_limit_are_shown(gateway: Gateway, client: Client) -> None:
    gateway.commit("set limits subscriber sessions 10")

    async def act(app: Top, pilot: Pilot[None]) -> None:
        screen: Any = app.screen
        await until(
            lambda: "limit 10 sessions; 2 with refused" in screen.query_one("#caption").text,
            "both",
        )
        screen.order("refused", turned=False)

        def sorted_by_refusals() -> bool:
            refused = [row.refused for row in screen.table.rows]
            return len(refused) == 2 and all(refused) and refused == sorted(refused, reverse=True)

        await until(sorted_by_refusals, "the most refused first")

    console(gateway, act, "subscribers")
    assert client.live_subscribers({"sort": "sessions", "limit": 1}).allowed == 10
    gateway.commit("delete limits")


def test_recording_and_replay(gateway: Gateway) -> None:
    """What a recording says is what snatd said, with snatd out of reach."""
    file = gateway.lab.folder / "session.gz"
    live = [SNATSH, "top", "--socket", str(gateway.snatd.socket), "--record", str(file), "--once", "--json"]
    replayed = [SNATSH, "top", "--replay", str(file), "--once", "--json"]
    recorded, played = (
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for command in (live, replayed)
    )
    assert played["flows"]["flows"] == recorded["flows"]["flows"]
    for name in ("pools", "links", "rules", "subscribers", "commits"):
        assert played[name] == recorded[name], name


def test_once_prints_text_and_json(gateway: Gateway) -> None:
    options = ["top", "--socket", str(gateway.snatd.socket), "--once"]
    done = subprocess.run([SNATSH, *options, "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["overview"]["traffic"]["out"]["packets"] > 0
    assert found["flows"]["flows"]
    done = subprocess.run([SNATSH, *options], capture_output=True, text=True, check=True)
    assert "Pool a:" in done.stdout
    done = subprocess.run(
        [SNATSH, "top", "--socket", "/nowhere", "--once"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no snatd answers" in done.stderr


def test_only_the_visible_screen_queries_snatd(gateway: Gateway) -> None:
    asked: list[str] = []

    class Listening(Client):
        def send(self, method: str, path: str, *more: Any, **options: Any) -> bytes:
            asked.append(path.partition("?")[0])
            return super().send(method, path, *more, **options)

    async def work() -> None:
        app = Top(Listening(gateway.snatd.socket), interval=0.2)
        async with app.run_test(size=(120, 40)) as pilot:
            for key in "2345678":
                await pilot.press(key)
                await until(lambda: app.screen.data is not None, "an answer")  # type: ignore[attr-defined]
            await pilot.press("1", "question_mark")
            # Eight looks in a row: were another screen still asking, it would be among them.
            await until(lambda: asked[-8:] == ["/v1/live/overview"] * 8, "no other query")

    asyncio.run(work())
