# SPDX-License-Identifier: Apache-2.0
"""Candidate, commits and history."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlencode

from snatsh.client.rows import (
    Candidate,
    Commit,
    Document,
    EditSession,
    Entered,
    History,
    HistoryEntry,
    Scheduled,
    Statement,
)
from snatsh.client.transport import Transport

_COMMIT_SECONDS = 300.0


class ConfigurationCalls(Transport):
    """What configuration mode asks for."""

    def configuration(self) -> Document:
        return cast(Document, self.get("/v1/configuration", "document")["document"])

    def candidate(self) -> Candidate:
        return cast(Candidate, self.get("/v1/candidate", "document"))

    def names(self, path: Sequence[str]) -> list[str]:
        """For completion: what stands below a path of the candidate."""
        words = urlencode([("word", word) for word in path])
        return [str(value) for value in self.get(f"/v1/candidate/names?{words}", "values")["values"]]

    def edit(self, statements: Sequence[Statement]) -> bool:
        """Apply all statements to the candidate, or none. Whether it differs from running now."""
        body = {"statements": list(statements)}
        return bool(self.send("POST", "/v1/candidate/statements", body, "changed")["changed"])

    def replace_candidate(self, document: Document) -> None:
        self.send("PUT", "/v1/candidate", {"document": document})

    def merge_candidate(self, document: Document) -> None:
        self.send("POST", "/v1/candidate/merge", {"document": document})

    def rollback(self, number: int | str = 0) -> None:
        """To a number, or to `rescue`."""
        self.send("POST", "/v1/candidate/rollback", {"number": number})

    def update(self) -> list[str]:
        """Bring a private candidate up to date; its changes that win over what runs."""
        return [str(row) for row in self.send("POST", "/v1/candidate/update", {}, "kept")["kept"]]

    def commit(
        self,
        *,
        check: bool = False,
        comment: str | None = None,
        confirmed: int | None = None,
        at: str | None = None,
    ) -> Commit:
        """confirmed: minutes within which another commit has to follow. at: a time for later."""
        body = {"check": check, "comment": comment, "confirmed": confirmed, "at": at}
        answer = self.send("POST", "/v1/commit", body, "warnings", timeout=_COMMIT_SECONDS)
        return cast(Commit, answer)

    def abort(self) -> None:
        """End the commit that waits to be confirmed."""
        self.send("POST", "/v1/commit/abort", {}, timeout=_COMMIT_SECONDS)

    def unschedule(self) -> Scheduled:
        return cast(Scheduled, self.send("DELETE", "/v1/commit/scheduled", None, "at"))

    def save_rescue(self) -> None:
        self.send("PUT", "/v1/history/rescue", {})

    def delete_rescue(self) -> None:
        self.send("DELETE", "/v1/history/rescue")

    def enter(self, mode: str, terminal: str) -> Entered:
        """Enter configuration mode: shared, private or exclusive."""
        return cast(
            Entered, self.send("POST", "/v1/sessions", {"mode": mode, "terminal": terminal}, "others")
        )

    def move(self, path: Sequence[str]) -> None:
        """Say where in the configuration this console is."""
        self.send("PUT", "/v1/sessions/path", {"path": list(path)})

    def leave(self) -> None:
        self.send("DELETE", "/v1/sessions")

    def sessions(self, *, own: bool = False) -> list[EditSession]:
        """The other consoles in configuration mode. own: and this one."""
        editing = cast(list[EditSession], self.get("/v1/sessions", "sessions")["sessions"])
        return [one for one in editing if own or one["pid"] != os.getpid()]

    def history(self) -> list[HistoryEntry]:
        return self.commits()["entries"]

    def commits(self) -> History:
        """The history, and the commits that wait."""
        return cast(History, self.get("/v1/history", "entries"))

    def committed(self, number: int | str) -> Document:
        return cast(Document, self.get(f"/v1/history/{number}", "document")["document"])
