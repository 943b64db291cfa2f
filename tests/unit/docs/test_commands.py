# SPDX-License-Identifier: Apache-2.0
"""Every command shown in the documentation is one that the shell accepts, or is shown with its error."""

from __future__ import annotations

import pytest

from snatsh.model.schema.tree import root
from snatsh.shell.core.grammar import CommandError, State, parse
from snatsh.shell.modes import MODES
from tests.unit.docs.markdown import Page, ShownCommand, pages

INCOMPLETE = "missing mandatory argument"


def grammar(edit: tuple[str, ...] | None) -> State:
    return MODES.operational.grammar(()) if edit is None else MODES.configuration.grammar(edit)


def error(command: ShownCommand) -> str:
    """Why the shell refuses the line; empty when it accepts it."""
    try:
        parse(command.line, grammar(command.edit), MODES.pipes)
    except CommandError as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.name)
def test_commands_in_transcripts_parse(page: Page) -> None:
    for command in page.commands():
        reason = error(command)
        assert not reason or reason in command.output, f"{command.line}: {reason}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.name)
def test_commands_and_statements_in_text_parse(page: Page) -> None:
    for code in page.code:
        if " " in code and "…" not in code and _is_command(code):
            reasons = [error(reading) for reading in _readings(code)]
            assert any(not reason or reason.startswith(INCOMPLETE) for reason in reasons), (code, reasons)


def _words(state: State) -> set[str]:
    return {choice.name for choice in state.keywords}


def _is_command(code: str) -> bool:
    first = code.split(maxsplit=1)[0]
    return first == "|" or first in _words(grammar(None)) | _words(grammar(())) | set(root().children)


def _readings(code: str) -> list[ShownCommand]:
    """In operational mode, in configuration mode, as a statement, and as a pipe behind a configuration."""
    if code.startswith("|"):
        return [ShownCommand(f"show {code}", ())]
    return [ShownCommand(code, None), ShownCommand(code, ()), ShownCommand(f"set {code}", ())]
