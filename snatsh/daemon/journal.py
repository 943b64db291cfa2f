# SPDX-License-Identifier: Apache-2.0
"""A copy of the audit log in the system's own: journald's native protocol, or syslog where there is none."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

log = logging.getLogger(__name__)

JOURNALD = Path("/run/systemd/journal/socket")
SYSLOG = Path("/dev/log")

_NOTICE = 5
_AUTHPRIV = 10
_NAME = "snatd-audit"


class Journal:
    """Sends lines without waiting: what the system's log has no room for is in the audit log alone."""

    def __init__(self, journald: Path = JOURNALD, syslog: Path = SYSLOG) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._ways = ((journald, _native), (syslog, _syslog))
        self._said_absent = False

    def send(self, line: str) -> None:
        """Send one line."""
        for path, encode in self._ways:
            try:
                self._socket.sendto(encode(line), os.fspath(path))
            except BlockingIOError:
                return
            except OSError:
                continue
            else:
                self._said_absent = False
                return
        if not self._said_absent:
            log.info("neither journald nor syslog takes a copy of the audit log; its file is the only one")
            self._said_absent = True


def _native(line: str) -> bytes:
    return (
        f"MESSAGE={line}\nPRIORITY={_NOTICE}\nSYSLOG_FACILITY={_AUTHPRIV}\nSYSLOG_IDENTIFIER={_NAME}\n"
    ).encode("utf-8", "replace")


def _syslog(line: str) -> bytes:
    return f"<{_AUTHPRIV * 8 + _NOTICE}>{_NAME}: {line}".encode("utf-8", "replace")
