# SPDX-License-Identifier: Apache-2.0
"""Reads the Markdown of the documentation: headings, links, code, and the commands shown in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[3]
GENERATED = frozenset({ROOT / "docs" / "cli.md"})

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`(?P<text>[^`\n]+)`")
_HEADING = re.compile(r"^(?P<level>#+) (?P<text>.+)$", re.MULTILINE)
_EDIT = re.compile(r"\[edit(?P<path>(?: \S+)*)\]")
_PROMPT = re.compile(r"\S+@\S+(?P<mode>[>#]) (?P<line>.+)")


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command line of a page.

    edit: the edit path, None in operational mode. output: what the page shows below the line.
    """

    line: str
    edit: tuple[str, ...] | None
    output: str = ""


@dataclass(frozen=True)
class Page:
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        return [block["text"] for block in _FENCE.finditer(self.text) if block["language"] == language]

    @property
    def links(self) -> list[str]:
        return [link["target"] for link in _LINK.finditer(self.prose)]

    @property
    def code(self) -> list[str]:
        """Inline code, with the escapes of tables removed."""
        return [code["text"].replace("\\|", "|") for code in _CODE.finditer(self.prose)]

    @property
    def headings(self) -> list[tuple[int, str]]:
        return [(len(heading["level"]), heading["text"]) for heading in _HEADING.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        return {anchor(text) for _, text in self.headings}

    def section(self, title: str) -> str:
        """The text below a heading, up to the next heading of its level or above."""
        found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", self.text, re.DOTALL | re.MULTILINE)
        assert found is not None, f"{self.path.name}: no section {title}"
        return found[2]

    def commands(self) -> Iterator[ShownCommand]:
        """Every command of console transcripts, and every line of blocks of set commands."""
        for block in self.blocks("console"):
            yield from _transcript(block)
        for block in self.blocks("set"):
            yield from (ShownCommand(line, ()) for line in block.splitlines() if line)


def pages() -> list[Page]:
    """Every page that is written by hand."""
    found = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    return [Page(path) for path in found if path not in GENERATED]


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.strip().replace(" ", "-")


def _transcript(block: str) -> Iterator[ShownCommand]:
    edit: tuple[str, ...] = ()
    command: ShownCommand | None = None
    output: list[str] = []
    for line in block.splitlines():
        banner, prompt = _EDIT.fullmatch(line), _PROMPT.fullmatch(line)
        if banner:
            edit = tuple(banner["path"].split())
        if not prompt:
            output.append(line)
            continue
        if command is not None:
            yield replace(command, output=_without_banner(output))
        command, output = ShownCommand(prompt["line"], edit if prompt["mode"] == "#" else None), []
    if command is not None:
        yield replace(command, output="\n".join(output))


def _without_banner(output: list[str]) -> str:
    """The banner above the next prompt is no output."""
    return "\n".join(output[:-1] if output and _EDIT.fullmatch(output[-1]) else output).rstrip()
