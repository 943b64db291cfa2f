# SPDX-License-Identifier: Apache-2.0
"""The running configuration, candidates, and consoles that edit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from snatsh.api.codec import Model
from snatsh.model.document.types import Document

EditMode = Literal["shared", "private", "exclusive"]


class Statement(Model, frozen=True):
    verb: Literal["set", "delete"]
    path: Sequence[str]


class RunningConfiguration(Model, frozen=True):
    document: Document
    number: int


class DocumentAnswer(Model, frozen=True):
    document: Document


class CandidateConfiguration(Model, frozen=True):
    """changed: whether it differs from the running configuration."""

    document: Document
    changed: bool


class Edited(Model, frozen=True):
    """changed: whether the candidate differs from the running configuration now."""

    changed: bool


class Updated(Model, frozen=True):
    """kept: changes of the candidate that win over the running configuration."""

    kept: list[str]


class Values(Model, frozen=True):
    """Words for completion."""

    values: list[str]


class Editor(Model, frozen=True):
    """A console in configuration mode. idle: seconds. text: the same as a sentence."""

    user: str
    terminal: str
    pid: int
    mode: EditMode
    started: str
    idle: int
    path: list[str]
    text: str


class EditorList(Model, frozen=True):
    sessions: list[Editor]


class EnteredConfiguration(Model, frozen=True):
    """changed: whether the candidate has uncommitted changes. others: consoles that edit, too."""

    changed: bool
    others: list[Editor]


class EditPath(Model, frozen=True):
    path: list[str]
