# SPDX-License-Identifier: Apache-2.0
"""Configuration mode: navigation, restructuring, loading, comparing."""

from __future__ import annotations

import re
import subprocess

from snatsh.lab.gateway import SNATSH
from snatsh.model.document.document import Document
from tests.e2e.harness import Gateway
from tests.e2e.terminals import Terminal, environment


def session(gateway: Gateway, *lines: str, failing: bool = False) -> str:
    """What a session said that ran these lines; errors too, where one was expected."""
    done = subprocess.run(
        [SNATSH], input="".join(f"{line}\n" for line in ("configure", *lines)), env=environment(gateway),
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert failing or not done.stderr, done.stderr
    return done.stdout + done.stderr


def candidate(gateway: Gateway) -> Document:
    return gateway.snatd.client.candidate().document


def test_up_top_exit_and_quit(gateway: Gateway) -> None:
    output = session(
        gateway, "edit rules 10", "set description here", "edit failover isp-a", "set pool c", "up 2", "show",
        "top edit pools a", "show", "exit", "top", "quit configuration-mode", "show cli history",
        failing=True,
    )  # fmt: skip
    assert candidate(gateway)["rules"]["10"]["failover"] == {"isp-a": {"pool": "c"}}
    assert "10 {" in output
    assert "address 1.1.2.100-1.1.2.110;" in output
    assert "Exiting configuration mode" in output


def test_rename_copy_and_insert(gateway: Gateway) -> None:
    session(gateway, "rename rules 20 to 40", "copy rules 10 to 30", "set rules 30 description copied")
    assert sorted(map(int, candidate(gateway)["rules"])) == [10, 30, 40]
    assert "rule 40 renamed to 5" in session(gateway, "insert rules 40 before rules 10")
    assert "rule 30 renamed to 7" in session(gateway, "insert rules 30 before 10")
    assert sorted(map(int, candidate(gateway)["rules"])) == [5, 7, 10]
    assert "not found" in session(gateway, "rename rules 99 to 98", failing=True)
    assert "already exists" in session(gateway, "copy rules 5 to 10", failing=True)
    assert "expected rules, the only ordered list" in session(
        gateway, "insert pools a before b", failing=True
    )


def test_replace_pattern_and_wildcard_delete(gateway: Gateway) -> None:
    session(gateway, r"replace pattern 1\.1\.2\. with 9.9.9.")
    assert candidate(gateway)["pools"]["a"]["address"] == ["9.9.9.100-9.9.9.110"]
    session(gateway, "rollback 0", "replace pattern isp-(.) with provider-\\1")
    assert set(candidate(gateway)["links"]) == {"provider-a", "provider-b"}
    session(gateway, "rollback 0", "wildcard delete pools [cd]", failing=True)
    assert set(candidate(gateway)["pools"]) == set("abcd")  # no confirmation was given
    refused = session(gateway, "replace pattern eth with //", failing=True)
    assert "nothing was changed" in refused


def test_load_update_replace_patch_and_relative(gateway: Gateway) -> None:
    session(gateway, "save whole.conf", "set rules 10 pool c", "delete rules 20", "load update whole.conf")
    assert not gateway.snatd.client.candidate().changed
    session(
        gateway, "load replace terminal", "rules {", "replace: 10 {", "action drop;", "}", "delete: 20;", "}",
        "\x04",
    )  # fmt: skip
    assert candidate(gateway)["rules"] == {"10": {"action": "drop"}}
    session(
        gateway, "rollback 0", "edit rules 10", "load merge terminal relative", "description here;", "\x04"
    )
    assert candidate(gateway)["rules"]["10"]["description"] == "here"
    output = session(gateway, "set rules 20 pool d", "show | compare | save change.patch", "rollback 0",
                   "load patch change.patch", "show | compare")  # fmt: skip
    assert "-   pool b;\n+   pool d;" in output
    assert candidate(gateway)["rules"]["10"]["description"] == "here"
    refused = session(gateway, "load patch change.patch", failing=True)
    assert "load failed" in refused


def test_load_under_the_edit_path(gateway: Gateway) -> None:
    before = candidate(gateway)
    session(gateway, "edit rules 10", "set description gone", "load update terminal relative",
            "out-interface eth1;", "pool c;", "\x04")  # fmt: skip
    assert candidate(gateway) == {
        **before,
        "rules": {**before["rules"], "10": {"out-interface": "eth1", "pool": "c"}},
    }
    refused = session(gateway, "edit rules 10", "load override terminal relative", failing=True)
    assert "load override: replaces the whole candidate" in refused
    session(gateway, "edit pools e", "load set terminal relative", "set address 1.1.2.140", "\x04")
    assert candidate(gateway)["pools"]["e"] == {"address": ["1.1.2.140"]}


def test_wildcard_delete_asks_for_confirmation(gateway: Gateway) -> None:
    terminal = Terminal(gateway, "vt100")
    terminal.run("configure")
    asked = r"Delete 2 objects\? \[yes,no\] \(no\) $"
    output = terminal.press("wildcard delete pools [cd]\r", asked)
    assert "  matched: pools c\r\n  matched: pools d\r\n" in output
    assert "nothing was deleted" in terminal.run("no")
    assert set(candidate(gateway)["pools"]) == set("abcd")
    terminal.press("wildcard delete pools [cd]\r", asked)
    terminal.run("yes")
    assert set(candidate(gateway)["pools"]) == set("ab")
    assert "no statement matches" in terminal.run("wildcard delete pools x*")
    terminal.child.close(force=True)


def test_profiles_are_saved_and_loaded(gateway: Gateway) -> None:
    session(gateway, "set system host-name mine", "save profile mine", "rollback 0")
    assert "mine" in session(gateway, "run show profiles")
    session(gateway, "load override profile mine")
    assert candidate(gateway)["system"]["host-name"] == "mine"


def test_committed_configurations_are_compared_and_shown_with_defaults(gateway: Gateway) -> None:
    session(gateway, "set rules 10 pool c", 'commit comment "more room" and-quit')
    assert "more room" in gateway.snatd.shell("show system commit").stdout
    offered = gateway.snatd.shell("configure", "rollback ?").stdout
    assert re.search(r"\n  0  +[-0-9]{10} [:0-9]{8} UTC by root via cli: more room\n", offered)
    compared = gateway.snatd.shell("show system rollback compare 1 0").stdout
    assert compared == "[edit rules 10]\n-   pool a;\n+   pool c;\n"
    assert "set rules 10 pool c" in session(gateway, "show | compare rollback 1 | display set")
    inherited = gateway.snatd.shell("show configuration timeouts | display inheritance").stdout
    assert "    established 7440; ## default\n" in inherited
    detail = session(gateway, "set rules 10 pool a", "commit | display detail")
    assert re.search(r"\nstaging the datapath's tables: [0-9.]+ ms\nswitching the datapath: ", detail)
    assert "time in snatd:" in detail
    assert detail.rstrip().endswith("commit complete")


def test_commit_check_runs_all_steps_but_the_activation(gateway: Gateway) -> None:
    before = gateway.snatd.client.history()
    assert "configuration check succeeds" in session(gateway, "set rules 10 pool c", "commit check")
    assert gateway.snatd.client.history() == before
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "a"
    failed = session(gateway, "set rules 10 pool nowhere", "commit check", failing=True)
    assert "configuration check-out failed" in failed
