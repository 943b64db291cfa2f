# SPDX-License-Identifier: Apache-2.0
"""One list of dialects: the console, its pipes and the manual offer what is in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from snatsh.interop.dialects import DIALECTS, named
from snatsh.interop.exporting import export
from snatsh.interop.reference import renewed
from snatsh.model.errors import FormError
from snatsh.shell.commands import importing
from snatsh.shell.pipes import filters

MOVING = Path(__file__).parents[3] / "docs" / "moving.md"


def test_dialect_names_are_unique() -> None:
    assert [named(dialect.name) for dialect in DIALECTS] == list(DIALECTS)


def test_unknown_dialects_are_refused() -> None:
    with pytest.raises(FormError, match=r"unknown dialect other; expected one of dpvs, dpvs-listing, ipta"):
        named("other")


def test_read_only_dialects_cannot_be_exported() -> None:
    with pytest.raises(FormError, match="dpvs can be imported, not written"):
        export({}, "dpvs")


def test_load_import_offers_every_dialect() -> None:
    offered = {" ".join(command.words[2:]): command.help for command in importing.commands()}
    assert {dialect.name: dialect.help for dialect in DIALECTS}.items() <= offered.items()
    assert set(offered) == {"", "live"} | {dialect.name for dialect in DIALECTS}


def test_display_offers_every_exportable_dialect() -> None:
    offered = {" ".join(pipe.words): pipe.help for pipe in filters.all_commands()}
    written = {f"display {one.name}": one.write_help for one in DIALECTS if one.write is not None}
    assert len(written) == 4
    assert written.items() <= offered.items()
    assert all(written.values())
    assert not {f"display {one.name}" for one in DIALECTS if one.write is None} & offered.keys()


def test_documentation_lists_every_dialect() -> None:
    page = MOVING.read_text()
    assert renewed(page) == page, "run `make docs`"


def test_dialect_parsers_are_imported_lazily() -> None:
    loaded = "import sys, snatsh.interop.dialects; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout
    assert not {"lark", "numpy", "pydantic"} & set(names.split())
