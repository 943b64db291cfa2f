# SPDX-License-Identifier: Apache-2.0
"""The version of the layout follows from the maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snatsh.datapath import layout, maps
from snatsh.datapath.maps import MAPS, TableSize


def fragment(*fields: tuple[str, str]) -> np.dtype[Any]:
    return np.dtype(list(fields))


CHANGES: dict[str, dict[str, Any]] = {
    "another kind": {"kind": "array"},
    "another key": {"key": layout.ENDPOINT_KEY},
    "another value": {"value": layout.COUNT},
    "other entries": {"entries": 7},
    "as many entries as flows": {"entries": "flows"},
    "other flags": {"flags": maps.NO_PREALLOC},
    "a field of another name": {"value": fragment(("address", ">u4"), ("redirect", ">u4"), ("until", "u4"))},
    "a field of another type": {"value": fragment(("address", "u4"), ("redirect", ">u4"), ("expires", "u4"))},
    "fields in another order": {
        "value": fragment(("redirect", ">u4"), ("address", ">u4"), ("expires", "u4"))
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changing_a_map_changes_the_layout_version(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(maps.MAPS, "fragments", replace(MAPS["fragments"], **change))
    assert maps._layout_version() != maps.LAYOUT_VERSION


def test_adding_removing_or_renaming_a_map_changes_the_layout_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(maps.MAPS, "more", MAPS["fragments"])
    more = maps._layout_version()
    monkeypatch.delitem(maps.MAPS, "fragments")
    assert len({maps.LAYOUT_VERSION, more, maps._layout_version()}) == 3


def test_map_order_and_table_size_do_not_change_the_layout_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "MAPS", dict(reversed(MAPS.items())))
    assert maps._layout_version() == maps.LAYOUT_VERSION
    assert {MAPS["records"].max_entries(TableSize(flows)) for flows in (64, 4096)} == {64, 4096}
