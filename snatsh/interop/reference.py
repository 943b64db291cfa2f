# SPDX-License-Identifier: Apache-2.0
"""The table of dialects in docs/moving.md. `python -m snatsh.interop.reference FILE` renews it."""

from __future__ import annotations

import sys
from pathlib import Path

from snatsh.interop.dialects import DIALECTS

BEGIN = "<!-- dialects: written by `make docs` -->\n"
END = "<!-- end of dialects -->\n"


def table() -> str:
    rows = [f"| `{one.name}` | {one.paste} |\n" for one in sorted(DIALECTS, key=lambda one: one.name)]
    return "".join(["| dialect | what to paste |\n", "|---|---|\n", *rows])


def renewed(page: str) -> str:
    """The page with the table between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN.strip()} and {END.strip()}, each on its line")
    return f"{before}{begin}{table()}{end}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text()))
