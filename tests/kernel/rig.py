# SPDX-License-Identifier: Apache-2.0
"""A gateway whose programs are driven by BPF_PROG_TEST_RUN: real devices, routes and neighbours in a
private namespace, and frames made by scapy. No traffic flows.
"""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from snatsh.compile.compiler import compile_profile
from snatsh.compile.image import Image
from snatsh.compile.match import Packet
from snatsh.datapath.bpf_syscall import test_run as run_program
from snatsh.datapath.flows import now_ticks
from snatsh.datapath.gateway import Datapath
from snatsh.engine.host.facts import gather
from snatsh.lab.namespaces import PIN_FOLDER, Namespace, new_identity, remove, remove_orphans
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from tests import private_maps

FLOWS = 4096
XDP_DROP, XDP_PASS, XDP_REDIRECT = 1, 2, 4
TC_OK, TC_SHOT, TC_REDIRECT = 0, 2, 7

GATEWAY_MAC = "02:00:00:00:00:01"
INSIDE_HOST_MAC = "02:00:00:00:40:09"
ADDRESSES = {
    "eth0": IPv4Interface("192.168.40.1/24"),
    "eth1": IPv4Interface("1.1.2.2/24"),
    "eth2": IPv4Interface("1.1.3.2/24"),
}
# destination prefix -> gateway (None: on-link) and interface
ROUTES: dict[str, tuple[str | None, str]] = {
    "0.0.0.0/0": ("1.1.2.1", "eth1"),
    "203.0.113.0/24": ("1.1.3.1", "eth2"),
    "1.1.2.0/24": (None, "eth1"),
    "1.1.3.0/24": (None, "eth2"),
}
OWN = "192.168.40.1"
RECLAIM_TICKS = 16  # in which the datapath looks at each record once
PROHIBITED = (3, 13)
NEIGHBOURS = {"1.1.2.1": "eth1", "1.1.2.50": "eth1", "1.1.3.1": "eth2", "1.1.3.50": "eth2"}


@dataclass(frozen=True)
class Sent:
    """What became of a frame: the program's verdict, and the frame as it left."""

    verdict: str  # translated, passed, dropped, or refused: an error goes back
    redirected: bool
    frame: Any


class Rig:
    """Use `rig()`; methods only while it is open, in the thread that opened it."""

    def __init__(self, namespace: Namespace, pins: Path, hook: str, max_flows: int) -> None:
        self.hook = hook
        self.namespace = namespace
        self.facts = facts()
        self.datapath = Datapath.open(pins, max_flows=max_flows)
        self.image: Image | None = None

    def commit(self, document: dict[str, Any]) -> Image:
        """Commit rules and pools over the rig's own interfaces; quiet about refusals unless asked."""
        image = self.compiled(document)
        self.datapath.ensure(image.hooks)
        self.datapath.flip(self.datapath.stage(image))
        self.datapath.admit(image)
        self.image = image
        return image

    def compiled(self, document: dict[str, Any]) -> Image:
        interfaces = {"eth0": "inside", "eth1": "outside", "eth2": "outside"}
        mode = "xdp" if self.hook == "xdp" else "tc"
        own = {name: {"role": role, "hook": mode} for name, role in interfaces.items()}
        limits = {"refusals": 0, **document.get("limits", {})}
        profile = Profile.model_validate({"interfaces": own, **document, "limits": limits})
        return compile_profile(profile, self.facts)

    def end_flows(self) -> None:
        """All of them, expired ones too."""
        table = self.datapath.flow_table
        for records in table.parts():
            table.end(records["live"], force=True)

    def expire(self, *, but: int = 0) -> None:
        """The time of all flows and mappings is over, but of those with this inside port.

        The datapath may look at each again.
        """
        past = now_ticks() - 1
        for name in ("records", "eim_mappings"):
            keys, values = self.entries(name)
            of_record = name == "records"
            ports = values["key"]["source_port"] if of_record else values["inside_port"]
            (values["outbound"] if of_record else values)["expires"][ports != but] = past
            self.datapath.maps[name].put_all(keys, values)
        period = past // RECLAIM_TICKS
        while (now_ticks() - 1) // RECLAIM_TICKS <= period + 1:  # the kernel's coarse clock lags
            time.sleep(0.01)

    def forget(self) -> None:
        """Nothing is remembered of any packet, as if just loaded."""
        self.end_flows()
        self.clear("eim_mappings", "endpoints", "eim_peers", "stack_connections", "exempt_connections")
        self.clear("own_connections", "fragments", "refusal_rates", "released_ports", "allocators")
        self.datapath.clear_counters()
        private_maps.clear(self.datapath.programs.folder)

    def entries(self, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Keys and values of a map."""
        return self.datapath.maps[name].dump()

    def clear(self, *names: str) -> None:
        """Remove all entries of these maps."""
        for name in names:
            keys, _ = self.entries(name)
            self.datapath.maps[name].remove_all(keys)

    def subscriber(self, address: str = "192.168.40.9") -> dict[str, int]:
        """The counters of one inside address; zeros when it holds no flow."""
        keys, values = self.entries("subscribers")
        mine = values[keys == int(IPv4Address(address))]
        return {name: int(mine[name].sum()) for name in ("sessions", "half_open", "evicted")}

    def drops(self) -> dict[str, int]:
        """Dropped packets by reason, those that occurred."""
        return {reason: count.packets for reason, count in self.datapath.drops().items() if count.packets}

    def index(self, interface: str) -> int:
        return self.facts.interfaces[interface].index

    def route(self, destination: IPv4Address) -> tuple[str, IPv4Address]:
        """Interface and next hop by this rig's routing table."""
        prefix = max(
            (IPv4Network(p) for p in ROUTES if destination in IPv4Network(p)), key=lambda p: p.prefixlen
        )
        gateway, interface = ROUTES[str(prefix)]
        return interface, IPv4Address(gateway) if gateway else destination

    def packet(self, frame: Any, mark: int = 0) -> Packet:
        """The frame as the reference matcher sees it."""
        ip = frame[IP]
        source_port, destination_port = 0, 0
        if TCP in frame or UDP in frame:
            source_port, destination_port = ip.payload.sport, ip.payload.dport
        elif ICMP in frame:
            source_port = frame[ICMP].id
        destination = IPv4Address(ip.dst)
        interface, next_hop = self.route(destination)
        return Packet(
            IPv4Address(ip.src),
            destination,
            ip.proto,
            source_port,
            destination_port,
            self.index(interface),
            next_hop,
            mark,
        )

    def outbound(self, frame: Any, mark: int = 0) -> Sent:
        """A frame from an inside host: at eth0, or at the egress of the interface it is routed by."""
        if self.hook == "xdp":
            return self.xdp("xdp_inside", "eth0", frame)
        if self.hook == "tc":
            return self.tc("tc_inside", "eth0", frame, came_in="eth0")
        interface, _ = self.route(IPv4Address(frame[IP].dst))
        return self.tc("tc_outside_out", interface, frame, came_in="eth0", mark=mark)

    def inbound(self, frame: Any, interface: str) -> Sent:
        """A frame from outside."""
        if self.hook == "xdp":
            return self.xdp("xdp_outside", interface, frame)
        return self.tc("tc_outside_in", interface, frame)

    def xdp(self, program: str, interface: str, frame: Any) -> Sent:
        verdict, after = self.run_xdp(program, interface, bytes(frame))
        sent = Ether(after)
        if verdict == XDP_REDIRECT:
            return Sent("refused" if _is_refusal(sent) else "translated", True, sent)
        return Sent({XDP_DROP: "dropped", XDP_PASS: "passed"}[verdict], False, sent)

    def tc(self, program: str, interface: str, frame: Any, came_in: str | None = None, mark: int = 0) -> Sent:
        data = bytes(frame)
        verdict, after = self.run_tc(program, interface, data, came_in, mark)
        if verdict == TC_SHOT:
            return Sent("dropped", False, Ether(after))
        if after == data:
            return Sent("passed", False, Ether(after))
        sent = Ether(after)
        return Sent("refused" if _is_refusal(sent) else "translated", verdict == TC_REDIRECT, sent)

    def run_xdp(self, program: str, interface: str, data: bytes) -> tuple[int, bytes]:
        """Verdict and frame of one run."""
        context = struct.pack("=6I", 0, len(data), 0, self.index(interface), 0, 0)
        return run_program(self.datapath.programs[program], data, ctx=context)

    def run_tc(
        self, program: str, interface: str, data: bytes, came_in: str | None = None, mark: int = 0
    ) -> tuple[int, bytes]:
        """Verdict and frame of one run. came_in: the interface it arrived by, None for the box's own."""
        context = bytearray(192)
        struct.pack_into("=I", context, 8, mark)
        struct.pack_into("=2I", context, 36, self.index(came_in) if came_in else 0, self.index(interface))
        return run_program(self.datapath.programs[program], data, ctx=bytes(context))


def _is_refusal(frame: Any) -> bool:
    return ICMP in frame and (frame[ICMP].type, frame[ICMP].code) == PROHIBITED and frame[IP].src == OWN


@contextmanager
def rig(hook: str, max_flows: int = FLOWS) -> Iterator[Rig]:
    """Enter a rig in a private namespace; remove it afterwards."""
    with standing_rig(hook, max_flows) as opened, opened.namespace.entered():
        yield opened


@contextmanager
def standing_rig(hook: str, max_flows: int = FLOWS) -> Iterator[Rig]:
    """The same, not entered: what uses it does that."""
    remove_orphans()
    identity = new_identity()
    namespace = Namespace("gw", f"snatsh-lab-{identity}.gw")
    try:
        _ip("netns", "add", namespace.name)
        _configure(namespace.name)
        with namespace.entered():
            opened = Rig(namespace, PIN_FOLDER / f"snatsh-lab-{identity}", hook, max_flows)
        try:
            yield opened
        finally:
            with namespace.entered():
                opened.datapath.remove()
    finally:
        remove(identity)


def _configure(name: str) -> None:
    lines = ["link set lo up"]
    for device, address in ADDRESSES.items():
        lines += [
            f"link add {device} address {GATEWAY_MAC} type veth peer name {device}p",
            f"addr add {address} dev {device}",
            f"link set {device}p up",
            f"link set {device} up",
        ]
    for prefix, (gateway, device) in ROUTES.items():
        if gateway:
            lines.append(f"route add {prefix} via {gateway} dev {device}")
    for number, (neighbor, device) in enumerate(NEIGHBOURS.items()):
        lines.append(f"neigh add {neighbor} lladdr 02:00:00:00:01:{number:02x} dev {device} nud permanent")
    lines.append("route add 192.168.0.0/16 via 192.168.40.9 dev eth0")
    lines.append("route add 10.0.0.0/8 via 192.168.40.9 dev eth0")
    for host in ("192.168.40.9", "192.168.40.10"):
        lines.append(f"neigh add {host} lladdr {INSIDE_HOST_MAC} dev eth0 nud permanent")
    subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines), text=True, check=True)
    Namespace("gw", name).sysctl({"ipv4/ip_forward": "1"})


def facts() -> Facts:
    found = gather()
    return Facts({name: found.interfaces[name] for name in ADDRESSES})


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def internet_sum(data: bytes) -> int:
    """RFC 1071 over `data`: 0xffff (or 0) when a checksum in it is right."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksums_right(frame: Any) -> bool:
    """Every checksum of the frame, recomputed in full: IP, TCP or UDP (0 allowed), ICMP."""
    packet = bytes(frame)[14:]
    header = (packet[0] & 15) * 4
    protocol, body = packet[9], packet[header : int.from_bytes(packet[2:4], "big")]
    if internet_sum(packet[:header]) != 0xFFFF:
        return False
    if protocol == 1:
        return internet_sum(body) == 0xFFFF
    if protocol == 17 and body[6:8] == b"\0\0":
        return True
    pseudo = packet[12:20] + struct.pack("!2H", protocol, len(body))
    return internet_sum(pseudo + body) == 0xFFFF
