# SPDX-License-Identifier: Apache-2.0
"""Every screen at two sizes, compared with the pictures of the documentation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.tui.pictures import FOLDER, SHOTS, content, shoot

FOUND = Path("build/pictures")


@pytest.mark.parametrize("name", SHOTS)
def test_screens_match_their_pictures(name: str) -> None:
    svg = asyncio.run(shoot(name))
    found, expected = content(svg), content((FOLDER / f"{name}.svg").read_text())
    assert len(expected) > 20
    if found != expected:
        FOUND.mkdir(parents=True, exist_ok=True)
        (FOUND / f"{name}.svg").write_text(svg)
        different = next(
            (pair for pair in zip(expected, found, strict=False) if pair[0] != pair[1]), "length"
        )
        pytest.fail(f"{name}: {different}; see build/pictures, and `make pictures` if it is meant to be so")
