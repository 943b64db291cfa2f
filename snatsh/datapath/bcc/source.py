# SPDX-License-Identifier: Apache-2.0
"""The C source of the datapath as one text.

BCC rewrites map methods in the main text only, so headers are pasted where they are first included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from snatsh import resources

SOURCE_FOLDER = Path(str(resources.folder("bpf")))
_INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def program_files() -> list[str]:
    """Return the names of the files that hold programs, in a fixed order."""
    return sorted(path.name for path in SOURCE_FOLDER.glob("*.c"))


def assemble(names: Iterable[str], folder: Path = SOURCE_FOLDER) -> str:
    """Return these files as one text: each header once, with line markers for the compiler's errors."""
    pasted: set[str] = set()
    return "".join(_paste(folder, name, pasted) for name in names)


def _paste(folder: Path, name: str, pasted: set[str]) -> str:
    if name in pasted:
        return ""
    pasted.add(name)
    text = [f'#line 1 "bpf/{name}"\n']
    for number, line in enumerate((folder / name).read_text().splitlines(keepends=True), 1):
        included = _INCLUDE.match(line)
        if included is None:
            text.append(line)
        else:
            text += [_paste(folder, included[1], pasted), f'#line {number + 1} "bpf/{name}"\n']
    return "".join(text)
