# SPDX-License-Identifier: Apache-2.0
"""Counts packets at a port by a tcpdump expression. The kernel counts, so none is missed."""

from __future__ import annotations

import ctypes
import socket
import struct
import subprocess
from types import TracebackType

from snatsh.lab.namespaces import LabError, Namespace

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
INSTRUCTION = struct.Struct("=HBBI")


class Watch:
    """Counts the packets received at a port of a namespace that match an expression."""

    def __init__(self, namespace: Namespace, port: str, expression: str) -> None:
        program = compile_filter(expression)
        buffer = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("@HP", len(program) // INSTRUCTION.size, ctypes.addressof(buffer))
        self._seen = 0
        with namespace.entered():
            # Protocol 0 receives nothing until the filter is set and the socket is bound.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)
                self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
                self._socket.setblocking(False)
                self._socket.bind((port, ETH_P_ALL))
            except OSError:
                self._socket.close()
                raise

    def count(self) -> int:
        """Packets that matched, including those that did not fit the socket buffer."""
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        packets, _dropped = struct.unpack("=II", statistics)  # includes the dropped ones
        self._seen += packets
        return self._seen

    def example(self) -> str:
        """The next packet that matched, as text for a message; empty without one."""
        try:
            frame = self._socket.recv(256)
        except OSError:
            return ""
        source, destination = (socket.inet_ntoa(frame[at : at + 4]) for at in (26, 30))
        ports = struct.unpack_from("!HH", frame, 34) if frame[23] in (6, 17) else (0, 0)
        return f"protocol {frame[23]}, {source}:{ports[0]} -> {destination}:{ports[1]}, {frame.hex()}"

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def compile_filter(expression: str) -> bytes:
    """Compile a tcpdump expression for Ethernet."""
    result = subprocess.run(
        ["tcpdump", "-y", "EN10MB", "-ddd", expression], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise LabError(f"tcpdump expression {expression!r}: {result.stderr.strip()}")
    lines = result.stdout.splitlines()[1:]
    return b"".join(INSTRUCTION.pack(*map(int, line.split())) for line in lines)
