# SPDX-License-Identifier: Apache-2.0
"""Rigs for the kernel tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from snatsh.datapath.loading.linker import unpin
from snatsh.lab.namespaces import PIN_FOLDER, new_identity, remove
from tests.kernel.rig import Rig, standing_rig


@pytest.fixture(scope="session")
def rigs() -> Iterator[Callable[[str], Rig]]:
    """Rigs by way out. Each is built once in a process, since building one takes longer than most tests."""
    with ExitStack() as stack:
        yield cache(lambda way: stack.enter_context(standing_rig(way)))


@pytest.fixture(scope="module", params=["xdp", "tc", "tc-egress"])
def loaded(request: pytest.FixtureRequest, rigs: Callable[[str], Rig]) -> Rig:
    """The rig of each way out: XDP, TC at the ingress of the inside, TC at the egress of the outside."""
    return rigs(request.param)


@pytest.fixture(scope="module")
def gateway(loaded: Rig) -> Iterator[Rig]:
    """The rig entered. It forgets everything between modules."""
    with loaded.namespace.entered():
        yield loaded
        loaded.forget()


@pytest.fixture
def pins() -> Iterator[Path]:
    """A folder for pins that does not exist yet."""
    identity = new_identity()
    folder = PIN_FOLDER / f"snatsh-lab-{identity}"
    yield folder
    for version in folder.glob("v*"):
        unpin(version)
    remove(identity)
