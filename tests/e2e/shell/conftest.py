# SPDX-License-Identifier: Apache-2.0
"""Gateways shared by the shell tests, since starting one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Gateway, running_gateway
from tests.e2e.ssh_gateway import SshGateway, ssh_gateway


@pytest.fixture(scope="package")
def box() -> Iterator[Gateway]:
    with running_gateway("tc") as running:
        yield running


@pytest.fixture
def gateway(box: Gateway) -> Iterator[Gateway]:
    """With the profile it started with, and no commit waiting."""
    yield box
    box.reset()


@pytest.fixture(scope="package")
def ssh_box() -> Iterator[SshGateway]:
    with ssh_gateway() as running:
        yield running
