"""Rigs for the kernel tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rig import Rig, rig


@pytest.fixture(scope="module", params=["xdp", "tc"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A rig per hook; each test commits its own rules."""
    with rig(request.param) as opened:
        yield opened
        opened.end_flows()
