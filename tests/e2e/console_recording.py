# SPDX-License-Identifier: Apache-2.0
"""Makes the recording that pictures and screen tests play: a real gateway with real traffic, and something
of everything on it. `make recording`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import yaml

from snatsh.client import Client
from snatsh.lab.namespaces import Lab
from snatsh.tui.app import Top
from snatsh.tui.recording import RecordingClient
from tests.e2e.harness import Gateway, document, running_gateway

RECORDING = Path(__file__).parents[1] / "unit" / "tui" / "session.jsonl.gz"
TRAFFIC = {"client-a": ("8.8.8.8", "203.0.113.9"), "client-b": ("1.0.0.1", "203.0.113.9")}
SIZE = (200, 60)


class Busy(Gateway):
    """With a monitored link, a small pool, a limit that one reaches, an idle rule, and a forbidden host."""

    def start(self) -> None:
        profile = document(self.hook)
        profile["system"] = {"host-name": "gw1"}
        profile["links"]["isp-a"]["monitor"] = {"icmp": {"target": ["8.8.8.8"]}, "interval": 500}
        profile["pools"]["small"] = {"address": ["1.1.2.140"], "ports": "2000-2039"}
        profile["rules"]["5"] = {"source": "192.168.40.0/24", "destination": "1.0.0.1/32", "pool": "small"}
        for rule in ("10", "20"):
            profile["rules"][rule]["mapping"] = "endpoint-independent"
        profile["rules"]["30"] = {"source": "10.0.0.0/8", "pool": "c"}
        profile["rules"]["40"] = {
            "source": "192.168.40.0/24", "destination": "198.18.0.0/15", "action": "drop",
        }  # fmt: skip
        profile["limits"] = {"subscriber": {"sessions": 220}}
        path = self.lab.folder / "profile.yaml"
        path.write_text(yaml.safe_dump(profile))
        self.snatd.start(path)


def traffic(lab: Lab) -> None:
    for client, targets in TRAFFIC.items():
        lab.spawn(client, sys.executable, "-m", "snatsh.lab.traffic", *targets, log=f"{client}.log")
    lab.spawn("client-a", "ping", "-i", "0.5", "198.18.1.2", log="ping.log")  # a rule drops it


async def look_around(client: Client) -> None:
    """Every screen for a while, as an operator would go through them."""
    app = Top(client)
    async with app.run_test(size=SIZE) as pilot:
        await asyncio.sleep(12)
        for key in "2345678":
            await pilot.press(key)
            await asyncio.sleep(2.5)
        await pilot.press("2", "slash", *"established", "enter")
        await asyncio.sleep(1)
        await pilot.press("enter")
        await asyncio.sleep(6)
        await pilot.press("escape", "escape")
        for _ in range(5):
            await pilot.press("g")
            await asyncio.sleep(1.5)
        await pilot.press("7", "h")
        await asyncio.sleep(1)
        await pilot.press("enter")
        await asyncio.sleep(1)


def record_mappings(client: Client) -> None:
    """The oldest, which are of several hosts, each with its flows as its row opens them."""
    for row in client.mappings(limit=12, sort="age").mappings:
        own: dict[str, str | int] = {
            "mapped": row.mapped,
            "mapped_port": row.mapped_port,
            "protocol": row.protocol,
        }
        client.live_flows({"sort": "rate", "offset": 0, "limit": SIZE[1], **own})


def main() -> None:
    RECORDING.parent.mkdir(parents=True, exist_ok=True)
    with running_gateway("xdp", Busy) as gateway:
        traffic(gateway.lab)
        time.sleep(15)
        client = gateway.snatd.client
        gateway.commit('set rules 10 description "customers by isp-a"')
        gateway.snatd.shell("configure", "set rules 20 pool d", "commit confirmed 5")
        changes = ("set pools a exclude 1.1.2.105", "delete rules 30", "set rules 50 action drop")
        gateway.snatd.shell("configure", *changes, "set rules 50 source 192.168.99.0/24")
        gateway.snatd.shell("request link isp-b down")
        recorder = RecordingClient(client.path, RECORDING)
        record_mappings(recorder)
        asyncio.run(look_around(recorder))
        recorder.close()


if __name__ == "__main__":
    main()
