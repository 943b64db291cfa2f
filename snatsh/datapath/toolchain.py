# SPDX-License-Identifier: Apache-2.0
"""How BCC compiles here: a stub kernel tree, so that no linux-headers package is needed.

The datapath uses nothing but UAPI headers (Debian's linux-libc-dev). BCC insists on kernel headers; a
handful of its includes are enough for it, on any kernel.
"""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import tempfile
from pathlib import Path

_STUBS = {
    "include/linux/kconfig.h": "#define CONFIG_BPF_SYSCALL 1\n#define CONFIG_64BIT 1\n",
    "include/linux/version.h": "#include <uapi/linux/version.h>\n",
    "include/linux/log2.h": """#pragma once
#include <uapi/linux/types.h>
typedef __u8 u8; typedef __s8 s8; typedef __u16 u16; typedef __s16 s16;
typedef __u32 u32; typedef __s32 s32; typedef __u64 u64; typedef __s64 s64;
typedef _Bool bool; typedef unsigned long size_t; typedef unsigned long uintptr_t;
#define true 1
#define false 0
""",
    "include/asm/page.h": "#define PAGE_SIZE 4096\n",
}


def kernel_stub() -> Path:
    """Make the stub tree in a temporary folder, removed when the process ends, and point BCC at it."""
    root = Path(tempfile.mkdtemp(prefix="snatsh-bcc-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name, text in _STUBS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "uapi-root").mkdir()
    (root / "uapi-root" / "uapi").symlink_to("/usr/include")
    os.environ["BCC_KERNEL_SOURCE"] = str(root)
    return root


def cflags(stub: Path) -> list[str]:
    """Compiler flags that go with `stub`."""
    triplet = f"{platform.machine()}-linux-gnu"
    return [
        "-D__LINUX_BPF_H__",
        f"-I{stub / 'uapi-root'}",
        "-I/usr/include",
        f"-I/usr/include/{triplet}",
        "-Wno-unused-value",
        "-Wno-address-of-packed-member",
    ]
