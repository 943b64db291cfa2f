# SPDX-License-Identifier: Apache-2.0
"""The file of a commit: a header, a line of dashes, then the document in YAML.

The checksum is the last line of the header and covers all the rest of the file. Version 0.2.0 and older wrote
one of the document alone; their files are still read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from snatsh.engine.storage import trusted_file
from snatsh.model.document.document import Document
from snatsh.model.forms import yaml_form
from snatsh.model.limits import load_json

ENTRY_LIMIT = (16 << 20) + 4096
"""Bytes of an entry's file."""

_RULER = b"---\n"
_CHECKSUM = b"sha256: "


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who committed, when and how. method: cli, api or profile."""

    time: datetime
    user: str
    method: str
    comment: str | None = None

    @classmethod
    def now(cls, user: str, method: str, comment: str | None = None) -> Metadata:
        return cls(datetime.now(UTC), user, method, comment)


@dataclass(frozen=True, slots=True)
class EntryFile:
    """What the file of an entry holds. digest: of the whole file, which names the commit."""

    metadata: Metadata
    body: bytes
    digest: str

    def document(self) -> Document:
        """Parse the document. UnicodeDecodeError, SnatshError."""
        return yaml_form.parse(self.body.decode()) if self.body.strip() else {}


def compose(document: Document, metadata: Metadata) -> bytes:
    body = yaml_form.render(document).encode() if document else b""
    header = {
        "time": metadata.time.isoformat(),
        "user": metadata.user,
        "method": metadata.method,
        "comment": metadata.comment,
    }
    lines = b"".join(f"{key}: {json.dumps(value)}\n".encode() for key, value in header.items())
    head = b"# A committed configuration, written by snatd.\n" + lines
    checksum = json.dumps(_sha256(head + _RULER + body)).encode()
    return head + _CHECKSUM + checksum + b"\n" + _RULER + body


def file_name(serial: int) -> str:
    return f"{serial:010}.yaml"


def digest(content: bytes) -> str:
    """Name the content of an entry's file."""
    return _sha256(content)[:16]


def read(path: Path) -> EntryFile:
    """Read an entry. OSError, or ValueError says what is wrong with the file."""
    content = trusted_file.read(path, ENTRY_LIMIT)
    head, ruler, body = content.partition(b"\n" + _RULER)
    if not ruler:
        raise ValueError("has no header; it is truncated or was not written by snatd")
    covered, _, checksum = head.rpartition(_CHECKSUM)
    whole, document = _sha256(covered + _RULER + body), _sha256(body)
    if checksum.decode(errors="replace") not in (json.dumps(whole), json.dumps(document)):
        raise ValueError("does not match its checksum")
    return EntryFile(_metadata(covered), body, digest(content))


def _metadata(head: bytes) -> Metadata:
    found: dict[str, str | None] = {}
    for line in head.decode(errors="replace").splitlines():
        if line.startswith("#"):
            continue
        key, _, text = line.partition(": ")
        value = load_json(text)
        if key in found or not (isinstance(value, str) or (key == "comment" and value is None)):
            raise ValueError(f"its header has {key} twice, or not as a text")
        found[key] = value
    try:
        time, user, method = found["time"], found["user"], found["method"]
        return Metadata(
            datetime.fromisoformat(time or "").astimezone(UTC), user or "", method or "", found.get("comment")
        )
    except (KeyError, OverflowError) as error:
        raise ValueError(f"its header is incomplete: {error}") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
