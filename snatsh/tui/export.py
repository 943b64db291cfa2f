# SPDX-License-Identifier: Apache-2.0
"""Export of tables as CSV or JSON to the user's folder on the gateway, like `| save`."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from snatsh.api.codec import builtins
from snatsh.client import Client
from snatsh.model.errors import SnatshError

MOST_ROWS = 100_000
_PAGE = 1000


class ExportError(SnatshError):
    """The table cannot be exported."""


async def all_rows(part: Callable[[Client, int, int], Any] | None, shown: Any, client: Client) -> list[Any]:
    """Return all rows that match, up to a limit. part: None for a frozen table."""
    if part is None:
        return list(shown.rows)
    rows: list[Any] = []
    while len(rows) < MOST_ROWS:
        page = await asyncio.to_thread(part, client, len(rows), _PAGE)
        rows += page.rows
        if not page.rows or len(rows) >= page.total:
            break
    return rows


async def write(client: Client, name: str, rows: Sequence[object]) -> int:
    """Write the rows to a file and return its size."""
    if name.endswith(".json"):
        text = json.dumps(builtins(rows), indent=1) + "\n"
    elif name.endswith(".csv"):
        text = csv_text(builtins(rows))
    else:
        raise ExportError(f"{name}: expected a name ending in .csv or .json")
    return await asyncio.to_thread(client.write_file, name, text)


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV, columns as in the first row. Cells that look like formulas are escaped."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return value
