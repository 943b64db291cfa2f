# SPDX-License-Identifier: Apache-2.0
"""Compile C with BCC, as a program: source on standard input, object code on standard output.

A separate process, because BCC changes the working directory, writes its errors to standard error and never
frees the compiler's memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

from snatsh.datapath import bpf_syscall
from snatsh.datapath.bcc.object_code import ObjectCode, PrivateMap, Program

MISSING = 3
"""Exit status when BCC can't be imported."""


def main() -> int:
    """Read a request of `toolchain.compile_source`; write the object code to where it was expected."""
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever BCC prints
    request = json.load(sys.stdin)
    try:
        from bcc import BPF
    except ImportError as error:
        print(error, file=sys.stderr)
        return MISSING
    try:
        bpf = BPF(text=request["text"].encode(), cflags=request["flags"])
        code = _object_code(bpf, request["programs"], frozenset(request["shared_maps"]))
    except Exception as error:  # BCC raises Exception itself
        print(error, file=sys.stderr)
        return 1
    with os.fdopen(answer, "wb") as output:
        output.write(code.to_bytes())
    return 0


def _object_code(bpf: Any, programs: list[str], shared: frozenset[str]) -> ObjectCode:
    descriptors = _maps(bpf)
    names = {fd: name for name, fd in descriptors.items()}
    private = {}
    for name, fd in descriptors.items():
        if name not in shared:
            info = bpf_syscall.map_info(fd)
            private[name] = PrivateMap(
                info.kind, info.key_size, info.value_size, info.max_entries, info.flags
            )
    return ObjectCode(
        {name: Program.unlinked(bpf.dump_func(name.encode()), names) for name in programs}, private
    )


def _maps(bpf: Any) -> dict[str, int]:
    """File descriptors of the maps that BCC made, by name."""
    from bcc import lib

    for function, result in ((lib.bpf_table_name, ctypes.c_char_p), (lib.bpf_table_fd_id, ctypes.c_int)):
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_size_t], result
    lib.bpf_num_tables.argtypes, lib.bpf_num_tables.restype = [ctypes.c_void_p], ctypes.c_size_t
    return {
        lib.bpf_table_name(bpf.module, number).decode(): lib.bpf_table_fd_id(bpf.module, number)
        for number in range(lib.bpf_num_tables(bpf.module))
    }


if __name__ == "__main__":
    sys.exit(main())
