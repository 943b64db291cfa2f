# SPDX-License-Identifier: Apache-2.0
"""A program in a pseudo terminal, and the bytes it writes there."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from dataclasses import dataclass, field

COLUMNS, LINES = 180, 50
_REMEMBERED = 1 << 18


@dataclass
class Terminal:
    """written: bytes so far. shown: the newest of them."""

    argv: list[str]
    written: int = 0
    shown: bytes = b""
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Terminal:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            self.argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        os.close(self._master)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, *texts: str, seconds: float = 60) -> None:
        """Until one of these was sent."""
        deadline = time.monotonic() + seconds
        while not any(text.encode() in self.shown for text in texts):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"none of {texts} in {self.shown[-2000:]!r}")
            time.sleep(0.005)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._master, 1 << 16)
            except OSError:
                return
            self.written += len(chunk)
            self.shown = (self.shown + chunk)[-_REMEMBERED:]
