# SPDX-License-Identifier: Apache-2.0
"""Key bindings of the user: a YAML file of `action: key` or `action: [key, key]`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from snatsh.model.errors import FormError, SnatshError
from snatsh.model.forms import yaml_reader


class KeymapError(SnatshError):
    """The keys file is not valid."""


def usual_path() -> Path:
    """Return SNATSH_KEYS, else keys.yaml in the user's configuration folder."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get("SNATSH_KEYS") or home / "snatsh" / "keys.yaml")


def load(path: Path, actions: Iterable[str]) -> dict[str, str]:
    """Return keys by action, separated by commas."""
    known = sorted(actions)
    try:
        found = yaml_reader.read(path.read_text(encoding="utf-8")).content
    except OSError as error:
        raise KeymapError(f"{path}: {error.strerror}") from None
    except (FormError, UnicodeDecodeError) as error:
        raise KeymapError(f"{path}: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise KeymapError(f"{path}: expected lines such as `screen.flows: f2`")
    keys = {}
    for action, wanted in found.items():
        if action not in known:
            raise KeymapError(f"{path}: {action}: no such action; expected one of {', '.join(known)}")
        keys[str(action)] = ",".join(_key(path, str(action), key) for key in _several(wanted))
    return keys


def _several(wanted: object) -> list[object]:
    return wanted if isinstance(wanted, list) and wanted else [wanted]


def _key(path: Path, action: str, key: object) -> str:
    text = str(key) if isinstance(key, str | int) and not isinstance(key, bool) else ""
    name = text.rpartition("+")[2]
    if not text or (len(name) > 1 and name not in _NAMES):
        raise KeymapError(
            f"{path}: {action}: {key!r}: no such key; expected for example x, f5, ctrl+r or space"
        )
    return text


_NAMES = {str(key.value) for key in Keys} | set(KEY_NAME_REPLACEMENTS.values()) | {
    "space", "slash", "colon", "question_mark", "less_than_sign", "greater_than_sign", "comma", "full_stop",
}  # fmt: skip


def actions_of(*groups: Iterable[object]) -> set[str]:
    return {
        binding.id for group in groups for binding in group if isinstance(binding, Binding) and binding.id
    }
