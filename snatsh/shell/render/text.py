# SPDX-License-Identifier: Apache-2.0
"""Text for terminals: escaped control characters, aligned columns, number formats."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from snatsh.api.codec import builtins

# C0 and C1 controls, DEL, bidirectional controls and line separators: all can forge output.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_SHOWN = 5
_UNITS = ("", "K", "M", "G", "T", "P", "E")


def printable(text: str) -> str:
    r"""The text with control characters shown as \xNN; newlines and tabs stay."""
    return _UNSAFE.sub(_escape, text)


def printable_line(text: str) -> str:
    """Return the text on one line, with newlines and tabs escaped too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def json_text(data: object) -> str:
    """Return JSON in ASCII, which needs no further escapes."""
    return json.dumps(builtins(data), indent=2, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


def yaml_text(data: object) -> str:
    import yaml

    return str(yaml.safe_dump(builtins(data), sort_keys=False, allow_unicode=False, width=1000))


def first_few(numbers: Sequence[int]) -> str:
    """Return the first few numbers: `10, 20, 30 and 7 more`."""
    text = ", ".join(map(str, numbers[:_SHOWN]))
    return f"{text} and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else text


@dataclass(frozen=True, slots=True)
class Column:
    """title: heading. right: align right."""

    title: str
    right: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> str:
    """Render rows under headings, as wide as their content."""
    cells = [[column.title for column in columns]]
    cells += [["-" if cell is None else printable_line(str(cell)) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    return "".join(_row(row, columns, widths) for row in cells)


def _row(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    aligned = (
        f"{cell:>{width}}" if column.right else f"{cell:<{width}}"
        for cell, column, width in zip(row, columns, widths, strict=True)
    )
    return "  ".join(aligned).rstrip() + "\n"


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """Render `Name: value` lines with aligned values."""
    width = max(len(name) for name, _ in pairs) + 2
    return "".join(f"{name + ':':<{width}}{printable_line(str(value))}\n" for name, value in pairs)


def count(number: int) -> str:
    """Format with thousands separators."""
    return f"{number:,}"


def size(number: float) -> str:
    """Format bytes or packets in at most four characters: 999, 1.5K, 20M."""
    power = 0
    while number >= 999.5 and power < len(_UNITS) - 1:
        number /= 1000
        power += 1
    return f"{number:.1f}{_UNITS[power]}" if power and number < 9.95 else f"{number:.0f}{_UNITS[power]}"


def duration(seconds: float) -> str:
    """Format a duration: 45s, 12m03s, 3h05m, 2d04h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def plural(number: int, noun: str) -> str:
    """Format a count: 1 flow, 2 flows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
