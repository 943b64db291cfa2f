# SPDX-License-Identifier: Apache-2.0
"""Inactive, protected and annotated statements in the shell."""

from __future__ import annotations

from tests.e2e.harness import Gateway


def test_inactive_rule_is_kept_without_effect(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    shell("configure", "deactivate rules 20", 'annotate rules 20 "until the fibre is back"', "commit")
    assert [row.number for row in gateway.snatd.client.rules()] == [10]
    shown = shell("show configuration rules").stdout
    assert "/* until the fibre is back */\ninactive: 20 {\n" in shown
    assert "deactivate rules 20" in shell("show configuration | display set").stdout
    gateway.snatd.kill()
    gateway.snatd.start()
    assert [row.number for row in gateway.snatd.client.rules()] == [10]
    compared = shell("configure", "activate rules 20", "show | compare").stdout
    assert "[edit rules]\n!   active: 20 { ... }\n" in compared
    shell("configure", "commit")
    assert [row.number for row in gateway.snatd.client.rules()] == [10, 20]


def test_protected_statements_cannot_be_changed(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    shell("configure", "protect rules 10", "commit")
    for command in ("set rules 10 pool c", "delete rules 10 pool", "delete rules", "deactivate rules 10",
                    "rename rules 10 to 11", "load factory-default", "wildcard delete rules 1*"):  # fmt: skip
        refused = shell("configure", command, check=False)
        assert refused.returncode == 1, command
        if "wildcard" not in command:
            assert "is protected; see `unprotect`" in refused.stderr, command
    refused = shell("configure", "delete rules 10", check=False)
    assert refused.stderr.endswith("             ^\nrules 10: is protected; see `unprotect`\n")
    assert not gateway.snatd.client.candidate().changed
    shell("configure", "unprotect rules 10", "set rules 10 pool c", "commit")
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "c"


def test_marks_follow_a_renamed_rule(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    shell("configure", "deactivate rules 20", "rename rules 20 to 30", "commit")
    assert gateway.snatd.client.configuration()["marks"] == {"rules 30": {"inactive": "yes"}}
    assert "not found" in shell("configure", "deactivate rules 99", check=False).stderr
    assert "nothing to activate" in shell("configure", "activate rules 10").stdout
    assert "expected" in shell("configure", "annotate rules 10", check=False).stderr


def test_marks_are_saved_and_loaded_in_every_form(gateway: Gateway) -> None:
    shell = gateway.snatd.shell
    shell("configure", "deactivate rules 20", 'annotate pools a "ours"', "protect pools a")
    wanted = gateway.snatd.client.candidate().document
    for name in ("marks.conf", "marks.set", "marks.yaml", "marks.json"):
        load = "load set" if name.endswith(".set") else "load override"
        clear = ("unprotect pools a", "load factory-default")
        shell("configure", f"save {name}", *clear, f"{load} {name}")
        assert gateway.snatd.client.candidate().document == wanted, name
