# SPDX-License-Identifier: Apache-2.0
"""Compiled programs: instructions with the names of the maps they use, free of file descriptors."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

_INSTRUCTION = np.dtype([("code", "u1"), ("registers", "u1"), ("offset", "i2"), ("value", "i4")])
_LOAD_64, _FROM_MAP = 0x18, 1


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions as the kernel takes them. maps: by the number of the instruction that loads it."""

    instructions: bytes
    maps: dict[int, str]

    @classmethod
    def unlinked(cls, instructions: bytes, names: Mapping[int, str]) -> Program:
        """Take the file descriptors out. names: of the maps by descriptor."""
        code = np.frombuffer(instructions, dtype=_INSTRUCTION).copy()
        loads = np.flatnonzero((code["code"] == _LOAD_64) & (code["registers"] >> 4 == _FROM_MAP))
        maps = {int(at): names[int(code["value"][at])] for at in loads}
        code["value"][loads] = 0
        return cls(code.tobytes(), maps)

    def linked(self, descriptors: Mapping[str, int]) -> bytes:
        """Return the instructions with these maps' file descriptors."""
        code = np.frombuffer(self.instructions, dtype=_INSTRUCTION).copy()
        for at, name in self.maps.items():
            code["value"][at] = descriptors[name]
        return code.tobytes()


@dataclass(frozen=True, slots=True)
class PrivateMap:
    """A map that only programs use, in the words of bpf(2)."""

    kind: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """Everything that one compile yields."""

    programs: dict[str, Program]
    private_maps: dict[str, PrivateMap]

    def to_bytes(self) -> bytes:
        programs = {
            name: {"instructions": base64.b64encode(program.instructions).decode(), "maps": program.maps}
            for name, program in self.programs.items()
        }
        maps = {name: asdict(private) for name, private in self.private_maps.items()}
        return json.dumps({"programs": programs, "private_maps": maps}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ObjectCode:
        read = json.loads(data)
        programs = {
            name: Program(
                base64.b64decode(program["instructions"]),
                {int(at): used for at, used in program["maps"].items()},
            )
            for name, program in read["programs"].items()
        }
        return cls(programs, {name: PrivateMap(**known) for name, known in read["private_maps"].items()})
