# SPDX-License-Identifier: Apache-2.0
"""A gateway for each test, and how long a test goes on. A failure names the seed that repeats its choices."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.bench.generator import Frames
from tests.e2e.harness import Gateway, running_gateway

SECONDS = float(os.environ.get("CHAOS_SECONDS", "120"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(1 << 32))))


def pytest_report_header() -> str:
    return f"chaos: CHAOS_SECONDS={SECONDS:g} CHAOS_SEED={SEED}"


@pytest.fixture
def seconds() -> float:
    return SECONDS


@pytest.fixture
def choice() -> random.Random:
    return random.Random(SEED)


@pytest.fixture(params=["xdp", "tc"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    with running_gateway(request.param) as running:
        yield running


@pytest.fixture(scope="session")
def frames() -> Frames:
    """The packet generator."""
    return Frames()
