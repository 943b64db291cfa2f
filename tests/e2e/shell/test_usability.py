# SPDX-License-Identifier: Apache-2.0
"""Usability of the shell: latency, Space and Tab, colors, pastes, notices, banners."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from snatsh.lab.gateway import SNATSH
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.batch import BatchTerminal
from snatsh.shell.modes import MODES
from tests.e2e.harness import Gateway, document
from tests.e2e.terminals import STARTS, Terminal, Tmux, environment


@pytest.fixture
def screen(gateway: Gateway) -> Iterator[Tmux]:
    tmux = Tmux(gateway)
    yield tmux
    tmux.close()


@pytest.mark.serial
def test_tab_takes_less_than_50_ms_with_10_000_rules(gateway: Gateway) -> None:
    rules = {
        str(number): {"source": f"10.{number >> 8}.{number & 255}.0/24", "pool": "a"}
        for number in range(1, 10_001)
    }
    gateway.snatd.client.replace_candidate({**document("tc"), "rules": rules})
    gateway.snatd.client.commit()
    session = Session(gateway.snatd.client, BatchTerminal(), MODES)
    session.execute("configure")
    for line in ("set rules ", "set rules 99", "delete rules 10 ", "set rules 10 pool ", "run show rules 99"):
        seconds = []
        for _ in range(10):
            session.live.forget()
            started = time.monotonic()
            session.complete(line)
            seconds.append(time.monotonic() - started)
        assert min(seconds) < 0.05, line
    session.execute("exit")


@pytest.mark.serial
def test_first_interactive_prompt_takes_less_than_300_ms(
    gateway: Gateway,
) -> None:
    """Of the processor's time, which other programs on a busy machine do not take away."""
    seconds = []
    for _ in range(4):
        child = pexpect.spawn(
            SNATSH, env=environment(gateway, TERM="xterm"), encoding="utf-8", timeout=20, dimensions=(40, 120)
        )
        child.expect_exact("\x1b[c")
        child.send("\x1b[?64c")
        child.expect(rf"{STARTS}[^ ]*>")
        user, system = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        seconds.append((int(user) + int(system)) / os.sysconf("SC_CLK_TCK"))
        child.close(force=True)
    assert min(seconds) < 0.3


def test_space_completes_keywords_on_an_interactive_terminal(screen: Tmux) -> None:
    screen.type("sh", "Space")
    screen.wait("> show")
    screen.type("pool", "Space")
    screen.wait("> show pools")
    screen.type("a", "Space", "Enter")
    screen.wait("Exhausted")
    screen.type("set cli complete-on-space off", "Enter")
    screen.wait("Disabling complete-on-space")
    screen.type("sh", "Space", "vers", "Enter")
    screen.wait("> sh vers")
    screen.wait("Hostname")


def test_space_leaves_lines_sent_by_programs_unchanged(gateway: Gateway) -> None:
    terminal = Terminal(gateway, "vt100")
    terminal.child.send("sh ver\r")
    assert "sh ver\r\n" in terminal.expect(r"Hostname")
    terminal.expect(r"> $")
    terminal.child.send("sh")
    terminal.expect("sh$")
    terminal.child.send(" ")
    terminal.expect("ow $")
    terminal.child.close(force=True)


def test_invalid_input_is_red(screen: Tmux) -> None:
    screen.type("show pools nonsense nonsense ")
    screen.wait("nonsense nonsense")
    coloured = screen.screen("-e")
    line = next(line for line in coloured.splitlines() if "nonsense" in line)
    assert "\x1b[1m" in line.partition("show")[0]
    assert "\x1b[31m" in line.rpartition("nonsense")[0]


def test_hundreds_of_pasted_lines_run_without_pause(screen: Tmux, gateway: Gateway) -> None:
    lines = [f"set rules {number} action drop source 10.{number}.0.0/16" for number in range(1, 251)]
    screen.type("configure", "Enter")
    screen.wait("[edit]")
    screen.paste("".join(f"{line}\n" for line in [*lines, "set rules x", "top"]))
    screen.wait("expected a whole number", 30)
    deadline = time.monotonic() + 30
    while len(gateway.snatd.client.candidate().document["rules"]) < 250:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_notices_appear_at_the_idle_prompt(screen: Tmux, gateway: Gateway) -> None:
    screen.type("show ver")
    gateway.snatd.shell("configure", "set rules 10 pool c", "commit confirmed 3")
    shown = screen.wait("commit by root will be rolled back in 3 minutes unless confirmed", 15)
    assert "show ver" in shown
    gateway.snatd.shell("request system commit abort")
    screen.wait("commit by root was rolled back", 15)


def test_announcement_and_idle_timeout_are_configurable(gateway: Gateway) -> None:
    gateway.snatd.shell(
        "configure", 'set system login announcement "property of example" idle-timeout 7', "commit"
    )
    terminal = Terminal(gateway, "vt100")
    assert "property of example\r\n" in terminal.seen
    assert "idle-timeout:      7" in terminal.run("show cli")
    terminal.child.close(force=True)
    refused = gateway.snatd.shell("configure", 'set system login announcement "100%"', check=False)
    assert "without %" in refused.stderr


def test_idle_console_is_listed_as_a_user(gateway: Gateway) -> None:
    terminal = Terminal(gateway, "vt100")
    (row,) = (row for row in gateway.snatd.client.users().users if row.pid == terminal.child.pid)
    assert (row.user, row.role, row.command) == ("root", "admin", "")
    assert row.terminal.startswith("pts/")
    assert "show system users" in terminal.run("show system users")
    terminal.child.close(force=True)


def test_differences_are_red_and_green(screen: Tmux, gateway: Gateway) -> None:
    gateway.snatd.shell("configure", "set rules 10 pool c")
    screen.type("configure", "Enter", "show | compare", "Enter")
    screen.wait("+   pool c;")
    coloured = screen.screen("-e")
    assert "\x1b[31m-   pool a;" in coloured.replace("\x1b[49m", "").replace("\x1b[0m", "")
    assert "\x1b[32m+   pool c;" in coloured
    screen.type("run show pools nowhere", "Enter")
    screen.wait("error: no pool nowhere")
    line = next(line for line in screen.screen("-e").splitlines() if "error: no pool" in line)
    assert "\x1b[31m" in line.partition("error:")[0]


def test_no_color_disables_colours(gateway: Gateway) -> None:
    tmux = Tmux(gateway, NO_COLOR="1")
    gateway.snatd.shell("configure", "set rules 10 pool c")
    tmux.type("configure", "Enter", "show | compare", "Enter")
    tmux.wait("+   pool c;")
    assert "[32m" not in tmux.screen("-e")
    tmux.type("show pools nonsense nonsense ")
    tmux.wait("nonsense nonsense")
    line = next(line for line in tmux.screen("-e").splitlines() if "nonsense" in line)
    assert "[31m" not in line
    tmux.close()


def test_an_old_terminal_and_a_pipe_get_no_colours(gateway: Gateway) -> None:
    gateway.snatd.shell("configure", "set rules 10 pool c")
    terminal = Terminal(gateway, "vt100")
    terminal.run("configure")
    assert "+   pool c;" in terminal.run("show | compare")
    assert "\x1b" not in terminal.seen
    terminal.child.close(force=True)
    shown = gateway.snatd.shell("configure", "show | compare").stdout
    assert "+   pool c;" in shown
    assert "\x1b" not in shown


def test_history_persists_across_sessions(gateway: Gateway) -> None:
    first = Tmux(gateway)
    first.type("show system uptime", "Enter")
    first.wait("System up")
    first.type("exit", "Enter")
    first.gone()
    second = Tmux(gateway)
    second.type("C-r", "upti")
    second.wait("(reverse-i-search)`upti': show system uptime")
    second.type("Enter")
    second.wait("System up")
    second.close()
    kept = gateway.lab.folder / "home" / "snatsh" / "history"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_help_apropos(gateway: Gateway) -> None:
    found = gateway.snatd.shell("help apropos flows").stdout
    assert "clear flows" in found
    assert "monitor flows" in found
    assert "no command matches" in gateway.snatd.shell("help apropos xyzzy").stdout


def test_pipes_on_a_running_gateway(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    whole = shell("show pools").stdout.splitlines()
    assert shell("show pools | except Pool | count").stdout == "Count: 4 lines\n"
    assert shell("show pools | find b | first 1 | trim 3 | no-more").stdout == whole[2][3:] + "\n"
    assert shell("show pools | match ^d | last 1").stdout == whole[4] + "\n"
    assert [line[:1] for line in shell("show pools | sort reverse").stdout.splitlines()] == list("Pdcba")
    shell("show pools | tee kept | hold")
    shell("show version | append kept")
    kept = shell("file show kept").stdout
    assert kept.startswith("\n".join(whole))
    assert "Hostname" in kept
    assert shell("show pools | display yaml").stdout.startswith("- name: a\n")
    assert shell("show pools | yaml").stdout == shell("show pools | display yaml").stdout
    assert shell("show configuration | compare rollback 0").stdout == ""
    shell("show flows | resolve")
    shell("file delete kept")
