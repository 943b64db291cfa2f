# SPDX-License-Identifier: Apache-2.0
"""Bring in what another gateway is configured by: `load import`, and `snatsh import` without a gateway."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from snatsh.api.commits import Document
from snatsh.model.errors import FormError, ProfileError
from snatsh.shell.commands.loading import NOTICE, become
from snatsh.shell.core.answers import Answer, ShellError, TableAnswer
from snatsh.shell.core.command import Argument, CommandSet, Flag
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import FILE

if TYPE_CHECKING:
    from snatsh.model.values import Address

_FILE = Argument("file", "File of yours to read", FILE)
_TERMINAL = Flag("terminal", "Type it in, end with ^D")


@cache
def commands() -> CommandSet:
    """Return the commands, one for each dialect among them. Dialects are loaded when first completed."""
    from snatsh.interop.dialects import DIALECTS

    found = CommandSet()
    _declare(found, None, "load import", "Replace rules and pools by those of another system")
    for dialect in DIALECTS:
        _declare(found, dialect.name, f"load import {dialect.name}", dialect.help)
    found.command("load import live", "Rules that iptables or nft of this box has in force")(_load_live)
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
        raise ShellError(f"load failed: no rule of this box has a counterpart here{why}")
    if len(holding) > 1 and any(rule.action.verdict == "translate" for rule in held["nft"]):
        raise ShellError("load failed: iptables and nft both translate here; import each by a file")
    # nft lists what iptables set too, in words that only iptables knows in full
    dialect = "iptables" if "iptables" in holding else "nft"
    return _load(session, found[dialect], dialect)


def _load(session: Session, text: str, dialect: str | None) -> Answer:
    from snatsh.interop.importing import import_text

    try:
        document, report = import_text(text, dialect, _own(session))
    except (FormError, ProfileError) as error:
        raise ShellError(f"load failed: {error}") from None
    if not report.rows:
        raise ShellError("load failed: no rule in it has a counterpart here", report.text())
    become(session, _in_place(session.client.candidate().document, document))
    return TableAnswer(report.data, lambda _: f"{report.text()}load complete\n")


def _own(session: Session) -> dict[str, Address]:
    """The first address of each interface, which masquerading takes."""
    from snatsh.model.values import InterfaceAddress

    rows = session.client.interfaces()
    return {row.name: InterfaceAddress(row.addresses[0]).ip for row in rows if row.addresses}


def _in_place(candidate: Document, imported: Document) -> Document:
    """The candidate with the rules and pools of the import, and what else these need."""
    kept = {name: held for name, held in candidate.items() if name not in ("rules", "pools")}
    merged: Document = {**kept, **{name: imported[name] for name in ("rules", "pools") if name in imported}}
    for name in ("system", "timeouts"):
        if name in imported:
            merged[name] = {**candidate.get(name, {}), **imported[name]}
    interfaces: Document = dict(imported.get("interfaces", {}))
    interfaces.update(candidate.get("interfaces", {}))
    return {**merged, "interfaces": interfaces} if interfaces else merged
