# SPDX-License-Identifier: Apache-2.0
"""The first configuration after a start: the newest usable entry of the history, else a given profile."""

from __future__ import annotations

import logging

from snatsh.engine.box.inspection import survey
from snatsh.engine.config.commit import Committer, prepare
from snatsh.engine.config.history import Metadata, Store, StoredEntry
from snatsh.engine.errors import CommitError, StoreError
from snatsh.engine.host.facts import gather
from snatsh.model.document.document import Document
from snatsh.model.errors import SnatshError
from snatsh.model.facts import Facts

log = logging.getLogger(__name__)

_ATTEMPTS = 3


def run_first(store: Store, committer: Committer, profile: Document | None) -> None:
    """Run the newest usable entry; without a history, commit the profile, or an empty one."""
    if store.entries() or store.damaged:
        _resume(store, committer)
        return
    comment = None if profile else "empty profile of the first start"
    if not profile:
        log.warning("no history in %s: starting with the empty configuration, without NAT", store.folder)
    done = committer.commit(profile or {}, survey(), Metadata.now("snatd", "profile", comment))
    for warning in done.warnings:
        log.warning("first configuration: %s", warning)


def _adopt(committer: Committer, entry: StoredEntry, document: Document, facts: Facts) -> None:
    """Run a document, on the host as it is now if an interface went before it got its hook."""
    for _ in range(_ATTEMPTS - 1):
        try:
            committer.adopt(entry, document, facts)
            return
        except CommitError as error:
            log.warning("%s; looking at the host again", error)
            facts = gather()
    committer.adopt(entry, document, facts)


def _resume(store: Store, committer: Committer) -> None:
    for damage in store.damaged:
        log.error("history: %s; skipped", damage)
    facts = gather()
    for entry in store.entries():
        try:
            document = store.document(0)
            prepare(document, facts)
        except SnatshError as error:
            log.error("history: %s cannot be used: %s; skipped", entry.path, error)
            store.skip(entry, str(error))
            continue
        _adopt(committer, entry, document, facts)
        if store.fallback:
            log.error("history: %s", store.fallback)
        return
    raise StoreError(
        f"none of the {len(store.damaged)} entries in {store.folder} can be used; the datapath is left "
        "unchanged; move the folder away to start with an empty history"
    )
