# SPDX-License-Identifier: Apache-2.0
"""What C and Python share is asserted when the programs are compiled; here, that nothing is left out."""

from __future__ import annotations

import re

import numpy as np
import pytest

from snatsh.datapath import constants, flows, layout, maps
from snatsh.datapath.bcc.source import SOURCE_FOLDER, assemble, program_files
from snatsh.datapath.loading.loader import source_text
from snatsh.datapath.programs import PROGRAMS

SHARED_ENUMS = (
    "role", "action", "algorithm", "state", "timeout", "drop_reason", "pass_reason", "trace_kind",
    "xdp_tail_call", "tc_tail_call",
)  # fmt: skip
NOT_SHARED = {"ROLE_NONE", "TIMEOUT_COUNT"}
"""Members of them that mean nothing to user space."""

C_ONLY = {"TOUCH_TICKS", "MAX_RECENT", "BUCKET_TAGS", "FREE_PORTS"}
"""Numbers of types.h that no Python needs but as sizes of fields, which are asserted."""


def members(enum: str) -> set[str]:
    body = re.search(rf"enum {enum} \{{(.*?)\}}", assemble(program_files()), re.DOTALL)
    assert body, enum
    return set(re.findall(r"\b([A-Z][A-Z0-9_]+)\b", re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL)))


@pytest.mark.parametrize("enum", SHARED_ENUMS)
def test_shared_enums_are_asserted_in_full(enum: str) -> None:
    assert members(enum) - NOT_SHARED <= constants.shared().keys()


def test_shared_header_numbers_are_asserted() -> None:
    numbers = set(re.findall(r"#define ([A-Z_]+) \w+", (SOURCE_FOLDER / "types.h").read_text()))
    kernel_only = {name for name in numbers if name.startswith("SEEN_")}
    assert numbers - kernel_only - C_ONLY <= constants.shared().keys()


def test_assertions_are_part_of_the_compiled_source() -> None:
    text = source_text()
    for line in (*constants.assertions(), *layout.assertions(), *maps.assertions()):
        assert line in text


def test_record_fields_are_asserted() -> None:
    lines = "\n".join(layout.assertions())
    for name, twin in layout.TWINS.items():
        assert f"sizeof(struct {name}) == {twin.itemsize}" in lines
        for field in twin.names or ():
            assert f"offsetof(struct {name}, {field})" in lines


def test_shared_maps_are_declared_with_their_type() -> None:
    text = assemble(program_files())
    found = re.findall(r'^SHARED_MAP\("(\w+)", [^;]*?(\w+)\);', text, re.MULTILINE)
    declared = {name: kind for kind, name in found}
    for macro, kind in (("TRIE", "lpm_trie"), ("QUEUE", "queue"), ("DEVICES", "devmap_hash")):
        declared |= dict.fromkeys(re.findall(rf"^SHARED_{macro}\(.*?(\w+)\);", text, re.MULTILINE), kind)
    assert declared == {name: definition.kind for name, definition in maps.MAPS.items()}


def test_all_programs_of_the_source_are_loaded() -> None:
    text = assemble(program_files())
    found = re.findall(r"^int (\w+)\(struct (?:xdp_md|__sk_buff) \*", text, re.MULTILINE)
    assert sorted(found) == sorted(PROGRAMS)


def test_ticks_wrap_around() -> None:
    later = np.array([0xFFFFFFF0, 0x00000010], dtype=np.uint32)
    assert list(flows.elapsed(0x00000005, later)) == [21, -11]
