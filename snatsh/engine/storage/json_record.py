# SPDX-License-Identifier: Apache-2.0
"""Small records that outlive snatd: one JSON file each, replaced whole or not at all.

A checksum in the file covers the rest of it: a record that changed on disk never takes effect. Version 0.2.0
and older wrote none; their files are still read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from snatsh.api.codec import builtins, from_builtins
from snatsh.engine.errors import StoreError
from snatsh.engine.storage import atomic_file, trusted_file
from snatsh.model.errors import SnatshError
from snatsh.model.limits import load_json

log = logging.getLogger(__name__)

T = TypeVar("T")
U = TypeVar("U")

CHECKSUM = "#sha256"
"""No field and no name in a record begins with `#`."""

_LIMIT = 64 << 20
_DAMAGED = ".damaged"


class Record(Generic[T]):
    """One file in the state folder. None stands for a missing file. lost: what is lost with the file."""

    def __init__(self, path: Path, kind: type[T], lost: str) -> None:
        self.path = path
        self._kind = kind
        self._lost = lost
        self._damaged = path.with_name(path.name + _DAMAGED)

    def read(self, parse: Callable[[T], U]) -> U | None:
        """Read and parse the record. A file that is no such record is logged and set aside."""
        try:
            content = load_json(trusted_file.read(self.path, _LIMIT))
            if not isinstance(content, dict):
                raise ValueError("expected an object")
            checksum = content.pop(CHECKSUM, None)
            if checksum not in (None, _digest(content)):
                raise ValueError("does not match its checksum")
            return parse(from_builtins(content, self._kind))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, OverflowError, SnatshError) as error:
            self._set_aside(str(error))
            return None

    def write(self, content: T | None) -> None:
        """Replace the record durably. None removes the file. StoreError on failure."""
        try:
            if content is None:
                atomic_file.remove(self.path)
            else:
                fields = builtins(content)
                text = json.dumps({**fields, CHECKSUM: _digest(fields)})
                atomic_file.replace(self.path, text.encode())
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; expected a file snatd can write") from None

    @property
    def loss(self) -> str:
        """Say what was lost, while a file that was set aside is still there; empty if there is none."""
        if not os.path.lexists(self._damaged):
            return ""
        return f"{self.path.name} was damaged; lost: {self._lost}; see {self._damaged}, then remove it"

    def _set_aside(self, reason: str) -> None:
        log.error("%s cannot be used: %s; set aside as %s", self.path, reason, self._damaged.name)
        log.error("lost with it: %s", self._lost)
        with contextlib.suppress(OSError):
            self.path.rename(self._damaged)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
