# SPDX-License-Identifier: Apache-2.0
"""Open consoles: those that have shown a prompt or run a command, and whose process is alive."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from snatsh.api.system import ConsoleRow
from snatsh.daemon.roles import Peer

_MOST = 1000


@dataclass
class _Console:
    peer: Peer
    origin: str
    terminal: str
    since: float
    used: float
    command: str


class Consoles:
    """Consoles by pid."""

    def __init__(self) -> None:
        self._by_pid: dict[int, _Console] = {}

    def ran(self, peer: Peer, command: str, origin: str, terminal: str) -> None:
        """Record a command."""
        now = time.time()
        if len(self._by_pid) >= _MOST:
            self._forget_ended()
        known = self._by_pid.get(peer.pid)
        since = known.since if known and known.peer.uid == peer.uid else now
        self._by_pid[peer.pid] = _Console(peer, origin, terminal, since, now, command)

    def seen(self, peer: Peer, origin: str, terminal: str) -> None:
        """Record that a console shows its prompt."""
        if peer.pid not in self._by_pid:
            self.ran(peer, "", origin, terminal)

    def rows(self) -> list[ConsoleRow]:
        self._forget_ended()
        now = time.time()
        return [
            ConsoleRow(
                user=one.peer.user,
                role=one.peer.role.label,
                terminal=one.terminal,
                origin=one.origin,
                pid=pid,
                seconds=round(now - one.since),
                idle=round(now - one.used),
                command=one.command[:80],
            )
            for pid, one in sorted(self._by_pid.items(), key=lambda item: item[1].since)
        ]

    def _forget_ended(self) -> None:
        ended = [pid for pid in self._by_pid if not Path(f"/proc/{pid}").exists()]
        for pid in ended:
            del self._by_pid[pid]
