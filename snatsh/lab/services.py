# SPDX-License-Identifier: Apache-2.0
"""The servers of the lab, in its server node.

HTTP on 80 (`/` returns the source address, `/bytes/N` returns N bytes), TCP and UDP echo on 7 (each sends the
source address first), iperf3 on 5201, DNS on 53.

`python -m snatsh.lab.services ADDRESS...` runs the HTTP and echo servers.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from pathlib import Path
from typing import cast

from snatsh.interpreter import run_module
from snatsh.lab.namespaces import Lab, LabError, Namespace
from snatsh.lab.topology import SERVER_ADDRESSES

HTTP_PORT = 80
ECHO_PORT = 7
IPERF_PORT = 5201
Endpoint = tuple[str, str, int]  # protocol, address, port

DNS_ADDRESS = "8.8.8.8"
DNS_PORT = 53
DNS_NAMES = {"www.example.net": "203.0.113.9", "narrow.example.net": "203.0.113.10"}


def start(lab: Lab, seconds: float = 10) -> None:
    """Start every server in the lab and wait until all of them listen."""
    lab.spawn("server", *run_module("snatsh.lab.services", *SERVER_ADDRESSES), log="services.log")
    for address in SERVER_ADDRESSES:
        # Bound, so that UDP replies come from the address of the request.
        lab.spawn("server", "iperf3", "--server", "--bind", address, log=f"iperf3-{address}.log")
    names = [f"--address=/{name}/{address}" for name, address in DNS_NAMES.items()]
    options = ("--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root")
    listen = (f"--listen-address={DNS_ADDRESS}", "--bind-interfaces", "--pid-file")
    lab.spawn("server", "dnsmasq", *options, *listen, *names, log="dnsmasq.log")
    tcp = {
        ("tcp", address, port) for address in SERVER_ADDRESSES for port in (HTTP_PORT, ECHO_PORT, IPERF_PORT)
    }
    udp = {("udp", address, ECHO_PORT) for address in SERVER_ADDRESSES}
    wait_listening(lab["server"], tcp | udp | {("udp", DNS_ADDRESS, DNS_PORT)}, seconds)


def wait_listening(namespace: Namespace, wanted: set[Endpoint], seconds: float) -> None:
    """Wait until each endpoint has a listener. LabError names those without."""
    deadline = time.monotonic() + seconds
    while missing := wanted - _listening(namespace):
        if time.monotonic() > deadline:
            names = ", ".join(f"{protocol} {address}:{port}" for protocol, address, port in sorted(missing))
            raise LabError(f"{namespace.node}: nothing listens on {names} after {seconds:g} s")
        time.sleep(0.02)


def _listening(namespace: Namespace) -> set[Endpoint]:
    states = {"tcp": "0A", "udp": "07"}  # LISTEN, and UDP's unconnected
    found = set()
    with namespace.entered():
        for protocol, state in states.items():
            for line in Path("/proc/thread-self/net", protocol).read_text().splitlines()[1:]:
                _, local, _, in_state, *_ = line.split()
                address, port = local.split(":")
                if in_state == state:
                    # The kernel prints the address in host byte order.
                    found.add(
                        (protocol, socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16))
                    )
    return found


class UdpEcho(asyncio.DatagramProtocol):
    """Replies with `ADDRESS PORT ` of the sender as seen here, and the payload."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self._transport.sendto(f"{source[0]} {source[1]} ".encode() + data, source)


async def tcp_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a line `ADDRESS PORT` of the client as seen here, then echo."""
    try:
        address, port = writer.get_extra_info("peername")
        writer.write(f"{address} {port}\n".encode())
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one GET per connection."""
    try:
        _, path, _ = (await reader.readline()).decode("latin-1").split(" ", 2)
        while (await reader.readline()).strip():
            pass
        address, port = writer.get_extra_info("peername")
        count = path.removeprefix("/bytes/")
        body = b"x" * int(count) if count.isdigit() else f"{address} {port}\n".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
    except (ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def serve(addresses: list[str]) -> None:
    loop = asyncio.get_running_loop()
    for address in addresses:
        # One socket per address, so that replies come from the address of the request.
        await loop.create_datagram_endpoint(UdpEcho, local_addr=(address, ECHO_PORT))
    await asyncio.start_server(tcp_echo, addresses, ECHO_PORT, backlog=1024)
    await asyncio.start_server(http, addresses, HTTP_PORT, backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
