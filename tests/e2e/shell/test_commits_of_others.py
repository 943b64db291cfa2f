# SPDX-License-Identifier: Apache-2.0
"""A commit that would confirm that of another user: asked at a terminal, refused elsewhere, told to both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from snatsh.client import ConfirmsOthers, Rejected
from tests.e2e.ssh_gateway import SshGateway
from tests.e2e.terminals import Terminal

QUESTION = r"Confirm it\? \[yes,no\] \(no\) $"


@pytest.fixture
def gateway(ssh_box: SshGateway) -> Iterator[SshGateway]:
    """While a commit by alice is pending."""
    done = ssh_box.ssh(
        "alice",
        stdin='configure\nset rules 10 pool c\ncommit confirmed 9 comment "more room"\n',
        options=("-T",),
    )
    assert "commit complete" in done.stdout, done.stderr
    yield ssh_box
    ssh_box.reset()


def is_pending(gateway: SshGateway) -> bool:
    return gateway.snatd.client.commits().pending is not None


def through_options(gateway: SshGateway, *words: str) -> tuple[bool, str]:
    done = gateway.snatd.shell("configure", "set rules 20 pool d", " ".join(["commit", *words]), check=False)
    return done.returncode == 0, done.stdout + done.stderr


def through_standard_input(gateway: SshGateway, *words: str) -> tuple[bool, str]:
    script = f"configure\nset rules 20 pool d\ncommit {' '.join(words)}\n"
    done = gateway.ssh("root", stdin=script, options=("-T",))
    return done.returncode == 0, done.stdout + done.stderr


def through_a_driver(gateway: SshGateway, *words: str) -> tuple[bool, str]:
    """A program at a terminal, which would wait for ever for an answer to its question."""
    terminal = Terminal(gateway, "dumb")
    terminal.run("set cli screen-length 0")
    terminal.run("configure")
    terminal.run("set rules 20 pool d")
    output = terminal.run(" ".join(["commit", *words]))
    terminal.child.close(force=True)
    return "error:" not in output, output


def through_the_api(gateway: SshGateway, *words: str) -> tuple[bool, str]:
    try:
        gateway.snatd.client.commit(and_confirm="and-confirm" in words)
    except ConfirmsOthers as error:
        assert error.status == 428
        return False, str(error)
    return True, ""


@pytest.mark.parametrize(
    "through", [through_options, through_standard_input, through_a_driver, through_the_api]
)
def test_without_an_operator_the_commit_has_to_say_so(gateway: SshGateway, through: object) -> None:
    assert callable(through)
    done, output = through(gateway)
    assert not done
    assert "this commit would confirm the one by alice (more room)" in output
    assert "`commit and-confirm` confirms it" in output
    assert "Confirm it?" not in output
    assert is_pending(gateway)
    assert gateway.snatd.client.configuration()["rules"]["20"]["pool"] == "b"
    done, output = through(gateway, "and-confirm")
    assert done, output
    assert not is_pending(gateway)


def test_an_operator_is_asked_and_both_are_told(gateway: SshGateway) -> None:
    after = gateway.snatd.client.notices().last
    terminal = Terminal(gateway, "vt100")
    terminal.run("configure")
    question = terminal.press("commit\r", QUESTION)
    assert "The commit by alice (more room) is rolled back in " in question
    assert "error: commit failed: this commit would confirm" in terminal.press("no\r", r"# $")
    assert is_pending(gateway)
    terminal.press("commit\r", QUESTION)
    assert "commit complete" in terminal.press("yes\r", r"# $")
    assert not is_pending(gateway)
    terminal.child.close(force=True)
    told = [notice.text for notice in gateway.snatd.client.notices(after).notices]
    assert told == ["commit by alice was confirmed by root"]


def test_the_same_user_confirms_from_another_console(gateway: SshGateway) -> None:
    done = gateway.ssh("alice", stdin="configure\ncommit\n", options=("-T",))
    assert "commit complete" in done.stdout, done.stderr
    assert not is_pending(gateway)


def test_a_check_warns(gateway: SshGateway) -> None:
    checked = gateway.snatd.shell("configure", "commit check").stdout
    assert "warning: commit: confirms the commit by alice, which is pending; needs and-confirm" in checked
    assert is_pending(gateway)


def test_a_commit_confirmed_confirms_nothing_and_joins(gateway: SshGateway) -> None:
    gateway.snatd.shell("configure", "set rules 20 pool d", "commit confirmed 5")
    listed = gateway.snatd.shell("show system commit").stdout
    assert "commit confirmed by alice and root will be rolled back in" in listed
    for user in ("alice", "root"):
        done = gateway.ssh(user, stdin="configure\ncommit\n", options=("-T",))
        assert "would confirm the one by alice and root" in done.stderr
    gateway.snatd.shell("request system commit abort")
    rules = gateway.snatd.client.configuration()["rules"]
    assert (rules["10"]["pool"], rules["20"]["pool"]) == ("a", "b")


def test_no_commit_is_scheduled_meanwhile(gateway: SshGateway) -> None:
    with pytest.raises(Rejected, match="at: the commit by alice is pending"):
        gateway.snatd.client.commit(at="reboot")
    with pytest.raises(Rejected, match="and_confirm: expected neither"):
        gateway.snatd.client.commit(confirmed=5, and_confirm=True)
