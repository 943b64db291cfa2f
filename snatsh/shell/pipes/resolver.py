# SPDX-License-Identifier: Apache-2.0
"""`| resolve`: host names for addresses, within a time limit."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable

_ADDRESS = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9./])")
_SECONDS = 3.0
_MOST = 200
_AT_ONCE = 16


def with_names(text: str) -> str:
    """Replace each address that has a name by it."""
    addresses = list(dict.fromkeys(_ADDRESS.findall(text)))[:_MOST]
    known = _names(addresses)
    return _ADDRESS.sub(lambda match: known.get(match[0], match[0]), text)


def _names(addresses: Iterable[str]) -> dict[str, str]:
    """Look up all addresses in parallel, without those that take too long."""
    known: dict[str, str] = {}
    waiting = iter(list(addresses))

    def ask() -> None:
        for address in waiting:
            try:
                known[address] = socket.gethostbyaddr(address)[0]
            except (OSError, UnicodeError):
                continue

    # Daemon threads: a resolver that never answers must not block the exit.
    threads = [threading.Thread(target=ask, daemon=True) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SECONDS / _AT_ONCE)
    return dict(known)
