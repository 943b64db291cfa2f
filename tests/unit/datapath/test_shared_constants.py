# SPDX-License-Identifier: Apache-2.0
"""What is written twice, in C and in Python, says the same. Struct layouts are asserted at every load."""

from __future__ import annotations

import re

import numpy as np
import pytest

from snatsh.compile import image
from snatsh.datapath import flow_table, flows, layout, map_writer
from snatsh.datapath.loader import SOURCE_FOLDER, SOURCES
from snatsh.datapath.reasons import DROP_REASONS, HANDED_UP_REASONS


def enum(file: str, name: str) -> list[str]:
    """Members of a C enum, lower case, without their prefix and the closing _COUNT."""
    body = re.search(rf"enum {name} \{{(.*?)\}}", (SOURCE_FOLDER / file).read_text(), re.DOTALL)
    assert body
    members = re.findall(r"\b([A-Z][A-Z0-9_]+)\b", re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL))
    return [m.split("_", 1)[1].lower().replace("_", "-") for m in members if not m.endswith("_COUNT")]


def constant(file: str, name: str) -> int:
    found = re.search(rf"#define {name} (\d+)", (SOURCE_FOLDER / file).read_text())
    assert found
    return int(found[1])


def test_reasons() -> None:
    assert enum("counters.h", "drop_reason") == list(DROP_REASONS)
    assert enum("counters.h", "handup_reason") == list(HANDED_UP_REASONS)


def test_enumerations() -> None:
    assert enum("types.h", "state") == list(layout.STATE_NAMES)
    assert enum("types.h", "algorithm") == [a.name.lower().replace("_", "-") for a in image.Algorithm]
    assert enum("types.h", "action") == [a.name.lower() for a in image.Action]
    assert enum("types.h", "timeout") == [f.replace("_", "-") for f in image.Seconds.__dataclass_fields__]
    assert enum("types.h", "role")[1:] == list(map_writer.ROLES)


@pytest.mark.parametrize("name", ["MAX_TUPLES", "MAX_RULES", "MAX_POOLS", "MAX_RANGES", "MAX_INTERFACES"])
def test_bounds(name: str) -> None:
    assert constant("types.h", name) == getattr(image, name)


def test_other_constants() -> None:
    assert constant("sweep.c", "SWEEP_KEYS") == flow_table.SWEEP_KEYS
    assert 1 << constant("types.h", "TICK_SHIFT") == layout.TICK_NANOSECONDS
    assert {path.name for path in SOURCE_FOLDER.iterdir()} == set(SOURCES), "every part is loaded"


def test_every_field_is_asserted() -> None:
    lines = "\n".join(layout.assertions())
    for name, twin in layout.TWINS.items():
        assert f"sizeof(struct {name}) == {twin.itemsize}" in lines
        for field in twin.names or ():
            assert f"offsetof(struct {name}, {field})" in lines


def test_ticks_wrap_around() -> None:
    later = np.array([0xFFFFFFF0, 0x00000010], dtype=np.uint32)
    assert list(flows.elapsed(0x00000005, later)) == [21, -11]
