# SPDX-License-Identifier: Apache-2.0
"""Marks on statements: inactive, protected, annotated.

They are part of the document, under `marks`, keyed by the words of the statement. Comparison, merge and
history therefore include them. The forms show them at their statement, as Junos does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from snatsh.model.document.types import Document
from snatsh.model.errors import FormError, Path, StatementError
from snatsh.model.schema.schema_path import refuse, resolve, shown
from snatsh.model.schema.tokenizer import in_quotes, quote, split

MARKS = "marks"
VERBS = ("deactivate", "activate", "protect", "unprotect", "annotate")

_FLAGS = {"deactivate": "inactive", "activate": "inactive", "protect": "protect", "unprotect": "protect"}
VERB_OF = {"inactive": "deactivate", "active": "activate", "protect": "protect", "unprotect": "unprotect",
           "annotate": "annotate"}  # fmt: skip
"""The verb for each change that a comparison reports."""

_SET = {"inactive": ("active", "inactive"), "protect": ("unprotect", "protect")}
"""By flag, the change that a comparison reports for its removal and for its addition."""

Mark = Mapping[str, str]
Marks = Mapping[Path, Mark]
NONE: Marks = {}


def key(path: Sequence[str]) -> str:
    """The name of the mark of a statement."""
    return " ".join(map(quote, path))


def path_of(name: str) -> Path:
    """The statement that a mark belongs to. StatementError when no such statement can exist."""
    try:
        words = tuple(word.text for word in split(name))
    except FormError as error:
        raise refuse((MARKS, name), 1, str(error)) from None
    schema_path = resolve(words)
    if schema_path.values or not schema_path.path or schema_path.path[0] == MARKS:
        raise refuse(words, len(words), f"{shown(name)}: expected a statement without its value")
    return schema_path.path


def of(document: Mapping[str, Any], under: Path = ()) -> dict[Path, Mark]:
    """The marks of a document at and below a path."""
    found = {path_of(name): mark for name, mark in document.get(MARKS, {}).items()}
    return {path: mark for path, mark in found.items() if path[: len(under)] == under}


def translated(verb: str, tokens: Sequence[str]) -> tuple[Literal["set", "delete"], Path]:
    """A marking statement as one that sets or deletes a mark; `set` and `delete` unchanged."""
    if verb == "set":
        return "set", tuple(tokens)
    if verb == "delete":
        return "delete", tuple(tokens)
    if verb == "annotate":
        *words, comment = tokens or ("",)
        name = key(words)
        return ("set", (MARKS, name, "comment", comment)) if comment else ("delete", (MARKS, name, "comment"))
    done: Literal["set", "delete"] = "set" if verb in ("deactivate", "protect") else "delete"
    path = (MARKS, key(tokens), _FLAGS[verb])
    return done, (*path, "yes") if done == "set" else path


def spoken(verb: str, path: Path) -> str:
    """A change of a mark as the statement that an operator types."""
    _, name, flag, *value = path
    if flag == "comment":
        # Names have no blanks, and a quoted word would be read as the comment.
        return f"annotate {' '.join(path_of(name))} {in_quotes(value[0] if value else '')}"
    words = {"inactive": ("deactivate", "activate"), "protect": ("protect", "unprotect")}[flag]
    return f"{words[verb == 'delete']} {name}"


def statements(marks: Marks) -> Iterator[str]:
    """The statements that set these marks."""
    for path, mark in sorted(marks.items()):
        for flag, value in mark.items():
            yield spoken("set", (MARKS, key(path), flag, value))


def active(document: Mapping[str, Any]) -> Document:
    """The document without marks and inactive statements."""
    result = {name: held for name, held in document.items() if name != MARKS}
    for path, mark in of(document).items():
        if "inactive" in mark:
            keys = resolve(path).keys
            result = _without(result, path, frozenset(len(path) - 1 - at for at in keys))
    return result


def _without(held: Document, path: Path, keys: frozenset[int]) -> Document:
    """Remove a path. keys: positions, from its end, of list entries, which stay when empty."""
    name, *rest = path
    if name not in held:
        return held
    inner = _without(held[name], tuple(rest), keys) if rest else None
    if inner or (inner is not None and len(rest) in keys):
        return {**held, name: inner}
    return {other: value for other, value in held.items() if other != name}


def tidy(document: Document) -> Document:
    """The document without marks of statements that it does not have, and without empty annotations."""
    if MARKS not in document:
        return document
    given = {
        name: {flag: value for flag, value in mark.items() if value} for name, mark in document[MARKS].items()
    }
    kept = {name: mark for name, mark in given.items() if mark and _has(document, path_of(name))}
    if kept == document[MARKS] and kept:
        return document
    rest = {name: held for name, held in document.items() if name != MARKS}
    return {**rest, MARKS: kept} if kept else rest


def _has(document: Mapping[str, Any], path: Path) -> bool:
    held: Any = document
    for word in path:
        if not isinstance(held, dict) or word not in held:
            return False
        held = held[word]
    return True


def require(document: Mapping[str, Any], name: str) -> None:
    """Refuse to mark a statement that does not exist."""
    path = path_of(name)
    if not _has(document, path):
        raise refuse(path, len(path) - 1, "not found")


def moved(document: Mapping[str, Any], old: Path, new: Path) -> dict[str, Mark]:
    """The marks, with those at and below `old` copied to `new`."""
    found = dict(document.get(MARKS, {}))
    for path, mark in of(document, old).items():
        found[key((*new, *path[len(old) :]))] = mark
    return found


def protector(document: Mapping[str, Any], path: Path, *, deletes: bool) -> Path | None:
    """The protected statement that a change of `path` affects. A mark counts as its statement."""
    if path[:1] == (MARKS,):
        if len(path) < 3 or path[2] == "protect":
            return None
        path = path_of(path[1])
    for protected, mark in of(document).items():
        if "protect" in mark and (
            path[: len(protected)] == protected or (deletes and protected[: len(path)] == path)
        ):
            return protected
    return None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """The changed marks: path of the statement, change (`inactive`, `annotate`, …) and comment."""
    before, after = of(old), of(new)
    for path in sorted({*before, *after}):
        was, now = before.get(path, {}), after.get(path, {})
        for flag, words in _SET.items():
            if (flag in was) != (flag in now) and _has(new, path):
                yield path, words[flag in now], ""
        if was.get("comment") != now.get("comment") and _has(new, path):
            yield path, "annotate", now.get("comment", "")


__all__ = [
    "MARKS",
    "NONE",
    "VERBS",
    "VERB_OF",
    "Marks",
    "StatementError",
    "active",
    "differences",
    "key",
    "moved",
    "of",
    "path_of",
    "protector",
    "require",
    "spoken",
    "statements",
    "tidy",
    "translated",
]
