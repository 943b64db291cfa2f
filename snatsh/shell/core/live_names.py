# SPDX-License-Identifier: Apache-2.0
"""Names for completion from snatd, cached for a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from snatsh.api.commits import HistoryEntry
from snatsh.client import Client, ClientError
from snatsh.shell.core.complete import Suggestions
from snatsh.shell.core.config_files import shipped_profiles
from snatsh.shell.core.grammar import Source

_KEPT_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0


class LiveNames:
    """A `Lookup` with a short timeout and a cache; empty when snatd does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = Client(client.path, timeout=_PATIENCE_SECONDS)
        self._kept: dict[Source, tuple[float, Suggestions]] = {}

    def __call__(self, source: Source) -> Suggestions:
        kind, *path = source
        try:
            if kind == "candidate":
                return self._keep(source, lambda: self._client.names(path))
            return self._keep(source, lambda: self._ask(path[0]))
        except ClientError:
            return ()

    def forget(self) -> None:
        """Clear the cache."""
        self._kept.clear()

    def _ask(self, kind: str) -> Suggestions:
        if kind == "history":
            return {str(entry.number): _description(entry) for entry in self._client.history()}
        if kind == "profile":
            return sorted({*shipped_profiles(), *_saved_profiles(self._client)})
        if kind == "file":
            return [file.name for file in self._client.files()]
        return self._client.completions(kind)

    def _keep(self, source: Source, ask: Callable[[], Suggestions]) -> Suggestions:
        now = time.monotonic()
        if source not in self._kept or now - self._kept[source][0] > _KEPT_SECONDS:
            self._kept[source] = (now, ask())
        return self._kept[source][1]


def _description(entry: HistoryEntry) -> str:
    """Describe a commit as Junos does in `rollback ?`."""
    at = entry.time[:19].replace("T", " ")
    comment = f": {entry.comment}" if entry.comment else ""
    return f"{at} UTC by {entry.user} via {entry.method}{comment}"


def _saved_profiles(client: Client) -> list[str]:
    return [file.name.removesuffix(".yaml") for file in client.files() if file.name.endswith(".yaml")]
