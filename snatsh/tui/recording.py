# SPDX-License-Identifier: Apache-2.0
"""Recording of the answers of snatd, and replay without snatd.

A recording holds JSON lines, compressed if its name ends in .gz: a head, then one line per answer with the
seconds since the start.
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
from typing import IO, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from msgspec import Raw

from snatsh import __version__
from snatsh.api.codec import Malformed, Model, decode
from snatsh.client import Client, ClientError, Refused, Rejected, ServerGone
from snatsh.model.errors import SnatshError
from snatsh.model.limits import load_json
from snatsh.tui.replayed import Query, again, subject

FORMAT = 1


class RecordingError(SnatshError):
    """The file cannot be written or is not a recording."""


class RecordedAnswer(Model, frozen=True):
    """A line of a recording: an answer, or why there was none. at: seconds since the start."""

    at: float
    path: str
    answer: Raw = Raw(b"")
    error: str | None = None
    gone: bool = False


def _open(path: Path, mode: Literal["r", "w"]) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt" if mode == "r" else "wt", encoding="utf-8")
    return path.open(mode, encoding="utf-8")


class RecordingClient(Client):
    """A client that also writes all answers to a file."""

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

    def send(self, method: str, path: str, body: object = None, timeout: float | None = None) -> bytes:
        try:
            answer = super().send(method, path, body, timeout)
        except ClientError as error:
            self._write(method, path, error=str(error), gone=isinstance(error, ServerGone))
            raise
        self._write(method, path, answer=json.loads(answer))
        return answer

    def _write(self, method: str, path: str, **what: object) -> None:
        if method != "GET":
            return
        with self._lock:  # screens query from threads
            if not self._file.closed:
                at = round(time.monotonic() - self._started, 3)
                self._file.write(json.dumps({"at": at, "path": path, **what}) + "\n")

    def close(self) -> None:
        with self._lock:
            self._file.close()


class ReplayClient(Client):
    """Answers from a recording, as of `clock` seconds, with the role view."""

    def __init__(self, file: Path, clock: Callable[[], float] | None = None) -> None:
        super().__init__("/nonexistent/replay")
        began = time.monotonic()
        self.clock = clock or (lambda: time.monotonic() - began)
        self._answers: dict[str, list[tuple[Query, RecordedAnswer]]] = {}
        self.length = 0.0
        self._read(file)

    def _read(self, file: Path) -> None:
        try:
            with _open(file, "r") as lines:
                head = load_json(next(lines))
                if head.get("recording") != FORMAT:
                    raise ValueError("expected a recording of `snatsh top --record`")
                with suppress(EOFError):  # a truncated recording is usable up to its end
                    for line in lines:
                        self._add(line)
        except OSError as error:
            raise RecordingError(f"{file}: {error.strerror}") from None
        except (ValueError, Malformed, AttributeError, StopIteration, EOFError) as error:
            raise RecordingError(f"{file}: not a recording, or damaged: {error}") from None

    def _add(self, line: str) -> None:
        entry = decode(line.encode(), RecordedAnswer)
        split = urlsplit(entry.path)
        self._answers.setdefault(split.path, []).append((dict(parse_qsl(split.query)), entry))
        self.length = entry.at

    def send(self, method: str, path: str, body: object = None, timeout: float | None = None) -> bytes:
        if method != "GET":
            raise Refused("replay: a recording cannot be changed")
        split = urlsplit(path)
        query = dict(parse_qsl(split.query))
        entry = self._entry(self._answers.get(split.path, []), query)
        if entry is None:
            raise Rejected(f"{split.path}: not in the recording")
        if entry.gone:
            raise ServerGone(entry.error or "")
        if entry.error is not None:
            raise Rejected(entry.error)
        answer = json.loads(bytes(entry.answer))
        if split.path == "/v1/version":
            answer["role"] = "view"
        return json.dumps(again(answer, query)).encode()

    def _entry(self, recorded: list[tuple[Query, RecordedAnswer]], query: Query) -> RecordedAnswer | None:
        """Return the newest answer so far, to the same query if there is one."""
        now = self.clock()
        same = [one for one in recorded if subject(one[0]) == subject(query)]
        if not same:
            same = [one for one in recorded if subject(one[0]).get("by") == query.get("by")]
            same = [one for one in same if len(subject(one[0])) <= 1] or same or recorded
        so_far = [entry for _, entry in same if entry.at <= now] or [entry for _, entry in same[:1]]
        return so_far[-1] if so_far else None
