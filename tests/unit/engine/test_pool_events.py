# SPDX-License-Identifier: Apache-2.0
"""Events of pools that fill up."""

from __future__ import annotations

import numpy as np

from snatsh.engine.pools.events import PoolEvents
from snatsh.engine.pools.usage import PoolUse, use_of


def use(used: int, exhausted: int = 0) -> list[PoolUse]:
    active = {"tcp": used, "udp": used // 2, "icmp": 0}
    return [PoolUse("a", 1000, active, exhausted=exhausted)]


def test_rising_fill_levels_are_reported_once() -> None:
    watch = PoolEvents()
    output = [watch.look(use(used)) for used in (0, 799, 800, 850, 949, 950, 999, 1000, 1000)]
    assert output == [
        [], [],
        ["pool a has reached 80 %: 800 of 1,000 ports in use"], [], [],
        ["pool a has reached 95 %: 950 of 1,000 ports in use"], [],
        ["pool a has reached 100 %: 1,000 of 1,000 ports in use"], [],
    ]  # fmt: skip


def test_fill_levels_have_hysteresis() -> None:
    watch = PoolEvents()
    output = [watch.look(use(used)) for used in (960, 940, 910, 899, 860, 760, 740, 810)]
    assert output == [
        ["pool a has reached 95 %: 960 of 1,000 ports in use"], [], [],
        ["pool a is below 95 % again: 899 of 1,000 ports in use"], [], [],
        ["pool a is below 80 % again: 740 of 1,000 ports in use"],
        ["pool a has reached 80 %: 810 of 1,000 ports in use"],
    ]  # fmt: skip


def test_refused_flow_reports_the_pool_as_full() -> None:
    """Towards one destination a pool may be full while most of its ports are free for others."""
    watch = PoolEvents()
    assert watch.look(use(10, exhausted=7)) == [], "what was refused before the first look is old"
    assert watch.look(use(10, exhausted=9)) == [
        "pool a has reached 100 %: 10 of 1,000 ports in use, 2 new flows found none free"
    ]
    assert watch.look(use(10, exhausted=12)) == []
    assert watch.look(use(10, exhausted=12)) == ["pool a is below 100 % again: 10 of 1,000 ports in use"]


def test_deleted_pools_are_forgotten() -> None:
    watch = PoolEvents()
    watch.look(use(1000))
    watch.look([])
    assert len(watch.look(use(1000))) == 1


def test_usage_is_summed_over_the_address_ranges_of_a_pool() -> None:
    from snatsh.compile.image import PoolImage
    from snatsh.model.values import AddressRange, PortRange

    runs = (AddressRange.parse("1.1.2.100-1.1.2.101"), AddressRange.parse("1.1.2.110"))
    kind = [(name, "u8") for name in ("address", "tcp", "udp", "icmp", "created", "exhausted")]
    base = int(AddressRange.parse("1.1.2.0").first)
    rows = np.array([(base + host, 10, host, 0, 0, 1) for host in (99, 100, 101, 102, 110)], dtype=kind)
    found = use_of(PoolImage("a", runs, PortRange(1024, 1123), False), rows)
    active = {"tcp": 30, "udp": 100 + 101 + 110, "icmp": 0}
    assert found == PoolUse("a", 300, active, exhausted=3)
    assert found.used == 311
