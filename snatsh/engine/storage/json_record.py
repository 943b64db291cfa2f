# SPDX-License-Identifier: Apache-2.0
"""Small facts that must outlive snatd, one JSON file each, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from snatsh.engine.errors import StoreError
from snatsh.model.limits import load_json

log = logging.getLogger(__name__)


class Record:
    """One file of the state folder. None stands for a file that is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """What was written last. A file that makes no sense is set aside, and said."""
        try:
            content = load_json(self.path.read_bytes())
            if not isinstance(content, dict):
                raise ValueError("expected an object")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.set_aside(str(error))
            return None
        return content

    def set_aside(self, reason: str) -> None:
        log.error("%s can't be used: %s; set aside as %s.damaged", self.path, reason, self.path.name)
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_name(self.path.name + ".damaged"))

    def write(self, content: dict[str, Any] | None) -> None:
        """Durable when it returns. None removes the file. StoreError when the disk refuses."""
        try:
            if content is None:
                self.path.unlink(missing_ok=True)
            else:
                self._replace(json.dumps(content).encode())
            _sync(self.path.parent, os.O_DIRECTORY)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; expected a file snatd can write") from None

    def _replace(self, content: bytes) -> None:
        beside = self.path.with_name(f".{self.path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        beside.rename(self.path)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
