# SPDX-License-Identifier: Apache-2.0
"""Rigs for the kernel tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from snatsh.datapath.loading.linker import unpin
from snatsh.lab.namespaces import PIN_FOLDER, new_identity, remove
from tests.kernel.rig import FLOWS, Rig, standing_rig

WAYS = ["xdp", "tc", "tc-egress"]
"""Out: XDP, TC at the ingress of the inside, TC at the egress of the outside."""
SMALL = 200


@pytest.fixture(scope="session")
def rigs() -> Iterator[Callable[[str, int], Rig]]:
    """Rigs by way out and room for flows, of which each is built once in a process.

    Building one takes longer than most tests. Its first commit, which loads programs of the hook, is made.
    """
    with ExitStack() as stack:

        @cache
        def built(way: str, flows: int) -> Rig:
            made = stack.enter_context(standing_rig(way, flows))
            with made.namespace.entered():
                made.commit({})
            return made

        yield built


@contextmanager
def entered(rig: Rig) -> Iterator[Rig]:
    """It forgets everything between modules."""
    with rig.namespace.entered():
        rig.datapath.watch_paths(0)
        yield rig
        rig.forget()


@pytest.fixture(scope="module", params=WAYS)
def loaded(request: pytest.FixtureRequest, rigs: Callable[[str, int], Rig]) -> Rig:
    """The rig of each way out."""
    return rigs(request.param, FLOWS)


@pytest.fixture(scope="module")
def gateway(loaded: Rig) -> Iterator[Rig]:
    """The rig entered."""
    with entered(loaded) as rig:
        yield rig


@pytest.fixture(scope="module", params=WAYS)
def small_rig(request: pytest.FixtureRequest, rigs: Callable[[str, int], Rig]) -> Iterator[Rig]:
    """The rig of each way out, entered, that has room for few flows."""
    with entered(rigs(request.param, SMALL)) as rig:
        yield rig


@pytest.fixture(scope="module")
def by_xdp(rigs: Callable[[str, int], Rig]) -> Iterator[Rig]:
    """The rig of XDP, entered, for what is the same for each hook."""
    with entered(rigs("xdp", FLOWS)) as rig:
        yield rig


@pytest.fixture
def pins() -> Iterator[Path]:
    """A folder for pins that does not exist yet."""
    identity = new_identity()
    folder = PIN_FOLDER / f"snatsh-lab-{identity}"
    yield folder
    for version in folder.glob("v*"):
        unpin(version)
    remove(identity)
