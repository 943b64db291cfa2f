# SPDX-License-Identifier: Apache-2.0
"""Candidate, commits and history."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import urlencode

from snatsh.api.commits import CommitNumber, CommitResult, History, HistoryEntry, RescueSaved, Unscheduled
from snatsh.api.configuration import (
    CandidateConfiguration,
    DocumentAnswer,
    Edited,
    Editor,
    EditorList,
    EditPath,
    EnteredConfiguration,
    Statement,
    Updated,
    Values,
)
from snatsh.api.system import Empty
from snatsh.client.transport import Transport
from snatsh.model.document.types import Document

_COMMIT_SECONDS = 300.0


class ConfigurationCalls(Transport):
    """What configuration mode asks for."""

    def configuration(self) -> Document:
        return self.get("/v1/configuration", DocumentAnswer).document

    def candidate(self) -> CandidateConfiguration:
        return self.get("/v1/candidate", CandidateConfiguration)

    def names(self, path: Sequence[str]) -> list[str]:
        """For completion: what stands below a path of the candidate."""
        words = urlencode([("word", word) for word in path])
        return self.get(f"/v1/candidate/names?{words}", Values).values

    def edit(self, statements: Sequence[Statement]) -> bool:
        """Apply all statements to the candidate, or none. Whether it differs from running now."""
        body = {"statements": list(statements)}
        return self.ask("POST", "/v1/candidate/statements", Edited, body).changed

    def replace_candidate(self, document: Document) -> None:
        self.ask("PUT", "/v1/candidate", Edited, {"document": document})

    def merge_candidate(self, document: Document) -> None:
        self.ask("POST", "/v1/candidate/merge", Edited, {"document": document})

    def rollback(self, number: int | str = 0) -> None:
        """To a number, or to `rescue`."""
        self.ask("POST", "/v1/candidate/rollback", Edited, {"number": number})

    def update(self) -> list[str]:
        """Bring a private candidate up to date; return its changes that override the running ones."""
        return self.ask("POST", "/v1/candidate/update", Updated, {}).kept

    def commit(
        self,
        *,
        check: bool = False,
        comment: str | None = None,
        confirmed: int | None = None,
        at: str | None = None,
        and_confirm: bool = False,
    ) -> CommitResult:
        """confirmed: minutes within which another commit has to follow. at: a time for later.

        and_confirm: it may confirm the pending commit of another user; without, ConfirmsOthers.
        """
        body = {
            "check": check, "comment": comment, "confirmed": confirmed, "at": at, "and_confirm": and_confirm
        }  # fmt: skip
        return self.ask("POST", "/v1/commit", CommitResult, body, _COMMIT_SECONDS)

    def abort(self) -> None:
        """Roll back the commit that has to be confirmed."""
        self.ask("POST", "/v1/commit/abort", CommitNumber, {}, _COMMIT_SECONDS)

    def unschedule(self) -> Unscheduled:
        return self.ask("DELETE", "/v1/commit/scheduled", Unscheduled)

    def save_rescue(self) -> None:
        self.ask("PUT", "/v1/history/rescue", RescueSaved, {})

    def delete_rescue(self) -> None:
        self.ask("DELETE", "/v1/history/rescue", RescueSaved)

    def enter(self, mode: str, terminal: str) -> EnteredConfiguration:
        """Enter configuration mode: shared, private or exclusive."""
        return self.ask("POST", "/v1/sessions", EnteredConfiguration, {"mode": mode, "terminal": terminal})

    def move(self, path: Sequence[str]) -> None:
        """Say where in the configuration this console is."""
        self.ask("PUT", "/v1/sessions/path", EditPath, {"path": list(path)})

    def leave(self) -> None:
        self.ask("DELETE", "/v1/sessions", Empty)

    def sessions(self, *, own: bool = False) -> list[Editor]:
        """The other consoles in configuration mode. own: and this one."""
        editing = self.get("/v1/sessions", EditorList).sessions
        return [one for one in editing if own or one.pid != os.getpid()]

    def history(self) -> list[HistoryEntry]:
        return self.commits().entries

    def commits(self) -> History:
        """The history, and the commits that wait."""
        return self.get("/v1/history", History)

    def committed(self, number: int | str) -> Document:
        return self.get(f"/v1/history/{number}", DocumentAnswer).document
