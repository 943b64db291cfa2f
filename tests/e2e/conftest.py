# SPDX-License-Identifier: Apache-2.0
"""Gateways for the end-to-end tests, in each hook mode."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import demo
from tests.e2e import datapaths
from tests.e2e.harness import Gateway, running_gateway

LOG_TAIL = 5000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure goes what snatd said."""
    report = yield
    for running in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(running, Gateway) and running.snatd.log.exists():
            report.sections.append(("snatd", running.snatd.log.read_text(errors="replace")[-LOG_TAIL:]))
    return report


def pytest_sessionfinish() -> None:
    datapaths.remove_all()


@pytest.fixture(scope="module", params=["xdp", "tc"])
def hook(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def gateway(hook: str) -> Iterator[Gateway]:
    """Shared by the tests of a module; a test that changes it undoes that."""
    with running_gateway(hook) as running:
        yield running


@pytest.fixture
def fresh_gateway(hook: str) -> Iterator[Gateway]:
    """For a test that leaves it in pieces."""
    with running_gateway(hook) as running:
        yield running


@pytest.fixture(scope="module")
def bare_lab() -> Iterator[Lab]:
    """The network alone, without servers and snatd."""
    with Lab(demo()) as lab:
        yield lab
