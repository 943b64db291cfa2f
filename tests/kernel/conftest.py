"""Rigs for the kernel tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rig import Rig, rig


@pytest.fixture(scope="module", params=["xdp", "tc", "tc-egress"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A rig per way out: XDP, TC at the ingress of the inside, TC at the egress of the outside."""
    with rig(request.param) as opened:
        yield opened
        opened.end_flows()
