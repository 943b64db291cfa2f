# SPDX-License-Identifier: Apache-2.0
"""A session without snatd: every input gets a clear answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.client import Client
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.batch import BatchTerminal
from snatsh.shell.modes import MODES

WORDS = ("show", "set", "flows", "configure", "exit", "load", "|", "json", '"', "?", "\x1b", "pools", "[")


def session() -> Session:
    return Session(Client("/nonexistent/snatd.sock"), BatchTerminal(), MODES)


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=6), st.booleans())
def test_random_lines_have_a_printable_outcome(words: list[str], configuring: bool) -> None:
    operator = session()
    operator.configuring = configuring
    outcome = operator.execute(" ".join(words))
    assert not any(ord(c) < 32 and c not in "\n\t" for c in outcome.text)
    assert not outcome.failed or outcome.text


@pytest.mark.parametrize("line", ["show flows", "configure", "clear flows all", "show configuration"])
def test_commands_without_snatd_say_how_to_start_it(line: str) -> None:
    outcome = session().execute(line)
    assert outcome.failed
    assert outcome.text.startswith("error: no snatd answers at /nonexistent/snatd.sock")
    assert "start it with: snatd --socket" in outcome.text


def test_configuration_mode_can_be_exited_without_snatd() -> None:
    operator = session()
    operator.configuring = True
    assert operator.execute("exit").text == "Exiting configuration mode\n"
    assert not operator.configuring


def test_banner_shows_the_edit_path_and_exit_returns_to_the_previous_one() -> None:
    operator = session()
    operator.configuring = True
    assert str(operator.prompt()).startswith("[edit]\n")
    operator.execute("edit rules 10")
    operator.execute("edit failover isp-a")
    assert operator.prompt().banner == "[edit rules 10 failover isp-a]"
    operator.execute("exit")
    assert operator.prompt().banner == "[edit rules 10]"
    operator.execute("edit failover isp-a")
    operator.execute("up")
    assert operator.prompt().banner == "[edit rules 10]"
    operator.execute("top")
    assert operator.prompt().banner == "[edit]"


def test_line_ending_in_a_question_mark_shows_help() -> None:
    outcome = session().execute("show sys?")
    assert not outcome.failed
    assert outcome.text == "Possible completions:\n  system               Show system state\n"
