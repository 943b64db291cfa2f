# SPDX-License-Identifier: Apache-2.0
"""Steady traffic and a report of its losses: `python -m snatsh.lab.traffic TARGET...` in a client.

For each target: a UDP flow and a ping with a sequence number in each packet, a TCP connection that echoes
small blocks for the whole run, and short HTTP connections. Packet rate and duration are bounded. At the end,
or on SIGTERM, it prints a report as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast

from snatsh.lab.services import ECHO_PORT, HTTP_PORT

STRAGGLERS = 1.0  # seconds to wait for late replies
HTTP_EVERY = 10  # packets of a flow per HTTP connection
DOWNLOAD = 40_000
TCP_INFO_TOTAL_RETRANSMITS = 100  # offset in struct tcp_info
ICMP_ECHO = struct.Struct("!BBHHH")


@dataclass
class Tally:
    """Counts of one kind of traffic. sources: as the server saw them, `address:port`."""

    sent: int = 0
    answered: int = 0
    retransmitted: int = 0
    sources: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    longest_wait: float = 0.0

    def saw(self, address: str, port: str) -> None:
        self.sources.add(f"{address}:{port}")


@dataclass
class TrafficReport:
    udp: Tally = field(default_factory=Tally)
    ping: Tally = field(default_factory=Tally)
    tcp: Tally = field(default_factory=Tally)
    http: Tally = field(default_factory=Tally)

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=sorted)

    @classmethod
    def from_json(cls, text: str) -> TrafficReport:
        tallies = {name: Tally(**values) for name, values in json.loads(text).items()}
        for tally in tallies.values():
            tally.sources = set(tally.sources)
        return cls(**tallies)


class Paced:
    """Runs `step` every `interval` seconds until stopped. Missed steps are skipped."""

    def __init__(self, interval: float, stop: asyncio.Event) -> None:
        self._interval = interval
        self._stop = stop

    async def run(self, step: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            await step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._interval)


class UdpClient(asyncio.DatagramProtocol):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting: set[bytes] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    async def step(self) -> None:
        self._tally.sent += 1
        payload = str(self._tally.sent).encode()
        self._waiting.add(payload)
        self._transport.sendto(payload)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        address, port, payload = data.split(b" ", 2)
        if payload in self._waiting:
            self._waiting.remove(payload)
            self._tally.answered += 1
        self._tally.saw(address.decode(), port.decode())

    def error_received(self, error: Exception) -> None:
        self._tally.errors.append(str(error))


class PingClient:
    """ICMP echo from an unprivileged socket; the kernel chooses the identifier."""

    def __init__(self, target: str, tally: Tally) -> None:
        self._tally = tally
        self._waiting: set[bytes] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._socket.connect((target, 0))
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    async def step(self) -> None:
        self._tally.sent += 1
        payload = str(self._tally.sent).encode()
        self._waiting.add(payload)
        try:
            self._socket.send(ICMP_ECHO.pack(8, 0, 0, 0, self._tally.sent & 0xFFFF) + payload)
        except OSError as error:
            self._tally.errors.append(str(error))

    def _receive(self) -> None:
        try:
            payload = self._socket.recv(2048)[ICMP_ECHO.size :]
        except OSError as error:
            self._tally.errors.append(str(error))
            return
        if payload in self._waiting:
            self._waiting.remove(payload)
            self._tally.answered += 1


async def tcp_client(target: str, paced: Paced, tally: Tally) -> None:
    """Run one connection; each block must return whole before the next is sent."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(target, ECHO_PORT), 10)
        address, port = (await reader.readline()).decode().split()
        tally.saw(address, port)

        async def step() -> None:
            block = b"%08d" % tally.sent * 64
            tally.sent += 1
            start = time.monotonic()
            writer.write(block)
            if await asyncio.wait_for(reader.readexactly(len(block)), 30) == block:
                tally.answered += 1
            tally.longest_wait = max(tally.longest_wait, time.monotonic() - start)

        await paced.run(step)
        info = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        tally.retransmitted += struct.unpack_from("=I", info, TCP_INFO_TOTAL_RETRANSMITS)[0]
        writer.close()
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        tally.errors.append(f"{target}: {error!r}")


async def http_once(target: str, path: str, tally: Tally) -> None:
    """Fetch a path over a new connection."""
    tally.sent += 1
    start = time.monotonic()
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(target, HTTP_PORT), 10)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(-1), 30)
        writer.close()
        body = answer.partition(b"\r\n\r\n")[2].decode()
        if path == "/":
            tally.saw(*body.split())
        tally.answered += bool(body)
    except (OSError, TimeoutError, ValueError) as error:
        tally.errors.append(f"{target}: {error!r}")
    tally.longest_wait = max(tally.longest_wait, time.monotonic() - start)


async def run(targets: list[str], interval: float, seconds: float) -> TrafficReport:
    report = TrafficReport()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.call_later(seconds, stop.set)
    paced = Paced(interval, stop)
    async with asyncio.TaskGroup() as tasks:
        for target in targets:
            _, udp = await loop.create_datagram_endpoint(
                partial(UdpClient, report.udp), remote_addr=(target, ECHO_PORT)
            )
            tasks.create_task(paced.run(udp.step))
            tasks.create_task(paced.run(PingClient(target, report.ping).step))
            tasks.create_task(tcp_client(target, paced, report.tcp))
            for path in ("/", f"/bytes/{DOWNLOAD}"):
                short = Paced(interval * HTTP_EVERY, stop)
                tasks.create_task(short.run(partial(http_once, target, path, report.http)))
    await asyncio.sleep(STRAGGLERS)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between packets of a flow")
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    print(asyncio.run(run(options.targets, options.interval, options.seconds)).to_json(), flush=True)


if __name__ == "__main__":
    main()
