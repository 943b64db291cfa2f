# SPDX-License-Identifier: Apache-2.0
"""Small records that outlive snatd: one JSON file each, replaced whole or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any

from snatsh.engine.errors import StoreError
from snatsh.engine.storage import atomic_file
from snatsh.model.limits import load_json

log = logging.getLogger(__name__)

Json = dict[str, Any]
"""An object as its file has it; readers check each field."""


class Record:
    """One file in the state folder. None stands for a missing file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Json | None:
        """Read the record. An unusable file is logged and set aside."""
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
        log.error("%s cannot be used: %s; set aside as %s.damaged", self.path, reason, self.path.name)
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_name(self.path.name + ".damaged"))

    def write(self, content: Json | None) -> None:
        """Replace the record durably. None removes the file. StoreError on failure."""
        try:
            if content is None:
                atomic_file.remove(self.path)
            else:
                atomic_file.replace(self.path, json.dumps(content).encode())
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; expected a file snatd can write") from None
