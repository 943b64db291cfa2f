# SPDX-License-Identifier: Apache-2.0
"""The gateways to measure: each between the common generator and a private sink, all up at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml

from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import Cable, LabNode, LabPort, LabRoute, Topology
from tests.bench.generator import INSIDE, Frames

INSIDE_MAC = "02:00:00:00:40:01"
NEXT_HOP_MAC = "02:00:00:00:02:01"
POOL = "1.1.2.64-1.1.2.127"
UDP_TIMEOUT = 900  # seconds, everywhere: no flow ends while others are measured
LENGTHS = range(25, 33)  # of the source prefixes in a large rule set
ALGORITHM = "source-destination-hash"


@dataclass(frozen=True, slots=True)
class Row:
    """`prepare` turns the row's plain router into what the row is about, with room for so many flows."""

    name: str
    hook: str | None
    prepare: Callable[[Lab, Row, Frames, int], None]
    translates: bool = True

    @property
    def label(self) -> str:
        return f"{self.name}-{self.hook}" if self.hook else self.name

    @property
    def gateway(self) -> str:
        return f"gateway-{self.label}"

    @property
    def sink(self) -> str:
        return f"sink-{self.label}"

    def snatd(self, lab: Lab) -> Snatd:
        """Its snatd, where it has one."""
        return Snatd(lab, self.gateway)


def topology(rows: list[Row]) -> Topology:
    nodes = [LabNode("generator")]
    cables = []
    for number, row in enumerate(rows):
        nodes.append(LabNode(row.gateway, forwards=True, routes=(LabRoute("default", "1.1.2.1"),)))
        nodes.append(LabNode(row.sink, routes=(LabRoute("default", "1.1.2.2"),)))
        # Receive offload gives a veth the queue that takes redirected frames.
        inside = LabPort(row.gateway, "eth0", f"{INSIDE[1]}/{INSIDE.prefixlen}", gro=True, mac=INSIDE_MAC)
        cables.append(Cable(inside, LabPort("generator", port(number), gro=True)))
        next_hop = LabPort(row.sink, "eth0", "1.1.2.1/24", mac=NEXT_HOP_MAC)
        cables.append(Cable(LabPort(row.gateway, "eth1", "1.1.2.2/24", gro=True), next_hop))
    return Topology(tuple(nodes), tuple(cables))


def port(number: int) -> str:
    """The generator's port towards the gateway of the row with this number."""
    return f"to{number}"


def _plain(lab: Lab, row: Row, frames: Frames, room: int) -> None:
    pass


def _shortcut(lab: Lab, row: Row, frames: Frames, room: int) -> None:
    frames.attach_shortcut(lab[row.gateway], "eth0", "eth1", NEXT_HOP_MAC)


def _forwarder(lab: Lab, row: Row, frames: Frames, room: int) -> None:
    neighbour = ("1.1.2.1", "lladdr", NEXT_HOP_MAC, "dev", "eth1", "nud", "permanent")
    lab[row.gateway].run("ip", "neigh", "replace", *neighbour)
    frames.attach_forwarder(lab[row.gateway], "eth0")


def _iptables(lab: Lab, row: Row, frames: Frames, room: int) -> None:
    _even_out(lab, row)
    snat = ("-j", "SNAT", "--to-source", POOL)
    lab[row.gateway].run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth1", *snat)


def _nft(lab: Lab, row: Row, frames: Frames, room: int) -> None:
    _even_out(lab, row)
    rules = f"""
    table ip nat {{
        chain postrouting {{
            type nat hook postrouting priority srcnat
            oifname eth1 snat to {POOL}
        }}
    }}
    """
    lab[row.gateway].run("nft", "-f", "-", stdin=rules)


def _even_out(lab: Lab, row: Row) -> None:
    """Connection tracking gets our timeouts, and is spared what a network card does: verifying check sums."""
    settings = {"conntrack_checksum": "0", "conntrack_udp_timeout": str(UDP_TIMEOUT)}
    lab[row.gateway].sysctl({f"netfilter/nf_{name}": value for name, value in settings.items()})


def snatsh(lab: Lab, row: Row, frames: Frames, room: int, rules: int = 0, **options: str) -> None:
    profile = lab.folder / f"{row.label}.yaml"
    profile.write_text(yaml.safe_dump(document(str(row.hook), rules, **options)))
    row.snatd(lab).start(profile, "--max-flows", str(room), seconds=120)


def document(hook: str, others: int = 0, pool: str = POOL, **options: str) -> dict[str, Any]:
    """The traffic's rule, with these options, and so many that it does not match, of eight prefix lengths."""
    own = {"source": str(INSIDE), "out-interface": "eth1", "pool": "a", "algorithm": ALGORITHM, **options}
    return {
        "interfaces": {
            "eth0": {"role": "inside", "hook": hook},
            "eth1": {"role": "outside", "hook": hook},
        },
        "pools": {"a": {"address": [pool]}},
        "rules": {
            "1": own,
            **{str(10 + at): {"source": _elsewhere(at), "pool": "a"} for at in range(others)},
        },
        "timeouts": {"udp": {"unreplied": UDP_TIMEOUT, "replied": UDP_TIMEOUT}},
    }


def _elsewhere(number: int) -> str:
    length = LENGTHS[number % len(LENGTHS)]
    block = number // len(LENGTHS)
    return f"172.{16 + block // 256}.{block % 256}.{0 if length < 32 else 1}/{length}"


LIMIT = Row("xdp-redirect", "xdp", _shortcut, translates=False)
IPTABLES = Row("iptables", None, _iptables)
XDP, TC = Row("snatsh", "xdp", snatsh), Row("snatsh", "tc", snatsh)
FEW_RULES = Row("snatsh-10-rules", "xdp", partial(snatsh, rules=9))
MANY_RULES = Row("snatsh-10000-rules", "xdp", partial(snatsh, rules=9_999))
ROWS = [
    LIMIT,
    Row("xdp-forward", "xdp", _forwarder, translates=False),
    Row("forward", None, _plain, translates=False),
    IPTABLES,
    Row("nft", None, _nft),
    XDP,
    TC,
]
TRANSLATING = [row for row in ROWS if row.translates]
