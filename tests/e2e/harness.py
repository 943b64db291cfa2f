# SPDX-License-Identifier: Apache-2.0
"""A gateway in the lab network with real servers behind it, and checks that nothing leaks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from snatsh.client import Busy
from snatsh.engine.storage.json_record import CHECKSUM
from snatsh.lab import services
from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import INSIDE_PREFIX, demo
from snatsh.lab.watch import Watch
from snatsh.model.document.document import Document
from snatsh.model.values import AddressRange
from tests.e2e import datapaths

# Pools `a` and `c` are isp-a's, `b` and `d` isp-b's.
POOLS = {
    "a": "1.1.2.100-1.1.2.110",
    "b": "1.1.3.100-1.1.3.110",
    "c": "1.1.2.120-1.1.2.130",
    "d": "1.1.3.120-1.1.3.130",
}
PORTS = range(1024, 65536)
UPLINKS = {"isp-a": ("a", "c"), "isp-b": ("b", "d")}
VIA_A, VIA_B = "8.8.8.8", "203.0.113.9"
"""Servers that routing reaches by isp-a and by isp-b."""

# An ordinary user who may read every file, wherever this repository lies, and nothing else.
READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *READS_ALL)


def document(hook: str, pool_a: str = "a", pool_b: str = "b") -> Document:
    """The tests' rule set: what leaves by isp-a gets `pool_a`, what leaves by isp-b `pool_b`."""
    return {
        "interfaces": {
            "eth0": {"role": "inside", "hook": hook},
            "eth1": {"role": "outside", "hook": hook},
            "eth2": {"role": "outside", "hook": hook},
        },
        "links": {
            "isp-a": {"interface": "eth1", "next-hop": "1.1.2.1"},
            "isp-b": {"interface": "eth2", "next-hop": "1.1.3.1"},
        },
        "pools": {name: {"address": [addresses]} for name, addresses in POOLS.items()},
        "rules": {
            "10": {"source": INSIDE_PREFIX, "out-interface": "eth1", "pool": pool_a},
            "20": {"source": INSIDE_PREFIX, "out-interface": "eth2", "pool": pool_b},
        },
    }


def addresses(*pools: str) -> set[str]:
    """Every address of these pools."""
    ranges = [AddressRange.parse(POOLS[name]) for name in pools]
    return {str(part.first + offset) for part in ranges for offset in range(part.size)}


class Gateway:
    """snatd at work in the lab."""

    def __init__(self, lab: Lab, hook: str) -> None:
        self.lab = lab
        self.hook = hook
        self.snatd = Snatd(lab)
        self.client = lab["client-a"]
        self.other_client = lab["client-b"]

    def start(self) -> None:
        profile = self.lab.folder / "profile.yaml"
        profile.write_text(yaml.safe_dump(document(self.hook)))
        self.snatd.start(profile)

    def commit(self, *statements: str) -> str:
        """Commit through the operator's shell; what it printed."""
        return self.snatd.shell("configure", *statements, "commit").stdout

    def reset(self, seconds: float = 15) -> None:
        """Return to the first profile once no other commit is running."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.snatd.client.replace_candidate(document(self.hook))
                self.snatd.client.commit(and_confirm=True)
            except Busy:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def drops(self) -> dict[str, int]:
        return {row.reason: row.packets for row in self.snatd.client.drops().drops}


def seen_from(
    gateway: Gateway, server: str = VIA_A, *, client: str = "client-a", seconds: float = 5.0
) -> str:
    """The source address that a server sees of a new connection, empty when there is no reply."""
    fetch = ("curl", "-sS", "--max-time", str(seconds), f"http://{server}/")
    return gateway.client.run(*fetch, check=False).stdout.strip().replace(":", " ").partition(" ")[0]


def edit_record(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change a record of the state folder while snatd is stopped."""
    content = json.loads(file.read_text())
    edit(content)
    del content[CHECKSUM]  # as versions without one wrote it
    file.write_text(json.dumps(content))


@contextmanager
def running_gateway(hook: str, kind: type[Gateway] = Gateway) -> Iterator[Gateway]:
    with Lab(demo()) as lab:
        services.start(lab)
        gateway = kind(lab, hook)
        with datapaths.lent(gateway.snatd, hook):
            gateway.start()
            yield gateway


class Watches:
    """What the providers must not see: the first hop counts it, so that nothing hides it."""

    def __init__(self, lab: Lab, stack: ExitStack, own: Mapping[str, Sequence[str]]) -> None:
        self._watches: list[tuple[str, Watch]] = []
        for provider, pools in UPLINKS.items():
            sources = [*sorted(addresses(*pools)), *own.get(provider, ())]
            allowed = " or ".join(f"src host {address}" for address in sources)
            theirs = "".join(f"not src host {address} and " for address in own.get(provider, ()))
            for what, expression in {
                "untranslated": f"ip src net {INSIDE_PREFIX}",
                "with a source outside the pools": f"ip and not ({allowed})",
                "with a port outside the pools": f"{theirs}ip and (tcp or udp) and src portrange 0-1023",
            }.items():
                watch = stack.enter_context(Watch(lab[provider], "eth0", expression))
                self._watches.append((f"{provider} saw packets {what}", watch))

    def assert_silent(self) -> None:
        wrong = [
            f"{what}: {count}, the first: {watch.example()}"
            for what, watch in self._watches
            if (count := watch.count())
        ]
        assert not wrong, "\n".join(wrong)


@contextmanager
def no_leak(lab: Lab, own: Mapping[str, Sequence[str]] | None = None) -> Iterator[Watches]:
    """Nothing leaves the gateway by an uplink but from addresses and ports of the pools.

    own: by provider addresses of the gateway's that may be seen too.
    """
    with ExitStack() as stack:
        watches = Watches(lab, stack, own or {})
        yield watches
        watches.assert_silent()
