# SPDX-License-Identifier: Apache-2.0
"""A new flow table takes over from the old one under new flows: of another layout, and of another size."""

from __future__ import annotations

import sys

from snatsh.lab.gateway import Snatd
from tests.e2e.flow_stream import Stream
from tests.e2e.harness import Gateway, document, no_leak
from tests.waiting import wait

SERVER = "8.8.8.8"
EVERY, MOST = 0.004, 20_000
OTHER_LAYOUT = """
import sys
from pathlib import Path
from snatsh.datapath import map_writer, maps
from snatsh.datapath.hooks import attach
from snatsh.datapath.loading.recovery import pinned_set

maps.LAYOUT_VERSION = "0badcafe"
plain = attach.Attacher._attach

def attach_and_tell(self, netlink, wish, link):
    pins = Path(sys.argv[sys.argv.index("--pins") + 1])
    (folder,) = pins.glob("v0badcafe-*")
    found = pinned_set(folder)
    generation = int(found.maps["control"].dump()[1]["generation"][0])
    print("attached with rules", sorted(map_writer.running_rules(found.maps, generation & 1)), flush=True)
    found.close()
    plain(self, netlink, wish, link)

attach.Attacher._attach = attach_and_tell
from snatsh.daemon.main import main
sys.exit(main(sys.argv[1:]))
"""


def use_other_layout(snatd: Snatd) -> None:
    """Make this snatd one of a release whose maps differ. It logs the rules in force at each attach."""
    plain = snatd.command

    def command(*options: str) -> list[str]:
        return [sys.executable, "-c", OTHER_LAYOUT, *plain(*options)[1:]]

    snatd.command = command  # type: ignore[method-assign]


def test_new_layout_leaks_nothing_under_new_flows(fresh_gateway: Gateway) -> None:
    snatd = fresh_gateway.snatd
    with no_leak(fresh_gateway.lab), Stream(fresh_gateway.client, SERVER, every=EVERY, most=MOST) as stream:
        wait(lambda: len(stream.attempts) > 200, "flows")
        assert snatd.stop() == 0
        use_other_layout(snatd)
        snatd.start()
        begun = len(stream.attempts)
        wait(lambda: len(stream.attempts) > begun + 200, "flows of the new table")
    assert stream.attempts[begun + 50].source, "translated by the new programs"
    assert [path.name[:9] for path in snatd.pins.glob("*v*-*")] == ["v0badcafe"]
    said = snatd.log.read_text().splitlines()
    assert any("cannot be taken over" in line for line in said)
    attached = [line for line in said if line.startswith("attached with rules")]
    assert len(attached) >= len(document(fresh_gateway.hook)["interfaces"])
    assert set(attached) == {"attached with rules [10, 20]"}, "before any program is attached"


def test_gauges_are_right_after_new_table_size_under_new_flows(fresh_gateway: Gateway) -> None:
    snatd = fresh_gateway.snatd
    fresh_gateway.commit(
        "set limits flows 300000", "set timeouts udp unreplied 5", "set timeouts udp replied 5"
    )
    with no_leak(fresh_gateway.lab), Stream(fresh_gateway.client, SERVER, every=EVERY, most=MOST) as stream:
        wait(lambda: len(stream.attempts) > 300, "flows")
        snatd.kill()
        snatd.start()
        begun = len(stream.attempts)
        wait(lambda: len(stream.attempts) > begun + 200, "flows of the new table")

    def gauges() -> tuple[int, int, int]:
        flows = snatd.client.flows(limit=1).total
        pools = sum(row.active.tcp + row.active.udp + row.active.icmp for row in snatd.client.pools())
        return flows, pools, sum(row.sessions for row in snatd.client.subscribers().subscribers)

    wait(lambda: gauges() == (0, 0, 0), "an empty table and empty gauges", 30)
