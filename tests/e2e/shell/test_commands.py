# SPDX-License-Identifier: Apache-2.0
"""The operator's shell on a running gateway: single commands, scripts, and sessions on real terminals."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from snatsh.lab.gateway import SNATSH
from snatsh.model.forms import yaml_form
from tests.e2e.harness import NOBODY, Gateway
from tests.e2e.terminals import STARTS, Terminal, Tmux, environment

PROFILES = Path(__file__).parents[3] / "profiles"


def script(gateway: Gateway, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Feed lines to a shell whose input is no terminal."""
    return subprocess.run(
        [SNATSH, *options],
        input=text,
        env=environment(gateway),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def plain(gateway: Gateway) -> Iterator[Terminal]:
    terminal = Terminal(gateway, "vt100")
    yield terminal
    terminal.child.close(force=True)


# Single commands


def test_every_show_command_has_text_and_json(gateway: Gateway) -> None:
    gateway.client.run("ping", "-c", "2", "-i", "0.2", "8.8.8.8")
    for command in (
        "show flows", "show flows summary", "show pools", "show pools a", "show rules", "show rules 10",
        "show links", "show drops", "show interfaces", "show system commit", "show version",
        "show configuration",
    ):  # fmt: skip
        assert gateway.snatd.shell(command).stdout.strip(), command
        assert json.loads(gateway.snatd.shell(f"{command} | json").stdout), command


def test_flows_are_filtered(gateway: Gateway) -> None:
    gateway.client.run("ping", "-c", "2", "-i", "0.2", "8.8.8.8")
    shell = gateway.snatd.shell
    assert "icmp" in shell("show flows destination 8.8.8.8 protocol icmp rule 10").stdout
    assert "No flow" in shell("show flows destination 8.8.8.9").stdout
    flows = json.loads(shell("show flows protocol icmp sort age limit 1 | json").stdout)
    assert len(flows["flows"]) == 1
    assert shell("clear flows protocol icmp").stdout.endswith("ended\n")
    assert "No flow" in shell("show flows protocol icmp").stdout


def test_the_exit_status_reports_failure_and_errors_go_to_stderr(gateway: Gateway) -> None:
    done = gateway.snatd.shell("show flowz", check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "show flowz\n     ^\nunknown command: flowz; did you mean flows?\n"
    assert gateway.snatd.shell("show pools nowhere", check=False).returncode == 1


def test_the_first_failure_ends_a_sequence(gateway: Gateway) -> None:
    done = gateway.snatd.shell("configure", "set rulez 1", "set rules 30 pool a", check=False)
    assert done.returncode == 1
    assert not gateway.snatd.client.candidate().changed


@pytest.mark.serial
def test_start_takes_less_than_300_ms(gateway: Gateway) -> None:
    """Of the processor's time, which other programs on a busy machine do not take away."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [SNATSH, "-c", "show version"], env=environment(gateway), check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3


def test_single_commands_import_no_heavy_modules() -> None:
    code = (
        "import sys; from snatsh.shell.main import main; main(['--socket', '/nowhere', '-c', 'show flows'])\n"
        "heavy = ('pydantic', 'prompt_toolkit', 'rich', 'yaml', 'numpy', 'bcc')\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    python = str(Path(SNATSH).with_name("python"))
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_user_without_access_to_the_socket_gets_an_error(gateway: Gateway) -> None:
    done = gateway.lab["gateway"].run(
        *NOBODY, SNATSH, "-c", "show version", env=environment(gateway), check=False
    )
    assert done.returncode == 1
    assert "no permission to open" in done.stderr


def test_unwritable_output_is_a_failure(gateway: Gateway) -> None:
    with Path("/dev/full").open("w") as full:
        command = [SNATSH, "-c", "show flows"]
        done = subprocess.run(
            command, env=environment(gateway), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "error: cannot write output: No space left on device\n"


# Scripts


def test_a_script_stops_at_an_error_unless_told_to_keep_going(gateway: Gateway) -> None:
    wrong = "configure\n\n# a comment\nset rulez 10\nset rules 10 pool c\ncommit\nrun show version\n"
    done = script(gateway, wrong)
    assert done.returncode == 1
    assert "error: line 4 of standard input failed" in done.stderr
    assert "Hostname" not in done.stdout
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "a"
    done = script(gateway, wrong, "--keep-going")
    assert done.returncode == 1
    assert "syntax error: rulez" in done.stderr
    assert "Hostname" in done.stdout
    assert "\x1b" not in done.stdout
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "c"


def test_a_script_configures(gateway: Gateway) -> None:
    done = script(
        gateway,
        'configure\nedit rules 30\nset source 10.99.0.0/16\nset pool c\nset description "a | b"\n'
        'top\nshow | compare\ncommit comment "for the test"\nexit\nshow system commit\n',
    )
    assert done.returncode == 0, done.stderr
    assert "[edit rules]\n+   30 {" in done.stdout
    assert "commit complete" in done.stdout
    assert "for the test" in done.stdout
    assert gateway.snatd.client.configuration()["rules"]["30"]["description"] == "a | b"


# Configuration


def test_candidate_compare_commit_and_rollback(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    shown = shell("configure", "set rules 10 pool c", "show | compare").stdout
    assert "[edit rules 10]\n-   pool a;\n+   pool c;\n" in shown
    assert "set rules 10 pool c" in shell("configure", "show | compare | display set").stdout
    assert "has been changed but not committed" in shell("configure").stdout
    assert shell("configure", "commit check").stdout.endswith("configuration check succeeds\n")
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "a"
    assert "commit complete" in shell("configure", "commit and-quit", "show version").stdout
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "c"
    assert "-   pool a;" in shell("configure", "show | compare rollback 1").stdout
    shell("configure", "rollback 1", "commit")
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "a"


def test_impact_is_told_before_the_commit(gateway: Gateway) -> None:
    gateway.snatd.client.end_flows()
    gateway.client.run("ping", "-c", "2", "-i", "0.2", "8.8.8.8")
    shell = gateway.snatd.shell
    change = ("configure", "delete pools a address", "set pools a address 1.1.2.99")
    effects = {
        "ends 1 flow of pool a by rule 10: their addresses are in no pool any more",
        "announces 1.1.2.99 on eth1",
        "pool a: 64,512 ports of each protocol for each of 1 subscriber, 709,632 before",
    }
    try:
        compared = shell(*change, "show | compare impact").stdout
        assert effects <= set(compared.splitlines())
        assert "no longer announces 1.1.2.100-1.1.2.110 on eth1" in compared
        checked = shell("configure", "commit check").stdout
        assert all(f"impact: {effect}\n" in checked for effect in effects)
        assert gateway.snatd.client.flows().matched == 1, "nothing has happened yet"
        assert "address was withdrawn: 1\n" in shell("configure", "commit").stdout
    finally:
        gateway.reset()
    refused = shell("configure", "set rules 10 pool nowhere", "show | compare impact", check=False)
    gateway.snatd.client.replace_candidate(gateway.snatd.client.configuration())
    assert "'pool nowhere'" in refused.stderr


def test_failed_commit_names_statement_value_and_reason(gateway: Gateway) -> None:
    done = gateway.snatd.shell("configure", "set rules 10 pool nowhere", "commit", check=False)
    assert done.returncode == 1
    assert "[edit rules 10]\n  'pool nowhere'\n" in done.stderr
    assert done.stderr.endswith("error: commit failed\n")
    done = gateway.snatd.shell("configure", "commit check", check=False)
    assert done.stderr.endswith("error: configuration check-out failed\n")


def test_statement_refused_by_snatd_is_marked_by_a_caret(gateway: Gateway) -> None:
    done = gateway.snatd.shell("configure", "edit rules", check=False)
    assert "missing mandatory argument" in done.stderr
    done = gateway.snatd.shell("configure", "edit rules 10", "delete failover isp-a", check=False)
    assert done.stderr.startswith("delete failover isp-a\n       ^\n")
    assert "not found" in done.stderr


@pytest.mark.parametrize("name", ["curly", "kept.yaml", "kept.set", "kept.json"])
def test_save_and_load_in_every_form(gateway: Gateway, name: str) -> None:
    before = gateway.snatd.client.configuration()
    gateway.snatd.shell("configure", f"save {name}")
    load = f"load {'set' if name.endswith('.set') else 'override'} {name}"
    gateway.snatd.client.replace_candidate({})
    assert "load complete" in gateway.snatd.shell("configure", load).stdout
    assert gateway.snatd.client.candidate().document == before


def test_load_of_an_invalid_text_changes_nothing(gateway: Gateway) -> None:
    shell, before = gateway.snatd.shell, gateway.snatd.client.candidate()
    texts = {
        "rules: [": "line 2, column 1",
        "rules:\n  10:\n    sauce: 1": "sauce",
        "rules { 10 { source 10.0.0.1/8; } }": "host bits",
        "set rules 10 pool c": "load set",
    }
    for text, reason in texts.items():
        gateway.snatd.client.write_file("bad", text)
        done = shell("configure", "load override bad", check=False)
        assert done.returncode == 1
        assert reason in done.stderr
        assert gateway.snatd.client.candidate() == before
    gateway.snatd.client.write_file("half.set", "set rules 10 pool c\nset rules 10 sauce x\n")
    done = shell("configure", "load set half.set", check=False)
    assert "line 2" in done.stderr
    assert gateway.snatd.client.candidate() == before
    assert "No such file" in shell("configure", "load merge nowhere", check=False).stderr


OUTSIDE = ("/etc/passwd", "../audit.log", "..", ".hidden", "a/b", "-rf", "a\\..\\b")
WITH_FILES = (
    "load merge {}", "save {}", "run file show {}", "run file delete {}", "run show version | save {}",
    "run show version | tee {}", "run show version | append {}",
)  # fmt: skip


@pytest.mark.parametrize("command", WITH_FILES)
def test_file_names_cannot_leave_the_user_folder(gateway: Gateway, command: str) -> None:
    lines = "configure\n" + "".join(f"{command.format(name)}\n" for name in OUTSIDE)
    done = script(gateway, lines, "--keep-going")
    assert done.returncode == 1
    assert done.stderr.count("in your folder on the gateway") == len(OUTSIDE)


def test_symlinks_in_the_user_folder_are_not_followed(gateway: Gateway) -> None:
    gateway.snatd.client.write_file("real", "text")
    folder = gateway.snatd.state / "users" / "root"
    (folder / "link").symlink_to("/etc/passwd")
    done = gateway.snatd.shell("file show link", check=False)
    assert done.returncode == 1
    assert "root:" not in done.stdout + done.stderr
    gateway.snatd.client.write_file("link", "mine")
    assert Path("/etc/passwd").read_text() != "mine"
    assert (folder / "link").read_text() == "mine"


def test_shipped_profiles_are_loaded_by_name(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    names = {path.stem for path in PROFILES.glob("*.yaml")}
    offered = shell("configure", "load override profile ?").stdout.split()
    assert names <= set(offered)
    for name in sorted(names):
        shell("configure", f"load override profile {name}")
        shipped = yaml_form.parse((PROFILES / f"{name}.yaml").read_text())
        assert gateway.snatd.client.candidate().document == shipped
    done = shell("configure", "load override profile nowhere", check=False)
    assert "no profile nowhere; expected one of: " in done.stderr


def test_deleting_everything_requires_confirmation(gateway: Gateway) -> None:
    done = gateway.snatd.shell("configure", "delete", check=False)
    assert done.returncode == 1
    assert "nothing was deleted" in done.stderr
    assert not gateway.snatd.client.candidate().changed


def test_load_merge_adds_statements(gateway: Gateway) -> None:
    gateway.snatd.client.write_file("more.yaml", yaml.safe_dump({"rules": {"40": {"action": "drop"}}}))
    gateway.snatd.shell("configure", "load merge more.yaml")
    assert set(gateway.snatd.client.candidate().document["rules"]) == {"10", "20", "40"}


# Sessions on terminals


def test_a_session_on_an_old_terminal(plain: Terminal) -> None:
    assert plain.run("configure").startswith("configure\r\nEntering configuration mode\r\n\r\n[edit]\r\n")
    assert plain.run("edit rules 10").startswith("edit rules 10\r\n\r\n[edit rules 10]\r\n")
    assert plain.run("set pool c").startswith("set pool c\r\n\r\n[edit rules 10]\r\n")
    assert "pool c;" in plain.run("show")
    assert "[edit]\r\n" in plain.run("exit")
    assert "commit complete\r\n" in plain.run("commit")
    assert "Exiting configuration mode\r\n" in plain.run("exit")
    plain.child.send("exit\r")
    assert plain.close() == 0
    assert "\x1b" not in plain.seen


def test_initial_commands_of_automation_are_acknowledged_as_by_junos(plain: Terminal) -> None:
    def answer(line: str) -> str:
        echo, *said, _prompt = plain.run(line).split("\r\n")
        assert echo == line
        return "\n".join(said).strip()

    assert answer("cli") == ""
    assert answer("set cli complete-on-space off") == "Disabling complete-on-space"
    assert answer("set cli screen-width 511") == "Screen width set to 511"
    assert answer("set cli screen-length 0") == "Screen length set to 0"
    assert answer("configure") == "Entering configuration mode\n\n[edit]"
    assert answer("exit") == "Exiting configuration mode"


def test_leaving_with_uncommitted_changes_asks(plain: Terminal) -> None:
    plain.run("configure")
    plain.run("set rules 10 pool c")
    plain.child.send("exit\r")
    asked = plain.expect(r"Exit with uncommitted changes\? \[yes,no\] \(yes\) $")
    assert "The configuration has been changed but not committed\r\n" in asked
    plain.child.send("no\r")
    assert "[edit]" in plain.expect(rf"{STARTS}\S*# $")
    plain.child.send("exit\r")
    plain.expect(r"\(yes\) $")
    plain.child.send("\r")
    assert "Exiting configuration mode" in plain.expect(rf"{STARTS}\S*> $")


def test_caret_is_under_the_offending_token(plain: Terminal) -> None:
    shown = plain.run("show flowz")
    echo, caret, message, *_ = shown.split("\r\n")
    prompt = shown.split("\r\n")[-1]
    assert caret.index("^") == len(prompt) + echo.index("flowz")
    assert message == "unknown command: flowz; did you mean flows?"


def test_tab_and_question_mark_offer_schema_and_host_values(plain: Terminal) -> None:
    plain.run("configure")
    plain.child.send("set rules 10 pool ?")
    offered = plain.expect(r"\r\n\S+# set rules 10 pool $")
    assert all(f"  {name}\r\n" in offered for name in "abcd")
    plain.child.send("\x15set int eth0 ro\tin\t\r")
    assert "[edit]" in plain.expect(rf"set int eth0 role inside[ ]\r\n\r\n\[edit\]\r\n{STARTS}\S*# $")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("show flows source ?", {"192.168.40.9", "192.168.40.10"}),
        ("show flows link ?", {"isp-a", "isp-b"}),
        ("show pools ?", {"a", "b", "c", "d"}),
        ("clear flows rule ?", {"10", "20"}),
        ("test packet interface ?", {"eth0", "eth1", "eth2"}),
    ],
)
def test_host_values_are_offered(gateway: Gateway, line: str, offered: set[str]) -> None:
    for client in (gateway.client, gateway.other_client):
        client.run("ping", "-c", "1", "8.8.8.8")
    shown = gateway.snatd.shell(line).stdout.splitlines()
    assert shown[0] == "Possible completions:"
    assert offered <= {row.split()[0] for row in shown[1:]}


def test_control_c_discards_the_line_and_control_d_exits(plain: Terminal) -> None:
    plain.child.send("show flo")
    plain.expect("show flo")
    plain.child.sendcontrol("c")
    plain.expect(rf"\r\n{STARTS}\S*> $")
    plain.child.sendcontrol("z")
    plain.run("configure")
    plain.child.sendcontrol("d")
    plain.expect(rf"Exiting configuration mode\r\n\r\n{STARTS}\S*> $")
    plain.child.sendcontrol("d")
    assert plain.close() == 0


def test_new_host_name_appears_in_the_prompt(plain: Terminal) -> None:
    plain.run("configure")
    plain.run("set system host-name gw7")
    assert plain.run("commit").endswith("root@gw7# ")


def test_long_output_is_paged(gateway: Gateway) -> None:
    terminal = Terminal(gateway, "vt100")
    terminal.child.setwinsize(6, 80)
    terminal.child.send("show configuration | display set\r")
    terminal.expect(r"---\(more\)---")
    terminal.child.send("\r")
    terminal.expect(r"\n(?!.*\n.*\n).*---\(more\)---")
    terminal.child.send(" ")
    terminal.expect(r"---\(more\)---")
    terminal.child.send("q")
    terminal.expect(rf"{STARTS}\S*> $")
    everything = terminal.run("show configuration | display set | no-more")
    assert "---(more)---" not in everything
    terminal.child.close(force=True)


def test_statements_typed_in_a_block(plain: Terminal, gateway: Gateway) -> None:
    plain.run("configure")
    plain.child.send("load set terminal\r")
    plain.expect(r"\[Type \^D at a new line to end input\]\r\n")
    for number in range(100, 300):
        plain.child.send(f"set rules {number} action drop\r")
        plain.expect(f"{number} action drop\r\n")
    plain.child.send("\x04")
    assert "load complete" in plain.expect(rf"{STARTS}\S*# $")
    assert len(gateway.snatd.client.candidate().document["rules"]) == 202


def test_shell_survives_a_restart_of_snatd(plain: Terminal, gateway: Gateway) -> None:
    gateway.snatd.kill()
    assert "error: no snatd answers" in plain.run("show flows")
    gateway.snatd.start()
    assert "error" not in plain.run("show flows")


@pytest.fixture
def screen(gateway: Gateway) -> Iterator[Tmux]:
    tmux = Tmux(gateway)
    yield tmux
    tmux.close()


def test_session_on_an_interactive_terminal(screen: Tmux) -> None:
    screen.type("conf", "Tab", "Enter")
    screen.wait("[edit]")
    screen.type("set rules 10 pool ?")
    screen.wait("Possible completions:")
    screen.type("c", "Enter")
    screen.type("show | compare", "Enter")
    shown = screen.wait("+   pool c;")
    assert "-   pool a;" in shown
    screen.type("commit check", "Enter")
    screen.wait("configuration check succeeds")
    screen.type("set rulez 10", "Enter")
    lines = screen.wait("did you mean rules?").splitlines()
    at = next(index for index, line in enumerate(lines) if line.strip() == "^")
    assert lines[at].index("^") == lines[at - 1].index("rulez")
    screen.type("rollback 0", "Enter", "exit", "Enter")
    screen.wait("Exiting configuration mode")


def test_completion_menu_and_history_search(screen: Tmux) -> None:
    screen.type("show flows s", "Tab")
    screen.wait("Show counts only")
    screen.type("C-u", "show links", "Enter")
    screen.wait("Next hop")
    screen.type("C-r", "lin")
    screen.wait("(reverse-i-search)`lin': show links")
    screen.type("Enter")
    screen.wait(f"{STARTS}")
