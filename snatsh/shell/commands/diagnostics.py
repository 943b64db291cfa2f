# SPDX-License-Identifier: Apache-2.0
"""`test packet`, `ping` and `traceroute`."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import replace
from typing import Any

from snatsh.model.vocabulary import PROTOCOLS
from snatsh.shell.core.answers import TABLE, Answer, Message, ShellError, TableAnswer
from snatsh.shell.core.command import Argument, CommandSet, Option
from snatsh.shell.core.grammar import Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import ADDRESS, number
from snatsh.shell.render import system_tables

OPERATIONAL = CommandSet()


_INTERFACE = Value("<interface>", str, (("live", "interface"),))
_PORT = number(0, 65_535)
_MOST_SECONDS = 120
_PAUSE_SECONDS = 0.2


@OPERATIONAL.command(
    "test packet",
    "Evaluate a packet against routes and rules",
    Option("source", "Source address", replace(ADDRESS, sources=(("live", "source"),))),
    Option("destination", "Destination address", ADDRESS),
    Option("protocol", "Protocol (default tcp)", choices=PROTOCOLS),
    Option("source_port", "Source port, or ICMP identifier", _PORT),
    Option("destination_port", "Destination port", _PORT),
    Option("interface", "Inside interface the packet arrives on", _INTERFACE),
    Option("mark", "Firewall mark", number(0, 0xFFFF_FFFF)),
    ready=lambda bound: "source" in bound and "destination" in bound,
    answers=TABLE,
)
def test_packet(session: Session, **packet: Any) -> Answer:
    return TableAnswer(session.client.try_packet(packet), system_tables.trial)


def _host(text: str) -> str:
    if not text or text.startswith("-") or not all(c.isalnum() or c in ".-_" for c in text):
        raise ValueError("expected an address or a host name")
    return text


_HOST = Argument("host", "Destination host", Value("<host>", _host))
_COUNT = Option("count", "Number of requests (default 5)", number(1, 100))


_SOURCE = Option("source", "Source address: of the gateway or of a pool", ADDRESS)
_HOPS = 20


@OPERATIONAL.command(
    "ping", "Ping a host from the gateway or from a pool address", _HOST, _COUNT, _SOURCE,
    ready=lambda bound: "host" in bound, answers=TABLE,
)  # fmt: skip
def ping(session: Session, host: str, count: int = 5, source: str = "") -> Answer:
    if _is_pooled(session, source):
        return _ping_from_pool(session, source, host, count)
    from_ = ["-I", source] if source else []
    return _run(["ping", "-n", "-c", str(count), "-w", str(count + 5), *from_, "--", host])


@OPERATIONAL.command(
    "traceroute", "Trace the route to a host from the gateway or from a pool address", _HOST, _SOURCE,
    ready=lambda bound: "host" in bound, answers=TABLE,
)  # fmt: skip
def traceroute(session: Session, host: str, source: str = "") -> Answer:
    if _is_pooled(session, source):
        return _traceroute_from_pool(session, source, host)
    from_ = ["-s", source] if source else []
    return _run(["traceroute", "-n", "-w", "2", "-q", "1", "-m", str(_HOPS), *from_, "--", host])


def _is_pooled(session: Session, source: str) -> bool:
    """Whether the address belongs to a pool."""
    from ipaddress import IPv4Address

    from snatsh.model.values import AddressRange

    if not source:
        return False
    pools = session.client.configuration().get("pools", {})
    ranges = [AddressRange.parse(part) for pool in pools.values() for part in pool.get("address", [])]
    return any(part.first <= IPv4Address(source) <= part.last for part in ranges)


def _resolved(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise ShellError(f"{host}: {error.strerror or 'unknown host'}") from None


def _ping_from_pool(session: Session, source: str, host: str, count: int) -> Answer:
    destination, lines, times = _resolved(host), [f"PING {host} from {source}"], []
    for sequence in range(1, count + 1):
        if sequence > 1:
            time.sleep(_PAUSE_SECONDS)
        answer = session.client.probe(source, destination)
        if answer is None:
            lines.append(f"no reply: seq={sequence}")
        elif answer.reached:
            times.append(answer.milliseconds)
            figures = f"ttl={answer.ttl} time={answer.milliseconds:.3f} ms"
            lines.append(f"reply from {answer.source}: seq={sequence} {figures}")
        else:
            lines.append(f"from {answer.source}: seq={sequence} destination not reached")
    lost = 100 * (count - len(times)) / count
    lines.append(f"{count} packets transmitted, {len(times)} received, {lost:.0f}% packet loss")
    if times:
        mean = sum(times) / len(times)
        lines.append(f"rtt min/avg/max = {min(times):.3f}/{mean:.3f}/{max(times):.3f} ms")
    if not times:
        raise ShellError(f"no reply from {host}", "".join(f"{line}\n" for line in lines))
    return Message("\n".join(lines))


def _traceroute_from_pool(session: Session, source: str, host: str) -> Answer:
    destination, lines = _resolved(host), [f"traceroute to {host} from {source}, {_HOPS} hops max"]
    for hop in range(1, _HOPS + 1):
        answer = session.client.probe(source, destination, ttl=hop)
        if answer is None:
            lines.append(f"{hop:>2}  *")
        else:
            lines.append(f"{hop:>2}  {answer.source}  {answer.milliseconds:.3f} ms")
            if answer.reached:
                break
    return Message("\n".join(lines))


def _run(argv: list[str]) -> Answer:
    """Run a program of the gateway without a shell."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_MOST_SECONDS, check=False
        )
    except FileNotFoundError:
        raise ShellError(f"{argv[0]}: not installed on this gateway") from None
    except subprocess.TimeoutExpired:
        raise ShellError(f"{argv[0]}: no result after {_MOST_SECONDS} seconds") from None
    text = (done.stdout + done.stderr).rstrip("\n")
    if done.returncode and not done.stdout:
        raise ShellError(text or f"{argv[0]}: failed")
    return Message(text)
