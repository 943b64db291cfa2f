# SPDX-License-Identifier: Apache-2.0
"""Compile with BCC, which needs a few headers in place of a kernel tree: no linux-headers package.

The datapath uses UAPI headers alone (Debian's linux-libc-dev); bpf/kernel/ holds what BCC itself includes.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Collection
from pathlib import Path

from snatsh.datapath.bcc import process as bcc_process
from snatsh.datapath.bcc.object_code import ObjectCode
from snatsh.datapath.bcc.source import SOURCE_FOLDER
from snatsh.datapath.errors import CompileError, LoadError
from snatsh.interpreter import run_module

KERNEL_FOLDER = SOURCE_FOLDER / "kernel"
_UAPI = Path("/usr/include/linux/bpf.h")


def kernel_environment() -> dict[str, str]:
    """Return the environment in which BCC takes bpf/kernel/ for the kernel's tree."""
    return {**os.environ, "BCC_KERNEL_SOURCE": str(KERNEL_FOLDER)}


def cflags() -> list[str]:
    """Return the compiler flags that go with it."""
    triplet = f"{platform.machine()}-linux-gnu"
    return [
        "-D__LINUX_BPF_H__",
        f"-I{KERNEL_FOLDER / 'include'}",
        "-I/usr/include",
        f"-I/usr/include/{triplet}",
        "-Wno-unused-value",
        "-Wno-address-of-packed-member",
    ]


def compile_source(
    text: str, flags: list[str], programs: Collection[str], shared_maps: Collection[str] = ()
) -> ObjectCode:
    """Compile these programs. shared_maps: those that user space makes. Raises LoadError."""
    if not _UAPI.exists():
        raise LoadError(f"{_UAPI} is missing; on Debian: apt-get install linux-libc-dev")
    request = {"text": text, "flags": [*cflags(), *flags], "programs": [*programs],
               "shared_maps": [*shared_maps]}  # fmt: skip
    ended = subprocess.run(
        run_module(bcc_process.__name__),
        input=json.dumps(request).encode(),
        capture_output=True,
        env=kernel_environment(),
        check=False,
    )
    if ended.returncode == 0:
        return ObjectCode.from_bytes(ended.stdout)
    said = ended.stderr.decode(errors="replace").strip()
    if ended.returncode == bcc_process.MISSING:
        raise LoadError(f"BCC can't be imported ({said}); on Debian: apt-get install python3-bpfcc")
    raise CompileError(said)
