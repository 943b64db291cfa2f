# SPDX-License-Identifier: Apache-2.0
"""Curly text as a change: with `replace:` and `delete:`, or as `show | compare` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from snatsh.model.changes.diff import Change
from snatsh.model.document.document import Document, Draft, get
from snatsh.model.document.marks import VERB_OF, translated
from snatsh.model.errors import FormError, Path
from snatsh.model.forms.curly_parser import CurlyStatement, statements
from snatsh.model.forms.curly_reader import flags_and_words
from snatsh.model.limits import accept
from snatsh.model.schema.schema_path import resolve
from snatsh.model.schema.tokenizer import split

_REPLACE, _DELETE = "replace:", "delete:"
_MARKING = re.compile(r"!\s+(?P<verb>[a-z]+):\s+(?P<words>.*?)(;|\{ \.\.\. \})")
_HEADER = re.compile(r"\[edit(?P<path>.*)\]\s*")


def replace(document: Document, text: str, under: Path = ()) -> Document:
    """The document with a text merged; parts marked `replace:` are deleted first."""
    draft = Draft(document)
    for change in _marked(statements(text), under):
        _carry_out(draft, document, change)
    return draft.finish()


def patch(document: Document, text: str, under: Path = ()) -> Document:
    """The document after the changes in a text. StatementError when a deleted part does not exist."""
    draft = Draft(document)
    sections = list(_sections(text, under))
    for section in sections:
        for statement in statements(section.removed):
            draft.delete((*section.path, *statement.words))
    for section in sections:
        for change in (*_marked(statements(section.added), section.path), *section.marked):
            (draft.set if change.verb == "set" else draft.delete)(change.path)
    return draft.finish()


def _carry_out(draft: Draft, document: Document, change: Change) -> None:
    if change.verb == "set":
        draft.set(change.path)
    elif get(document, change.path) is not None:
        draft.delete(change.path)


def _marked(found: Sequence[CurlyStatement], path: Path) -> Iterator[Change]:
    """Each statement as a change, a deletion before its replacement."""
    for statement in found:
        flags, words = flags_and_words(statement.words)
        if words[0] in (_REPLACE, _DELETE):
            words = words[1:]
            yield Change("delete", (*path, *(words if statement.block is not None else words[:1])))
            if statement.words[0] == _DELETE:
                continue
        if not statement.block:
            yield Change("set", (*path, *words))
        else:
            yield from _marked(statement.block, (*path, *words))
        for flag in flags:
            yield Change(*translated(flag, resolve((*path, *words)).path))


def _marking(path: Path, found: re.Match[str], number: int) -> Change:
    name, *comment = (word.text for word in split(found["words"], number))
    if found["verb"] == "annotate":
        return Change(*translated("annotate", (*path, name, "".join(comment))))
    return Change(*translated(VERB_OF[found["verb"]], (*path, name)))


@dataclass
class _Section:
    path: Path
    removed: str = ""
    added: str = ""
    marked: list[Change] = field(default_factory=list)


def _sections(text: str, under: Path) -> Iterator[_Section]:
    section: _Section | None = None
    for number, line in enumerate(accept(text).splitlines(), 1):
        if header := _HEADER.fullmatch(line.strip()):
            if section is not None:
                yield section
            section = _Section((*under, *(word.text for word in split(header["path"], number))))
        elif marking := _MARKING.fullmatch(line.strip()):
            section = section or _Section(under)
            section.marked.append(_marking(section.path, marking, number))
        elif line[:1] in "+-" and line.strip():
            section = section or _Section(under)
            if line[0] == "+":
                section.added += line[1:] + "\n"
            else:
                section.removed += line[1:] + "\n"
        elif line.strip() and not line.startswith("  "):
            raise FormError("expected [edit …], or a line that begins with +, - or !", number, 1)
    if section is not None:
        yield section
