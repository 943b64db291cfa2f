# SPDX-License-Identifier: Apache-2.0
"""At the start, hold the history against the datapath that runs: it must have the commit that is in force.

Otherwise the state folder is not the one the datapath was configured from, and to start would replace the
running configuration by another, or by none.
"""

from __future__ import annotations

import logging
from pathlib import Path

from snatsh.datapath.loading import commit_mark, namespace_mark, pinned
from snatsh.datapath.loading.commit_mark import ANY, CommitMark
from snatsh.datapath.loading.pinned import Pinned
from snatsh.engine.config import history_entry
from snatsh.engine.config.history import Store, StoredEntry
from snatsh.engine.errors import StoreError

log = logging.getLogger(__name__)


class ForeignState(StoreError):
    """The datapath runs a configuration that the state folder does not have."""

    def __init__(self, found: Pinned, store: Store) -> None:
        entries = store.entries()
        has = f"whose newest is commit {entries[0]}" if entries else "which has no usable entry"
        commit = f"commit {found.mark.serial}" if found.mark and found.mark.serial else "that commit"
        super().__init__(
            "the datapath runs a configuration that is not in the history; nothing was changed and\n"
            "  traffic goes on\n"
            f"found: {found}\n"
            f"expected: {commit} in {store.folder}/history, {has}\n"
            "likely: a wrong --state or --pins, a file system that is not mounted, or a state folder that\n"
            "  was moved, or restored from a backup\n"
            "do: put the state folder in place and start again; or, to run what this state folder has\n"
            "  instead (without a history: --profile, or nothing), run `snatd --begin-anew` and start again"
        )


class HistoryGone(StoreError):
    """The state folder was in use, and its history is gone."""

    def __init__(self, store: Store, left: str) -> None:
        super().__init__(
            f"{store.folder}: there is {left}, but the history is gone; expected the commits in "
            f"{store.folder}/history; restore them, or move {store.folder} away to begin without"
        )


def require_history(store: Store, pins: Path) -> None:
    """Refuse to start over a datapath whose configuration this history does not have. Changes nothing."""
    if found := lacking(store.folder, pins):
        raise ForeignState(found, store)
    empty = not store.entries() and not store.damaged
    if empty and commit_mark.read(pins) != ANY and (left := store.left_over()):
        raise HistoryGone(store, left)


def lacking(folder: Path, pins: Path) -> Pinned | None:
    """Return what runs, if the history in a state folder does not have it. Changes nothing."""
    found = pinned.look(pins)
    return found if found.runs and not _has(folder / "history", found.mark) else None


def _has(history: Path, mark: CommitMark | None) -> bool:
    """Whether a history has a commit, be it damaged. 0.2.0 and older noted none: then any commit will do."""
    if mark is None:
        return any(history.glob("*.yaml"))
    if mark == ANY:
        return True
    try:
        return history_entry.read(history / history_entry.file_name(mark.serial)).digest == mark.digest
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True


def note(pins: Path, entry: StoredEntry) -> None:
    """Note with the pins which commit the datapath runs, and in which network namespace.

    A failure is logged: an older note still serves.
    """
    try:
        commit_mark.put(pins, CommitMark(entry.serial, entry.digest))
        namespace_mark.put(pins)
    except OSError as error:
        log.error("%s: cannot note that commit %d runs: %s", pins, entry.serial, error.strerror)


def begin_anew(pins: Path) -> bool:
    """Let the next start replace what runs, whatever its state folder has. Return whether anything runs."""
    runs = pinned.look(pins).runs
    if runs:
        try:
            commit_mark.put(pins, ANY)
        except OSError as error:
            raise StoreError(f"{pins}: {error.strerror}; expected a folder on a BPF file system") from None
    return runs
