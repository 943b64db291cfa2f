# SPDX-License-Identifier: Apache-2.0
"""Compiled programs kept in a folder, so that a start after a reboot compiles nothing.

What lies there is loaded into the kernel, so the folder must belong to this user and be closed to all others.
An entry begins with a hash over its key and content; one that does not match is compiled again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from snatsh.datapath.bcc.object_code import ObjectCode

log = logging.getLogger(__name__)

DEFAULT_FOLDER = Path("/var/cache/snatsh")
KEPT = 16
"""Entries: one for each source text, room for flows and kernel in turn."""

_MODE = 0o700


def default_folder() -> Path:
    """Return the folder that systemd names, or the usual one."""
    return Path(os.environ.get("CACHE_DIRECTORY") or DEFAULT_FOLDER)


def key_of(text: str, flags: list[str]) -> str:
    """Return the key of what this source is compiled to with these flags on this kernel."""
    kernel = os.uname()
    parts = (text, *flags, kernel.release, kernel.version, kernel.machine)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class ObjectCache:
    """A folder of object code. One that can't be used holds nothing and keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> ObjectCode | None:
        """Return what was kept under this key, None where there is nothing to trust."""
        path = self._path(key)
        try:
            if not self._is_private():
                return None
            held = path.read_bytes()
            seal, data = held[:64].decode(), held[64:]
            if seal != _seal(key, data):
                log.warning("%s is damaged; compiling again", path)
                return None
            os.utime(path)
            return ObjectCode.from_bytes(data)
        except (OSError, ValueError):
            return None

    def put(self, key: str, code: ObjectCode) -> None:
        """Keep it, in place of the entries not used for longest."""
        data = code.to_bytes()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=_MODE)
            if not self._is_private():
                log.warning("%s: others may write here; compiled programs are not kept", self._folder)
                return
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
                file.write(_seal(key, data).encode() + data)
            Path(file.name).replace(self._path(key))
            self._tidy()
        except OSError as error:
            log.info("%s: compiled programs are not kept: %s", self._folder, error.strerror)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key[:32]}.object"

    def _is_private(self) -> bool:
        found = self._folder.lstat()
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        return is_own and stat.S_IMODE(found.st_mode) & ~_MODE == 0

    def _tidy(self) -> None:
        """Remove the oldest entries, and what a process that was killed left behind."""
        entries = sorted(self._folder.glob("*.object"), key=lambda path: path.stat().st_mtime)
        for path in (*entries[:-KEPT], *self._folder.glob("*.part")):
            with suppress(OSError):
                path.unlink()


def _seal(key: str, data: bytes) -> str:
    return hashlib.sha256(key.encode() + data).hexdigest()
