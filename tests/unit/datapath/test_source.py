# SPDX-License-Identifier: Apache-2.0
"""How the C files become one text."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.datapath.bcc.source import SOURCE_FOLDER, assemble, program_files

HEADERS = sorted(path.name for path in SOURCE_FOLDER.glob("*.h"))


def test_headers_are_included_once_and_before_their_users(tmp_path: Path) -> None:
    (tmp_path / "a.h").write_text("int a;\n")
    (tmp_path / "b.h").write_text('#include "a.h"\nint b;\n')
    (tmp_path / "p.c").write_text('#include "b.h"\n#include "a.h"\nint p;\n')
    assert assemble(["p.c"], tmp_path).splitlines() == [
        '#line 1 "bpf/p.c"',
        '#line 1 "bpf/b.h"',
        '#line 1 "bpf/a.h"',
        "int a;",
        '#line 2 "bpf/b.h"',
        "int b;",
        '#line 2 "bpf/p.c"',
        '#line 3 "bpf/p.c"',
        "int p;",
    ]


def test_all_headers_are_used() -> None:
    text = assemble(program_files())
    assert [name for name in HEADERS if f'#line 1 "bpf/{name}"' not in text] == []


@pytest.mark.parametrize("name", HEADERS)
def test_include_guards_match_file_names(name: str) -> None:
    guard = f"SNATSH_{name.upper().replace('.', '_')}"
    text = (SOURCE_FOLDER / name).read_text()
    assert text.startswith("/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n")
    assert f"#ifndef {guard}\n#define {guard}\n" in text
    assert text.endswith("\n#endif\n")
