# SPDX-License-Identifier: Apache-2.0
"""Loading, adopting pinned maps, and refusing maps of another shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.datapath import layout
from snatsh.datapath.bpf_syscall import map_by_id, map_info, program_info
from snatsh.datapath.errors import LoadError
from snatsh.datapath.gateway import Datapath
from snatsh.datapath.loading.loader import load, program_pins
from snatsh.datapath.maps import LAYOUT_VERSION
from snatsh.datapath.programs import GROUPS, PROGRAMS
from tests.kernel.frames import from_inside, udp
from tests.kernel.rig import Rig, rig

PERMITTED_STEPS = 500_000
"""Half of what the kernel permits: room for a later change, and for the verifier of another kernel."""

RULES = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}


def test_differing_layouts_cannot_be_loaded(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layout.TWINS, "outbound", layout.INBOUND)
    with pytest.raises(LoadError, match="does not compile"):
        load(pins, 64)
    assert list(pins.iterdir()) == [], "nothing is left of it"


def test_new_process_adopts_flows_rules_and_hooks(by_xdp: Rig) -> None:
    by_xdp.commit(RULES)
    by_xdp.outbound(from_inside(udp(5000, 53)))
    again = Datapath.open(by_xdp.datapath.pins, max_flows=by_xdp.datapath.max_flows)
    assert again.adopted
    assert again.generation == by_xdp.datapath.generation
    assert again.attached() == by_xdp.datapath.attached()
    assert len(again.flows()) == 1
    assert again.rule_counters()[10].flows == 1


def test_xdp_programs_are_loaded_when_an_interface_needs_them() -> None:
    with rig("tc") as gateway:
        gateway.commit(RULES)
        assert not _pinned(gateway) & {*GROUPS["xdp"], *GROUPS["takeover"]}
        gateway.outbound(from_inside(udp(5000, 53)))
        gateway.hook = "xdp"
        gateway.commit(RULES)
        assert _pinned(gateway) == set(PROGRAMS) - set(GROUPS["takeover"])
        assert {hook.mode for hook in gateway.datapath.attached()} == {"xdp"}
        assert gateway.outbound(from_inside(udp(5000, 53))).redirected
        assert gateway.outbound(from_inside(udp(5001, 53))).verdict == "translated"
        assert len(gateway.datapath.flows()) == 2
        by_name = gateway.datapath.programs
        for parts, name in (("claim", "spare_addresses"), ("open", "recent_flows")):
            xdp, tc = (set(program_info(by_name[f"{hook}_{parts}"]).maps) for hook in ("xdp", "tc"))
            shared = {map_info(map_by_id(number)).name for number in xdp & tc}
            assert name in shared, "both remember in the same maps"


def test_programs_leave_the_verifier_room(by_xdp: Rig) -> None:
    """The number differs by kernel; `python -m tests.bench.verifier` tells that of each program."""
    by_xdp.datapath.programs.require(*GROUPS)
    steps = {name: program_info(fd).verified for name, fd in by_xdp.datapath.programs.items()}
    assert steps.keys() == set(PROGRAMS)
    assert min(steps.values()) > 0, "the kernel tells"
    assert not {name: taken for name, taken in steps.items() if taken > PERMITTED_STEPS}


def test_refused_xdp_programs_leave_what_is_attached() -> None:
    with rig("tc") as gateway:
        gateway.commit(RULES)
        before = gateway.datapath.standing()
        in_the_way = gateway.datapath.programs.folder / _folder(gateway) / "xdp_inside"
        in_the_way.mkdir()
        gateway.hook = "xdp"
        with pytest.raises(LoadError, match="File exists"):
            gateway.commit(RULES)
        assert gateway.datapath.standing() == before
        assert not _pinned(gateway) & {*GROUPS["xdp"]} - {"xdp_inside"}
        in_the_way.rmdir()
        gateway.commit(RULES)
        assert {hook.mode for hook in gateway.datapath.attached()} == {"xdp"}


def _folder(gateway: Rig) -> str:
    (found,) = gateway.datapath.programs.folder.glob("programs-*")
    return found.name


def _pinned(gateway: Rig) -> set[str]:
    return {path.name for path in program_pins(gateway.datapath.pins)}


def test_changed_table_size_replaces_the_table_and_removes_the_old_pins() -> None:
    with rig("xdp") as gateway:
        image = gateway.commit(RULES)
        bigger = Datapath.open(gateway.datapath.pins, max_flows=8192)
        assert not bigger.adopted
        bigger.ensure(image.hooks)
        bigger.flip(bigger.stage(image))
        bigger.prune(image.hooks)
        assert [path.name for path in bigger.pins.iterdir()] == [f"v{LAYOUT_VERSION}-8192"]
        assert len(bigger.attached()) == 3


def test_endpoint_independent_mappings_are_held_by_the_flows_that_a_new_table_adopts() -> None:
    """By those copied at first, and by those that the old programs opened meanwhile."""
    independent = {"10": {"pool": "a", "mapping": "endpoint-independent"}}
    with rig("xdp") as gateway:
        gateway.commit({**RULES, "rules": independent, "timeouts": {"udp": {"unreplied": 3600}}})
        for to in ("8.8.8.8", "8.8.4.4"):
            gateway.outbound(from_inside(udp(5000, 53), destination=to))
        gateway.outbound(from_inside(udp(5001, 53)))
        bigger = Datapath.open(gateway.datapath.pins, max_flows=8192)
        assert held(bigger) == [1, 2]
        gateway.outbound(from_inside(udp(5000, 53), destination="9.9.9.9"))
        assert gateway.image
        bigger.ensure(gateway.image.hooks)
        assert held(bigger) == [1, 3]
        assert bigger.end_flows(bigger.flows()) == 4
        assert held(bigger) == []


def held(datapath: Datapath) -> list[int]:
    """How many flows hold each mapping."""
    _, mappings = datapath.maps["eim_mappings"].dump()
    return sorted(int(flows) for flows in mappings["flows"])


def test_mismatching_pinned_maps_are_replaced(pins: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = load(pins, 64).folder
    (folder / "records").unlink()
    (folder / "drops").rename(folder / "records")
    again = load(pins, 64)
    assert not again.adopted
    assert again.maps["records"].info.value_size == layout.RECORD.itemsize
    assert "all flows end" in caplog.text
    assert [path.name for path in pins.iterdir()] == [folder.name]


def test_pin_folder_outside_bpffs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="mount -t bpf"):
        load(tmp_path / "pins", 64)


def test_removed_datapath_leaves_no_open_descriptors() -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    with rig("xdp") as gateway:
        gateway.commit({})
        assert opened() > before
    assert opened() == before
