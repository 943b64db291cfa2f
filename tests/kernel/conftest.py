# SPDX-License-Identifier: Apache-2.0
"""Rigs for the kernel tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.rig import Rig, standing_rig


@pytest.fixture(scope="session", params=["xdp", "tc", "tc-egress"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A rig per way out: XDP, TC at the ingress of the inside, TC at the egress of the outside."""
    with standing_rig(request.param) as standing:
        yield standing


@pytest.fixture(scope="module")
def gateway(loaded: Rig) -> Iterator[Rig]:
    """It compiles once, and forgets all between modules."""
    with loaded.namespace.entered():
        yield loaded
        loaded.forget()
