"""Words that only the box knows: names for completion, asked of snatd and kept for a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from snatsh.client import Client, ClientError
from snatsh.shell.files import shipped_profiles
from snatsh.shell.grammar import Source

_KEPT_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0


class Live:
    """A `Lookup` for completion: quick, cached, and silent when snatd does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = Client(client.path, timeout=_PATIENCE_SECONDS)
        self._kept: dict[Source, tuple[float, Any]] = {}

    def __call__(self, source: Source) -> Sequence[str]:
        kind, *path = source
        try:
            if kind == "candidate":
                document = self._keep(("candidate",), lambda: self._client.candidate()["document"])
                return _names(document, path)
            return list(self._keep(source, lambda: self._ask(path[0])))
        except ClientError:
            return ()

    def forget(self) -> None:
        """Ask again: something was changed from here."""
        self._kept.clear()

    def _ask(self, kind: str) -> Sequence[str]:
        if kind == "history":
            return [str(entry["number"]) for entry in self._client.history()]
        if kind == "profile":
            return sorted({*shipped_profiles(), *_saved_profiles(self._client)})
        if kind == "file":
            return [file["name"] for file in self._client.files()]
        return self._client.completions(kind)

    def _keep(self, source: Source, ask: Any) -> Any:
        now = time.monotonic()
        if source not in self._kept or now - self._kept[source][0] > _KEPT_SECONDS:
            self._kept[source] = (now, ask())
        return self._kept[source][1]


def _names(document: Any, path: Sequence[str]) -> list[str]:
    """What stands below a path of a document: keys of a list, values of a leaf."""
    for word in path:
        document = document.get(word) if isinstance(document, dict) else None
    if isinstance(document, dict):
        return sorted(document, key=lambda name: (int(name) if name.isdigit() else 0, name))
    if isinstance(document, list):
        return [str(value) for value in document]
    return [] if document is None else [str(document)]


def _saved_profiles(client: Client) -> list[str]:
    return [file["name"].removesuffix(".yaml") for file in client.files() if file["name"].endswith(".yaml")]
