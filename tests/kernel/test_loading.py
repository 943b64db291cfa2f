# SPDX-License-Identifier: Apache-2.0
"""Loading, adopting pinned maps, and refusing maps of another shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.datapath import layout
from snatsh.datapath.errors import LoadError
from snatsh.datapath.gateway import Datapath
from snatsh.datapath.loader import load
from snatsh.datapath.maps import LAYOUT_VERSION
from tests.kernel.frames import from_inside, udp
from tests.kernel.rig import rig

RULES = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}


def test_differing_layouts_cannot_be_loaded(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layout.TWINS, "outbound", layout.INBOUND)
    with pytest.raises(LoadError, match="does not compile"):
        load(pins, 64)
    assert list(pins.iterdir()) == [], "nothing is left of it"


def test_new_process_adopts_flows_rules_and_hooks() -> None:
    with rig("xdp") as gateway:
        gateway.commit(RULES)
        gateway.outbound(from_inside(udp(5000, 53)))
        again = Datapath.open(gateway.datapath.pins, max_flows=gateway.datapath.max_flows)
        assert again.adopted
        assert again.generation == gateway.datapath.generation
        assert again.attached() == gateway.datapath.attached()
        assert len(again.flows()) == 1
        assert again.rule_counters()[10].flows == 1


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
