# SPDX-License-Identifier: Apache-2.0
"""Tables as files: CSV or JSON, in the operator's own folder on the gateway, as `| save` does it."""

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
    """The table can't be written so."""


async def all_rows(part: Callable[[Client, int, int], Any] | None, shown: Any, client: Client) -> list[Any]:
    """Every row that matches, page by page, up to a limit. part: None for what is frozen."""
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
    """The size of the file."""
    if name.endswith(".json"):
        text = json.dumps(builtins(rows), indent=1) + "\n"
    elif name.endswith(".csv"):
        text = csv_text(builtins(rows))
    else:
        raise ExportError(f"{name}: expected a name that ends in .csv or .json")
    return await asyncio.to_thread(client.write_file, name, text)


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Columns in the order of the first row; what begins like a formula is kept from being one."""
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
