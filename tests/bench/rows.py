"""What is measured: a gateway each, between the one generator and a sink of its own, all up at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import yaml
from frames import INSIDE, Frames

from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import Cable, Node, Port, Route, Topology

INSIDE_MAC = "02:00:00:00:40:01"
NEXT_HOP_MAC = "02:00:00:00:02:01"
POOL = "1.1.2.100-1.1.2.110"
MAX_FLOWS = 1 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """`prepare` turns the row's plain router into what the row is about."""

    name: str
    hook: str | None
    prepare: Callable[[Lab, Row, Frames], None]
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


def topology(rows: list[Row]) -> Topology:
    nodes = [Node("generator")]
    cables = []
    for number, row in enumerate(rows):
        nodes.append(Node(row.gateway, forwards=True, routes=(Route("default", "1.1.2.1"),)))
        nodes.append(Node(row.sink, routes=(Route("default", "1.1.2.2"),)))
        # Receive offload gives a veth the queue that takes redirected frames.
        inside = Port(row.gateway, "eth0", f"{INSIDE[1]}/{INSIDE.prefixlen}", gro=True, mac=INSIDE_MAC)
        cables.append(Cable(inside, Port("generator", f"to{number}")))
        next_hop = Port(row.sink, "eth0", "1.1.2.1/24", mac=NEXT_HOP_MAC)
        cables.append(Cable(Port(row.gateway, "eth1", "1.1.2.2/24"), next_hop))
    return Topology(tuple(nodes), tuple(cables))


def _plain(lab: Lab, row: Row, frames: Frames) -> None:
    pass


def _shortcut(lab: Lab, row: Row, frames: Frames) -> None:
    frames.attach_shortcut(lab[row.gateway], "eth0", "eth1", NEXT_HOP_MAC)


def _iptables(lab: Lab, row: Row, frames: Frames) -> None:
    _spare_checksums(lab, row)
    snat = ("-j", "SNAT", "--to-source", POOL)
    lab[row.gateway].run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth1", *snat)


def _nft(lab: Lab, row: Row, frames: Frames) -> None:
    _spare_checksums(lab, row)
    rules = f"""
    table ip nat {{
        chain postrouting {{
            type nat hook postrouting priority srcnat
            oifname eth1 snat to {POOL}
        }}
    }}
    """
    lab[row.gateway].run("nft", "-f", "-", stdin=rules)


def _snatsh(lab: Lab, row: Row, frames: Frames) -> None:
    profile = lab.folder / f"{row.label}.yaml"
    profile.write_text(yaml.safe_dump(_document(str(row.hook))))
    Snatd(lab, row.gateway).start(profile, "--max-flows", str(MAX_FLOWS))


def _document(hook: str) -> dict[str, object]:
    return {
        "interfaces": {
            "eth0": {"role": "inside", "hook": hook},
            "eth1": {"role": "outside", "hook": hook},
        },
        "pools": {"a": {"address": [POOL]}},
        "rules": {"10": {"source": str(INSIDE), "out-interface": "eth1", "pool": "a"}},
    }


def _spare_checksums(lab: Lab, row: Row) -> None:
    """A network card verifies check sums; connection tracking must not pay for a veth that does not."""
    lab[row.gateway].sysctl({"netfilter/nf_conntrack_checksum": "0"})


LIMIT = Row("xdp-redirect", "xdp", _shortcut, translates=False)
IPTABLES = Row("iptables", None, _iptables)
ROWS = [
    LIMIT,
    Row("forward", None, _plain, translates=False),
    IPTABLES,
    Row("nft", None, _nft),
    Row("snatsh", "xdp", _snatsh),
    Row("snatsh", "tc", _snatsh),
]
