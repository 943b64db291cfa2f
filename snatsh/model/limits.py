# SPDX-License-Identifier: Apache-2.0
"""Limits on text from outside. They apply before a parser library's, whatever its version."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

from snatsh.model.errors import FormError

MAX_TEXT = 16 * 1024 * 1024
"""A text of more characters is no profile; it is refused before it is read."""

MAX_DEPTH = 32
"""Deeper than any profile, request, record or ruleset; text nested more is not read."""

TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"

BYTE_ORDER_MARK = "\ufeff"
"""Some editors begin a file with it."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rf"{_STRING.pattern}|(?P<open>[\[{{])|(?P<close>[\]}}])", re.DOTALL)


def accept(text: str) -> str:
    """Return a text without its byte order mark. One that is too long to be a profile is refused."""
    if len(text) > MAX_TEXT:
        raise FormError(f"the text has {len(text):,} characters; expected at most {MAX_TEXT:,}")
    return text.removeprefix(BYTE_ORDER_MARK)


def check_json_depth(text: str) -> None:
    """Refuse JSON that is nested too deep. JSONDecodeError names the place."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    # Token by token: one search of the whole text would keep all other threads from running.
    for found in _BRACKET.finditer(text):
        if found.lastgroup == "open":
            depth += 1
            if depth > MAX_DEPTH:
                raise json.JSONDecodeError(TOO_DEEP, text, found.start())
        elif found.lastgroup == "close":
            depth -= 1


def load_json(text: str | bytes) -> Any:
    """Parse JSON within the depth limit, with finite numbers. ValueError says what is wrong with it."""
    text = (text if isinstance(text, str) else text.decode()).removeprefix(BYTE_ORDER_MARK)
    check_json_depth(text)
    return json.loads(text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_unique)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise ValueError(f"an object has the key {json.dumps(twice[:80])} twice")
    return found
