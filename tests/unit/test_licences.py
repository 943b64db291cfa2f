# SPDX-License-Identifier: Apache-2.0
"""Every source file states its licence in its first line."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LICENCES = {"snatsh": "Apache-2.0", "tests": "Apache-2.0", "bpf": "GPL-2.0-only OR BSD-2-Clause"}


@pytest.mark.parametrize("folder", LICENCES)
def test_every_source_file_has_an_spdx_line(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".c", ".h"}]
    assert files
    expected = f"SPDX-License-Identifier: {LICENCES[folder]}"
    unmarked = [
        path.relative_to(ROOT) for path in files if expected not in path.read_text().partition("\n")[0]
    ]
    assert not unmarked, f"expected {expected} in the first line"
