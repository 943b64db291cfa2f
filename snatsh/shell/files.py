"""Configuration in files: which form a text is in, reading, writing, and the profiles that ship."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from snatsh.shell.answers import Document, ShellError

if TYPE_CHECKING:
    from snatsh.client import Statement

_LONGEST = 16 << 20
_UNUSABLE = (OSError, ValueError, RuntimeError)
"""What a path comes to: no such file, a NUL in its name, a home directory of nobody."""
_PROFILE_FOLDERS = (
    Path(__file__).resolve().parents[2] / "profiles",
    Path(sys.prefix) / "share" / "snatsh" / "profiles",
    Path("/usr/share/snatsh/profiles"),
)


def shipped_profiles() -> dict[str, Path]:
    """The profiles that come with the product, by name."""
    found: dict[str, Path] = {}
    for folder in _PROFILE_FOLDERS:
        for path in folder.glob("*.yaml") if folder.is_dir() else ():
            found.setdefault(path.stem, path)
    return found


def profile_path(name: str) -> Path:
    profiles = shipped_profiles()
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ShellError(f"no profile {name} is shipped; there are: {known}")
    return profiles[name]


def read(path: Path) -> str:
    """A file's text; ShellError says what is wrong with it."""
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except _UNUSABLE as error:
        raise ShellError(_why(path, error)) from None
    if len(raw) > _LONGEST:
        raise ShellError(f"{path}: longer than {_LONGEST >> 20} MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ShellError(f"{path}: not UTF-8 text (byte {error.start})") from None


def parse(text: str) -> Document:
    """A configuration in curly form, YAML or JSON, told apart by its first statement."""
    form = form_of(text)
    if form == "set":
        raise ShellError("these are set commands; expected curly form or YAML here, use `load set`")
    if form == "yaml":
        from snatsh.model import yaml_form

        return yaml_form.parse(text)
    from snatsh.model import curly_form

    return curly_form.parse(text)


def form_of(text: str) -> str:
    """set, yaml (which JSON is a part of) or curly."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    lines = (line.strip() for line in bare.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if re.match(r"(set|delete)\s", first):
        return "set"
    if first.startswith(("{", "---", "%")) or re.match(r"[^\s{;]+:(\s|$)", first):
        return "yaml"
    return "curly"


def set_commands(text: str) -> tuple[list[Statement], list[int]]:
    """The statements of a text of set and delete commands, and the line that each stands on."""
    from snatsh.model import set_form

    found = list(set_form.statements(text))
    statements: list[Statement] = [
        {"verb": "delete" if one.verb == "delete" else "set", "path": list(one.tokens)} for one in found
    ]
    return statements, [one.line for one in found]


def write(path: Path, document: Document) -> int:
    """The document in the form that the file's ending names, curly by default. How many lines that are."""
    text = _writer(path.suffix)(document)
    try:
        path.expanduser().write_text(text, encoding="utf-8")
    except _UNUSABLE as error:
        raise ShellError(_why(path, error)) from None
    return len(text.splitlines())


def _why(path: Path, error: Exception) -> str:
    return f"{path}: {error.strerror if isinstance(error, OSError) else error}"


def _writer(suffix: str) -> Callable[[Document], str]:
    from snatsh.model import curly_form, set_form, yaml_form

    if suffix in (".yaml", ".yml"):
        return yaml_form.render
    if suffix == ".set":
        return set_form.render
    if suffix == ".json":
        return lambda document: json.dumps(document, indent=2) + "\n"
    return curly_form.render


def restrict(document: Document, path: tuple[str, ...]) -> Document:
    """Only what lies at or below a path, still hanging from the top."""
    if not path:
        return document
    word, *rest = path
    if not isinstance(document, dict) or word not in document:
        return {}
    inner = restrict(document[word], tuple(rest)) if rest else document[word]
    return {} if rest and inner == {} else {word: inner}
