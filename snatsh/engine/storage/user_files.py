# SPDX-License-Identifier: Apache-2.0
"""Files that operators keep on the gateway, in one folder per user inside the state folder."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from snatsh.engine.errors import EngineError
from snatsh.engine.storage import atomic_file

FILE_LIMIT = 16 << 20
FILES = 200
TOTAL_LIMIT = 256 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class FileError(EngineError):
    """A file cannot be read or written."""


class NoSuchFile(FileError):
    def __init__(self, name: str, existing: list[str]) -> None:
        there = ", ".join(existing[:20]) or "none"
        super().__init__(f"{name}: No such file in your folder on the gateway; there are: {there}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    name: str
    size: int
    changed: datetime


class UserFolder:
    """The files of one user. No folders, no hidden files, no symbolic links."""

    def __init__(self, state: Path, user: str) -> None:
        self._path = state / "users" / _plain(user)

    def entries(self) -> list[FileEntry]:
        try:
            found = [(path, path.lstat()) for path in self._path.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(
            (
                FileEntry(path.name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
                for path, status in found
                if stat.S_ISREG(status.st_mode)
            ),
            key=lambda entry: entry.name,
        )

    def read(self, name: str) -> bytes:
        try:
            descriptor = os.open(self._file(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise NoSuchFile(name, [entry.name for entry in self.entries()]) from None
        except OSError as error:
            raise FileError(f"{name}: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileError(f"{name}: expected a regular file")
            content = file.read(FILE_LIMIT + 1)
        if len(content) > FILE_LIMIT:
            raise FileError(f"{name}: longer than {FILE_LIMIT >> 20} MiB")
        return content

    def write(self, name: str, content: bytes, *, append: bool = False) -> int:
        """Write or append. Return the new size of the file."""
        path = self._file(name)
        old = self.read(name) if append and path.exists() else b""
        content = old + content
        self._require_room(name, len(content))
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_file.replace(path, content, sync=False)
        except OSError as error:
            raise FileError(f"{name}: {error.strerror}") from None
        return len(content)

    def delete(self, name: str) -> None:
        try:
            self._file(name).unlink()
        except FileNotFoundError:
            raise NoSuchFile(name, [entry.name for entry in self.entries()]) from None
        except OSError as error:
            raise FileError(f"{name}: {error.strerror}") from None

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise FileError(
                f"{name!r}: expected the name of a file in your folder on the gateway, without any '/': "
                "up to 64 letters, digits, '.', '_' and '-'"
            )
        return self._path / name

    def _require_room(self, name: str, length: int) -> None:
        others = [entry for entry in self.entries() if entry.name != name]
        if length > FILE_LIMIT:
            raise FileError(f"{name}: longer than {FILE_LIMIT >> 20} MiB")
        if len(others) >= FILES:
            raise FileError(f"{name}: you have {FILES} files already; delete some with `file delete`")
        if sum(entry.size for entry in others) + length > TOTAL_LIMIT:
            raise FileError(f"{name}: your files would take more than {TOTAL_LIMIT >> 20} MiB")


def _plain(user: str) -> str:
    """Return a folder name that is unique for a user."""
    return user if _NAME.fullmatch(user) else "x-" + user.encode().hex()[:200]
