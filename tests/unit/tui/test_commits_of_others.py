# SPDX-License-Identifier: Apache-2.0
"""The live view asks before a commit confirms that of another user."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from snatsh.api.commits import CommitResult
from snatsh.client import ConfirmsOthers
from snatsh.tui.recording import ReplayClient
from snatsh.tui.widgets.dialogs import Question
from tests.unit.tui.replay import RECORDING, Clock, playing


class PendingClient(ReplayClient):
    """A gateway where a commit by alice is pending."""

    asked: list[dict[str, Any]]

    def commit(self, **wish: Any) -> CommitResult:
        self.asked.append(wish)
        if not wish.get("and_confirm"):
            raise ConfirmsOthers("this commit would confirm the one by alice", status=428)
        return CommitResult(0, [], 0, 1.0, [], "")


@pytest.mark.parametrize("answer", ["y", "n", "enter"])
def test_commit_asks_whether_to_confirm_the_commit_of_another_user(answer: str) -> None:
    async def run() -> None:
        client = PendingClient(RECORDING, Clock())
        client.asked = []
        async with playing(mode="configuration", client=client) as player:
            await player.press("c")
            await player.type("more room")
            await player.press("enter")
            await player.until(lambda: isinstance(player.screen, Question))
            assert "this commit would confirm the one by alice" in player.screen.question
            await player.press(answer)
            await player.until(lambda: player.screen.NAME == "configuration")
            await player.settle()
            first = {"comment": "more room"}
            assert client.asked == [first, {**first, "and_confirm": True}][: 2 if answer == "y" else 1]
            assert ("commit complete" in player.output) == (answer == "y")

    asyncio.run(run())
