# SPDX-License-Identifier: Apache-2.0
"""Folder markers and root checks."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scheduling import ByHook

NEEDS_ROOT = ("kernel", "e2e", "wheel", "chaos")
TESTS = Path(__file__).parent


def folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def pytest_configure() -> None:
    # A shell's background jobs ignore ^C, and so would the consoles that are started here and sent one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Compiled programs stay in the checkout, where `make clean` removes them.
    os.environ.setdefault("CACHE_DIRECTORY", str(TESTS.parent / "build" / "cache"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByHook:
    from tests.scheduling import ByHook

    return ByHook(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = os.geteuid() == 0
    for item in items:
        folder = folder_of(item)
        if folder not in NEEDS_ROOT:
            continue
        item.add_marker(getattr(pytest.mark, folder))
        if not root:
            item.add_marker(pytest.mark.skip(reason=f"{folder} tests need root"))
