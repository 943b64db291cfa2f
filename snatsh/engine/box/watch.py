# SPDX-License-Identifier: Apache-2.0
"""Keep the inspection of the host current, at a bounded cost.

The kernel reports most changes over rtnetlink. nf_tables numbers its rulesets, and the tables of
iptables-legacy are compared.
"""

from __future__ import annotations

import time
from threading import Lock

from snatsh.engine.box import legacy_tables
from snatsh.engine.box.inspection import inspect
from snatsh.engine.box.netfilter import read_ruleset
from snatsh.engine.box.nftables import Nftables
from snatsh.engine.box.ruleset import Ruleset
from snatsh.model.box import Bypass

_SHARE = 8
"""Times the cost of an inspection that it is kept at least."""
_SECONDS = 10.0
"""How long what no message tells may go unseen."""

Fingerprint = tuple[int, tuple[object, ...]]


class BoxWatch:
    """`look` may be called from any thread, as often as somebody wants to know."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ruleset = Ruleset()
        self._fingerprint: Fingerprint | None = None
        self._found: tuple[Bypass, ...] = ()
        self._has_changed = True
        self._keep_until = self._look_by = 0.0

    def notice(self) -> None:
        """Note that rtnetlink has reported a change."""
        self._has_changed = True

    def look(self) -> tuple[Bypass, ...]:
        """Return what the host has now, or had shortly before where an inspection takes long. EngineError."""
        with self._lock:
            now = time.monotonic()
            if now >= self._keep_until:
                fingerprint = _fingerprint()
                has_new_rules = fingerprint != self._fingerprint or now >= self._look_by
                if has_new_rules or self._has_changed:
                    self._inspect(has_new_rules)
                    self._fingerprint = fingerprint
                    done = time.monotonic()
                    self._keep_until = done + _SHARE * (done - now)
                    self._look_by = done + _SECONDS
            return self._found

    def _inspect(self, has_new_rules: bool) -> None:
        self._has_changed = False
        if has_new_rules:
            self._ruleset = read_ruleset()
        self._found = inspect(self._ruleset)


def _fingerprint() -> Fingerprint:
    try:
        with Nftables() as nftables:
            generation = nftables.generation()
    except OSError:
        generation = -1  # no nf_tables in this kernel
    return generation, legacy_tables.fingerprint()
