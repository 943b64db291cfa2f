# SPDX-License-Identifier: Apache-2.0
"""Builds a topology in network namespaces, and removes it.

The name of a lab contains the process that owns it, so that the next run recognizes and removes what a killed
one left behind (`remove_orphans`). Labs can run side by side. The network of the host is never changed: each
interface is created inside its namespace.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from snatsh.lab.topology import LabNode, LabPort, Topology
from snatsh.model.errors import SnatshError

NETNS_FOLDER = Path("/run/netns")
RUN_FOLDER = Path("/run/snatsh-lab")
PIN_FOLDER = Path("/sys/fs/bpf")
NAME = re.compile(r"snatsh-lab-(?P<identity>(?P<pid>\d+)-(?P<started>\d+)-\d+)(?:\.(?P<node>.+))?")
CLONE_NEWNET = 0x40000000

_serials = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(SnatshError):
    """The lab, or a program in it, failed."""


class Namespace:
    """A node of a running lab."""

    def __init__(self, node: str, name: str) -> None:
        self.node = node
        self.name = name
        self.path = NETNS_FOLDER / name

    def command(self, *argv: str) -> list[str]:
        """The argument list that runs `argv` in the namespace.

        Not `ip netns exec`, which mounts a new /sys without bpffs.
        """
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(
        self,
        *argv: str,
        timeout: float = 60,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to completion. LabError with the output when it fails and `check` is set."""
        result = subprocess.run(
            self.command(*argv),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=None if env is None else {**os.environ, **env},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            check=False,
        )
        if check and result.returncode:
            said = (result.stderr.strip() or result.stdout.strip())[-2000:]
            raise LabError(f"{self.node}: {' '.join(argv)}: exit status {result.returncode}: {said}")
        return result

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread into this namespace. Sockets it opens remain in it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _set_namespace(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _set_namespace(home)
        finally:
            os.close(home)

    def sysctl(self, settings: Mapping[str, str]) -> None:
        """Set kernel parameters of this namespace, named as paths below /proc/sys/net."""
        with self.entered():
            for name, value in settings.items():
                Path("/proc/sys/net", name).write_text(value)

    def dropped(self) -> dict[str, int]:
        """Packets that the kernel dropped at each interface, errors included."""
        found = {}
        for link in json.loads(_ip("-n", self.name, "-json", "-statistics", "link", "show")):
            sides = (link["stats64"]["rx"], link["stats64"]["tx"])
            found[link["ifname"]] = sum(side["dropped"] + side["errors"] for side in sides)
        return found

    def pids(self) -> list[int]:
        """Processes in the namespace; none when it is gone."""
        try:
            return [int(pid) for pid in _ip("netns", "pids", self.name).split()]
        except LabError:
            if self.path.exists():
                raise
            return []


def new_identity() -> str:
    """Return an identity that names this process, so that `remove_orphans` can tell whose it was."""
    return f"{os.getpid()}-{_started(os.getpid())}-{next(_serials)}"


class Lab:
    """A running topology. A context manager; leaving it removes everything that was created."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.identity = new_identity()
        self.folder = RUN_FOLDER / f"snatsh-lab-{self.identity}"
        self.pins = PIN_FOLDER / f"snatsh-lab-{self.identity}"
        self._nodes = {
            node.name: Namespace(node.name, f"snatsh-lab-{self.identity}.{node.name}")
            for node in topology.nodes
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def __getitem__(self, node: str) -> Namespace:
        return self._nodes[node]

    def __enter__(self) -> Lab:
        remove_orphans()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def spawn(
        self, node: str, *argv: str, log: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process that ends with the lab. Its output goes to `log` in the lab's folder."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                self[node].command(*argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,  # Ctrl-C at the terminal is left to the lab's owner
            )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kill all processes and remove the lab."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()
        remove(self.identity)

    def _build(self) -> None:
        self.folder.mkdir(parents=True, mode=0o755)
        _ip("-batch", "-", stdin="".join(f"netns add {ns.name}\n" for ns in self._nodes.values()))
        for ns in self._nodes.values():
            ns.sysctl(BEFORE_PORTS)
        for node in self.topology.nodes:
            self._batch(node.name, *(f"link add {bridge} type bridge" for bridge in node.bridges))
        for cable in self.topology.cables:
            self._batch(
                cable.a.node,
                f"link add {cable.a.name} {_mac(cable.a)} type veth peer name {cable.b.name} {_mac(cable.b)}"
                f" netns {self[cable.b.node].name}",
            )
        # Before any port is up: that is when a veth checks whether its peer accepts redirected frames.
        for port in self.topology.ports():
            offloads = ("tx", "on" if port.tx_checksum else "off", "gro", "on" if port.gro else "off")
            self[port.node].run("ethtool", "-K", port.name, *offloads)
        for node in self.topology.nodes:
            self._configure(node, [port for port in self.topology.ports() if port.node == node.name])

    def _configure(self, node: LabNode, ports: list[LabPort]) -> None:
        lines = ["link set lo up"]
        lines += [f"address add {address}/32 dev lo" for address in node.loopback]
        lines += [f"link set {bridge} up" for bridge in node.bridges]
        for port in ports:
            if port.address:
                lines.append(f"address add {port.address} dev {port.name}")
            lines.append(f"link set {port.name} {f'master {port.bridge}' if port.bridge else ''} up")
        for route in node.routes:
            mtu = f"mtu lock {route.mtu}" if route.mtu else ""
            lines.append(f"route add {route.destination} via {route.via} {mtu}")
        self._batch(node.name, *lines)
        if node.forwards:
            self[node.name].sysctl({"ipv4/ip_forward": "1"})

    def _batch(self, node: str, *lines: str) -> None:
        if lines:
            _ip("-n", self[node].name, "-batch", "-", stdin="\n".join(lines) + "\n")


# IPv6 would add unrelated packets. The two links are asymmetric by design, so no reverse path filter.
BEFORE_PORTS = {
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/icmp_ratelimit": "0",  # traceroute gets a reply from each hop
    "ipv4/ping_group_range": "0 2147483647",
}


def remove_orphans() -> list[str]:
    """Remove all labs whose owner is gone; return their identities."""
    folders = [NETNS_FOLDER, RUN_FOLDER, PIN_FOLDER]
    names = (path.name for folder in folders if folder.is_dir() for path in folder.iterdir())
    matches = [match for name in names if (match := NAME.fullmatch(name))]
    orphans = {match["identity"] for match in matches if _started(int(match["pid"])) != int(match["started"])}
    for identity in sorted(orphans):
        remove(identity)
    return sorted(orphans)


def remove(identity: str) -> None:
    """Remove a lab: processes, namespaces, pinned BPF objects and files, as far as they exist."""
    spaces = [Namespace("", path.name) for path in NETNS_FOLDER.glob(f"snatsh-lab-{identity}.*")]
    for space in spaces:
        for pid in space.pids():
            if pid != os.getpid():
                _kill(pid)
    for space in spaces:
        try:
            _ip("netns", "delete", space.name)
        except LabError:
            if space.path.exists():  # otherwise another run removed it
                raise
    for folder in (RUN_FOLDER, PIN_FOLDER):
        shutil.rmtree(folder / f"snatsh-lab-{identity}", ignore_errors=True)


def _started(pid: int) -> int:
    """Start time of a process in clock ticks since boot, 0 without one. Detects a reused pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _mac(port: LabPort) -> str:
    return f"address {port.mac}" if port.mac else ""


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise LabError(f"can't enter a network namespace: {os.strerror(number)}; expected root")


def _ip(*argv: str, stdin: str | None = None) -> str:
    result = subprocess.run(["ip", *argv], capture_output=True, text=True, input=stdin, check=False)
    if result.returncode:
        where = " ".join(argv)
        raise LabError(f"ip {where}: {result.stderr.strip()}" + (f"\nfor: {stdin.strip()}" if stdin else ""))
    return result.stdout


if __name__ == "__main__":
    for orphan in remove_orphans():
        print(f"removed lab {orphan}")
