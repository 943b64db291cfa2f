# SPDX-License-Identifier: Apache-2.0
"""A session's data: recorded as snatd answered it, and played again without any snatd.

A recording is JSON lines, gzipped when its name says so: a head, then a line per answer with the seconds
since the start.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast
from urllib.parse import parse_qsl, urlsplit

from snatsh import __version__
from snatsh.client import Client, ClientError, Refused, Rejected, ServerGone
from snatsh.model.errors import SnatshError
from snatsh.model.limits import load_json
from snatsh.tui.replayed import again, subject

FORMAT = 1


class RecordingError(SnatshError):
    """The file can't be written or is no recording."""


def _open(path: Path, mode: str) -> IO[str]:
    kind: Any = gzip.open if path.suffix == ".gz" else open
    return cast(IO[str], kind(path, f"{mode}t", encoding="utf-8"))


class RecordingClient(Client):
    """As any client, and all answers to questions go to a file as well."""

    def __init__(self, path: Path | str | None, file: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self._started = time.monotonic()
        self._lock = Lock()
        try:
            self._file = _open(file, "w")
        except OSError as error:
            raise RecordingError(f"{file}: {error.strerror}") from None
        head = {"snatsh": __version__, "recording": FORMAT, "started": datetime.now(UTC).isoformat()}
        self._file.write(json.dumps(head) + "\n")

    def send(self, method: str, path: str, body: object = None, key: str | None = None,
             timeout: float | None = None) -> dict[str, Any]:  # fmt: skip
        try:
            answer = super().send(method, path, body, key, timeout)
        except ClientError as error:
            self._write(method, path, {"error": str(error), "gone": isinstance(error, ServerGone)})
            raise
        self._write(method, path, {"answer": answer})
        return answer

    def _write(self, method: str, path: str, what: dict[str, Any]) -> None:
        if method != "GET":
            return
        with self._lock:  # screens ask from threads
            if not self._file.closed:
                at = round(time.monotonic() - self._started, 3)
                self._file.write(json.dumps({"at": at, "path": path, **what}) + "\n")

    def close(self) -> None:
        with self._lock:
            self._file.close()


class ReplayClient(Client):
    """Answers as a recording has them at `clock` seconds, the role of the reader being to look."""

    def __init__(self, file: Path, clock: Callable[[], float] | None = None) -> None:
        super().__init__("/nonexistent/replay")
        began = time.monotonic()
        self.clock = clock or (lambda: time.monotonic() - began)
        self._answers: dict[str, list[tuple[float, dict[str, Any], dict[str, Any]]]] = {}
        self.length = 0.0
        self._read(file)

    def _read(self, file: Path) -> None:
        try:
            with _open(file, "r") as lines:
                head = load_json(next(lines))
                if head.get("recording") != FORMAT:
                    raise ValueError("expected a recording of `snatsh top --record`")
                with suppress(EOFError):  # one that was cut short is good as far as it goes
                    for line in lines:
                        self._add(load_json(line))
        except OSError as error:
            raise RecordingError(f"{file}: {error.strerror}") from None
        except (ValueError, KeyError, AttributeError, StopIteration, EOFError) as error:
            raise RecordingError(f"{file}: not a recording, or damaged: {error}") from None

    def _add(self, entry: dict[str, Any]) -> None:
        split = urlsplit(entry["path"])
        row = (float(entry["at"]), dict(parse_qsl(split.query)), entry)
        self._answers.setdefault(split.path, []).append(row)
        self.length = row[0]

    def send(self, method: str, path: str, body: object = None, key: str | None = None,
             timeout: float | None = None) -> dict[str, Any]:  # fmt: skip
        if method != "GET":
            raise Refused("this is a recording: nothing can be changed in it")
        split = urlsplit(path)
        query = dict(parse_qsl(split.query))
        entry = self._entry(self._answers.get(split.path, []), query)
        if entry is None:
            raise Rejected(f"{split.path} is not in the recording")
        if entry.get("gone"):
            raise ServerGone(str(entry["error"]))
        if "error" in entry:
            raise Rejected(str(entry["error"]))
        answer: dict[str, Any] = json.loads(json.dumps(entry["answer"]))
        if split.path == "/v1/version":
            answer["role"] = "view"
        return again(answer, query)

    def _entry(
        self, rows: list[tuple[float, dict[str, Any], dict[str, Any]]], query: dict[str, str]
    ) -> dict[str, Any] | None:
        """The newest answer so far, to the same question where there is one."""
        now = self.clock()
        same = [row for row in rows if subject(row[1]) == subject(query)]
        if not same:
            same = [row for row in rows if subject(row[1]).get("by") == query.get("by")]
            same = [row for row in same if len(subject(row[1])) <= 1] or same or rows
        so_far = [row for row in same if row[0] <= now] or same[:1]
        return so_far[-1][2] if so_far else None
