# SPDX-License-Identifier: Apache-2.0
"""The page that leads from an empty gateway to a working one, command by command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from snatsh.lab import services
from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import SERVER_BY_ISP_A, demo
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.batch import BatchTerminal
from snatsh.shell.modes import MODES
from tests.e2e import datapaths
from tests.unit.docs.markdown import ROOT, Page

pytestmark = pytest.mark.e2e

PAGE = Page(ROOT / "docs" / "first-configuration.md")
LABEL = re.compile(r"^ *[A-Z][A-Za-z ]*:", re.MULTILINE)


@pytest.fixture
def empty_gateway() -> Iterator[Snatd]:
    with Lab(demo()) as lab:
        services.start(lab)
        snatd = Snatd(lab)
        with datapaths.lent(snatd, "auto"):
            snatd.start(seconds=90)
            yield snatd


def shape(output: str) -> list[str]:
    """What stays alike between two runs: the labels, or the words of the first line."""
    first, *_ = output.strip().splitlines() or [""]
    return LABEL.findall(output) or [word for word in first.split() if word.isalpha()]


def send_traffic(snatd: Snatd) -> None:
    snatd.lab.spawn(
        "client-a", sys.executable, "-m", "snatsh.lab.traffic", *SERVER_BY_ISP_A, log="traffic.log"
    )
    snatd.wait_flows({"tcp", "udp", "icmp"})


def test_commands_of_the_page_have_the_output_it_shows(empty_gateway: Snatd) -> None:
    session = Session(empty_gateway.client, BatchTerminal(), MODES)
    sending = False
    for command in PAGE.commands():
        if command.line.startswith("show flows") and not sending:
            send_traffic(empty_gateway)
            sending = True
        outcome = session.execute(command.line)
        assert outcome.failed == ("error: " in command.output), (command.line, outcome.text)
        assert shape(outcome.text) == shape(command.output), command.line
    assert sending
