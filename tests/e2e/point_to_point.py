# SPDX-License-Identifier: Apache-2.0
"""A point-to-point line without Ethernet headers, as PPP has it: two tun devices, and who carries packets."""

from __future__ import annotations

import fcntl
import os
import selectors
import struct
import threading
from types import TracebackType

from snatsh.lab.namespaces import Namespace

_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_WAKE = 0.05


class Tunnel:
    """`with Tunnel(...)`: the devices go with the block, as those of a PPP session do."""

    def __init__(
        self, name: str, one: tuple[Namespace, str], other: tuple[Namespace, str], mtu: int = 1400
    ) -> None:
        self._name = name
        self._ends = (one, other)
        self._mtu = mtu
        self._files: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry)

    def __enter__(self) -> Tunnel:
        for (here, own), (_, peer) in (self._ends, self._ends[::-1]):
            self._files.append(_made(here, self._name))
            here.run("ip", "address", "add", own, "peer", f"{peer}/32", "dev", self._name)
            here.run("ip", "link", "set", self._name, "mtu", str(self._mtu), "up")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        for file in self._files:
            os.close(file)

    def _carry(self) -> None:
        selector = selectors.DefaultSelector()
        one, other = self._files
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while not self._stop.is_set():
            for key, _ in selector.select(_WAKE):
                try:
                    os.write(key.data, os.read(key.fd, 1 << 16))
                except OSError:  # an end that is down
                    continue
        selector.close()


def _made(here: Namespace, name: str) -> int:
    with here.entered():
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return file
