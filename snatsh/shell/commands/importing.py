# SPDX-License-Identifier: Apache-2.0
"""`load import`: load the configuration of another NAT."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from snatsh.model.document.types import Document
from snatsh.model.errors import FormError, ProfileError
from snatsh.shell.commands.loading import NOTICE, become
from snatsh.shell.core.answers import Answer, ShellError, TableAnswer
from snatsh.shell.core.command import Argument, CommandSet, Flag
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import FILE

if TYPE_CHECKING:
    from snatsh.model.values import Address

_FILE = Argument("file", "File to load", FILE)
_TERMINAL = Flag("terminal", "Read from the terminal, ended by ^D")


@cache
def commands() -> CommandSet:
    """Return the commands, one per dialect. Dialects are imported on first use."""
    from snatsh.interop.dialects import DIALECTS

    found = CommandSet()
    _declare(found, None, "load import", "Replace rules and pools with those of another NAT system")
    for dialect in DIALECTS:
        _declare(found, dialect.name, f"load import {dialect.name}", dialect.help)
    found.command("load import live", "Active rules of iptables or nft on this gateway")(_load_live)
    return found


def _declare(found: CommandSet, dialect: str | None, words: str, help_: str) -> None:
    @found.command(words, help_, _FILE, _TERMINAL, one_of=("file", "terminal"))
    def load_import(session: Session, file: str = "", terminal: bool = False) -> Answer:
        text = session.terminal.read_block(NOTICE) if terminal else session.client.file(file)
        return _load(session, text, dialect)


def _load_live(session: Session) -> Answer:
    from snatsh.interop.importing import read

    listed = session.client.netfilter()
    found = {name: text for name, text in listed.rules.items() if text}
    try:
        held = {name: read(text, name, _own(session)).rules for name, text in found.items()}
    except (FormError, ProfileError) as error:
        raise ShellError(f"load failed: {error}") from None
    holding = [name for name, rules in held.items() if rules]
    if not holding:
        why = "".join(f"; {reason}" for reason in listed.errors.values())
        raise ShellError(f"load failed: no rule of this gateway has an equivalent{why}")
    if len(holding) > 1 and any(rule.action.verdict == "translate" for rule in held["nft"]):
        raise ShellError("load failed: iptables and nft both translate; import each from a file")
    # nft also lists rules of iptables, with extensions it cannot express
    dialect = "iptables" if "iptables" in holding else "nft"
    return _load(session, found[dialect], dialect)


def _load(session: Session, text: str, dialect: str | None) -> Answer:
    from snatsh.interop.importing import import_text

    try:
        document, report = import_text(text, dialect, _own(session))
    except (FormError, ProfileError) as error:
        raise ShellError(f"load failed: {error}") from None
    if not report.rows:
        raise ShellError("load failed: no rule has an equivalent", report.text())
    become(session, _in_place(session.client.candidate().document, document))
    return TableAnswer(report.data, lambda _: f"{report.text()}load complete\n")


def _own(session: Session) -> dict[str, Address]:
    """Return the first address of each interface, which masquerading uses."""
    from snatsh.model.values import InterfaceAddress

    rows = session.client.interfaces()
    return {row.name: InterfaceAddress(row.addresses[0]).ip for row in rows if row.addresses}


def _in_place(candidate: Document, imported: Document) -> Document:
    """Return the candidate with the imported rules and pools, and what these depend on."""
    kept = {name: held for name, held in candidate.items() if name not in ("rules", "pools")}
    merged: Document = {**kept, **{name: imported[name] for name in ("rules", "pools") if name in imported}}
    for name in ("system", "timeouts"):
        if name in imported:
            merged[name] = {**candidate.get(name, {}), **imported[name]}
    interfaces: Document = dict(imported.get("interfaces", {}))
    interfaces.update(candidate.get("interfaces", {}))
    return {**merged, "interfaces": interfaces} if interfaces else merged
