# SPDX-License-Identifier: Apache-2.0
"""HTTP probe: a GET request in one segment, and the start of the response."""

from __future__ import annotations

from snatsh import __version__
from snatsh.engine.links.probes.port import ProbePort
from snatsh.engine.links.probes.probe import Result
from snatsh.engine.links.probes.tcp import MASK, TcpProbe
from snatsh.engine.packets import ACK, PSH, Segment


class HttpProbe(TcpProbe):
    """A connection per GET. The target is up if the response starts with status 2xx or 3xx."""

    def __init__(
        self, port: ProbePort, target: bytes, target_port: int, request: bytes, result: Result
    ) -> None:
        self._request = request
        super().__init__(port, target, target_port, result)

    def accepted(self, number: int, segment: Segment) -> None:
        after = (segment.sequence + 1) & MASK
        self.transmit(segment.destination_port, segment.acknowledged, after, ACK | PSH, self._request)
        # From now on the target acknowledges the request.
        local = segment.destination_port
        self._sequences[local] = (self._sequences[local] + len(self._request)) & MASK

    def followed(self, number: int, segment: Segment) -> None:
        if segment.data:
            self.finish(number, segment, is_good_status(segment.data))


def is_good_status(response: bytes) -> bool:
    version, _, rest = response.partition(b" ")
    return version.startswith(b"HTTP/") and rest[:1] in (b"2", b"3")


def get(path: str, host: str) -> bytes:
    """Build the request."""
    agent = f"User-Agent: snatsh/{__version__}"
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", agent, "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()
