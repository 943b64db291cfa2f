# SPDX-License-Identifier: Apache-2.0
"""Alarms are listed by severity."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Interface

from msgspec.structs import replace

from snatsh.api.interfaces import HookMode, InterfaceState, InterfaceSummary
from snatsh.engine.config.commit import Plan, examine
from snatsh.engine.config.confirm import ConfirmRecord, UnconfirmedCommit
from snatsh.engine.links.manager import LinkState
from snatsh.engine.pools.usage import PoolUse
from snatsh.engine.status.alarms import AlarmInputs, alarm_rows
from snatsh.model.facts import Facts, InterfaceFacts

NOW = datetime.now(UTC)
DOCUMENT = {
    "interfaces": {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}},
    "pools": {"a": {"address": ["192.0.2.9"]}},
    "rules": {"10": {"source": "10.0.0.0/8", "pool": "a"}},
}


def plan(datapath: str) -> Plan:
    interfaces = {
        name: InterfaceFacts(index, bytes(6), 1500, True, (IPv4Interface(address),))
        for index, (name, address) in enumerate((("eth0", "10.0.0.1/8"), ("eth1", "192.0.2.2/24")), 2)
    }
    return examine({**DOCUMENT, "system": {"datapath": datapath}}, Facts(interfaces, forwarding=True))[0]


def inputs(flows: int = 0, datapath: str = "enabled", **more: object) -> AlarmInputs:
    usual: dict[str, object] = {
        "pools": [], "interfaces": [], "links": {}, "damaged": 0, "pending": None,
    }  # fmt: skip
    return AlarmInputs(plan=plan(datapath), flows=flows, capacity=1000, **{**usual, **more})  # type: ignore[arg-type]


def interface(name: str, state: InterfaceState, hook: HookMode = "") -> InterfaceSummary:
    return InterfaceSummary(name, 2, "outside", hook, state, "", 1500, [])


def test_healthy_gateway_has_no_alarms() -> None:
    up = interface("eth0", "up", "tc")
    assert alarm_rows(inputs(interfaces=[up], links={"isp-a": LinkState("up", "", NOW)})) == []


def test_major_alarms_come_first() -> None:
    pending = UnconfirmedCommit(ConfirmRecord("ann", 5, NOW, 1, 1, {}), 0.0)
    rows = alarm_rows(
        inputs(
            flows=950,
            pools=[PoolUse("a", 1000, {"tcp": 1}, exhausted=3), PoolUse("b", 1000, {"tcp": 950})],
            interfaces=[interface("eth1", "down")],
            links={"isp-a": LinkState("drained", "r", NOW), "isp-b": LinkState("down", "r", NOW)},
            damaged=2,
            pending=pending,
        )
    )
    assert [(row.severity, row.text.split()[0]) for row in rows] == [
        ("major", "the"), ("major", "interface"), ("major", "pool"), ("major", "link"),
        ("minor", "pool"), ("minor", "link"), ("minor", "2"), ("minor", "a"),
    ]  # fmt: skip


def test_losses_of_the_state_folder_are_major() -> None:
    rows = alarm_rows(inputs(damaged=2, fallback="commit 3 runs instead", set_aside=["links.json …"]))
    assert [(row.severity, row.text) for row in rows] == [
        ("major", "history: commit 3 runs instead"),
        ("major", "links.json …"),
    ]


def test_programs_of_others_raise_an_alarm() -> None:
    foreign = replace(interface("eth1", "up", "tc"), fault="XDP program 41")
    (alarm,) = alarm_rows(inputs(interfaces=[foreign]))
    assert alarm.severity == "major"
    assert alarm.text == "interface eth1 runs XDP program 41, not the current programs of snatsh"


def test_missing_hook_raises_an_alarm_unless_the_datapath_is_disabled() -> None:
    bare = [interface("eth1", "up")]
    assert "has no hook" in alarm_rows(inputs(interfaces=bare))[0].text
    disabled = alarm_rows(inputs(interfaces=bare, datapath="disabled"))
    assert [row.text for row in disabled] == ["the datapath is disabled by configuration"]
