# SPDX-License-Identifier: Apache-2.0
"""The datapath as one object: what the engine sees of the kernel."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import AnnouncedRange, HookRequest, Image
from snatsh.datapath import bpf_syscall, flows, gauges, layout, map_reader, map_writer, mappings, tracing
from snatsh.datapath.errors import StageError
from snatsh.datapath.flow_table import FlowTable, Station
from snatsh.datapath.hooks.attach import Attacher, Detacher, Hook, Standing
from snatsh.datapath.loading import flow_migration, linker, loader
from snatsh.datapath.loading.own_programs import OwnPrograms
from snatsh.datapath.map_writer import Stage
from snatsh.datapath.reasons import DROP_REASONS, PASS_REASONS
from snatsh.datapath.tracing import TraceEvent, TraceFilter

Words = int | NDArray[np.uint64]
_CONTROL_KEY: NDArray[Any] = np.zeros(1, dtype=layout.INDEX)


@dataclass(frozen=True, slots=True)
class Count:
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class RuleCounter:
    """flows: opened so far; packets and bytes: both directions."""

    flows: int
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes. per_flow: of the flow table and its index."""

    maps: int
    per_flow: float


class Datapath:
    """All methods are synchronous. Not for two threads at once, but for the reading ones."""

    def __init__(self, pins: Path, max_flows: int, opened: loader.Loaded, own: OwnPrograms) -> None:
        self.pins = pins
        self.max_flows = max_flows
        self.adopted = opened.adopted
        self.programs = opened.programs
        self._predecessors = opened.predecessors
        self._maps = opened.maps
        self._table = FlowTable(opened.maps, opened.programs)
        self._control_lock = Lock()  # a path refresh must not write back a generation just flipped away
        self._fresh = opened.fresh
        self.is_unused = self.generation == 0  # nothing of it was ever attached
        self._xdp: frozenset[int] = frozenset()  # interfaces that frames may be redirected into from XDP
        self._quiet = -1  # generation in which no program reads the idle half any more
        self._attacher = Attacher(opened.programs, own)

    @classmethod
    def open(cls, pins: Path, *, max_flows: int = 262_144, apart: bool = False) -> Datapath:
        """Load the datapath, or take up the one that runs. Raises LoadError.

        apart: leave alone what is attached, as for a trial beside it.
        """
        own = OwnPrograms(loader.program_pins(pins))
        if not apart:
            own.find_attached()
        return cls(pins, max_flows, loader.load(pins, max_flows, own), own)

    @property
    def maps(self) -> Mapping[str, bpf_syscall.Map]:
        """The BPF maps by name."""
        return self._maps

    @property
    def flow_table(self) -> FlowTable:
        return self._table

    # A commit: ensure, stage, flip, prune, end_withdrawn.

    def ensure(self, hooks: Sequence[HookRequest]) -> None:
        """Attach to these interfaces; raises AttachError with nothing changed."""
        self._attacher.ensure(hooks)
        self._xdp = frozenset(hook.index for hook in self.attached() if hook.mode == "xdp")
        self._fresh = self.is_unused = False
        for before in self._predecessors:  # their programs have just been replaced
            flow_migration.copy_flows(before.maps, self._maps, self._table, settle=True)
            before.close()
        self._predecessors = ()

    @property
    def needs_rules(self) -> bool:
        """Whether no program uses the maps yet: they need rules before one is attached."""
        return self._fresh or not self.generation

    def stage(self, image: Image) -> Stage:
        """Fill the idle half of the config maps, for interfaces as `ensure` left them. Raises StageError; the
        running half is not touched."""
        self._wait_for_readers()
        return map_writer.fill(self._maps, self.generation + 1, image, self._xdp)

    def admit(self, image: Image) -> None:
        """The interfaces of the running image have their hooks."""
        map_writer.admit(self._maps, self.generation & 1, image, self._xdp)
        self._change_control(stations=map_writer.stations(image))

    def _wait_for_readers(self) -> None:
        """A program run may still be reading the half that went idle with the last flip."""
        if self._quiet != self.generation:
            bpf_syscall.wait_for_readers()
            self._quiet = self.generation

    def flip(self, staged: Stage) -> None:
        """One word makes the staged half the running one."""
        with self._control_lock:
            if staged.generation != self.generation + 1:
                raise StageError("another rule set was committed meanwhile; stage again")
            self._put_control(staged.generation, stations=map_writer.stations(staged.image))

    def prune(self, hooks: Iterable[HookRequest]) -> None:
        """Detach from all other interfaces, and unpin what older versions left."""
        self._attacher.prune(hooks)
        self._attacher.forget_older()
        loader.remove_others(self.pins, self.programs)

    def end_withdrawn(self) -> int:
        """End the flows whose external address left every pool; return how many."""
        slot = self.generation & 1
        if not flows.lost_addresses(self._maps, slot):
            return 0  # and the flow table, which may be large, is not read
        ended = self._table.end(flows.withdrawn(self._table, self._maps, slot), force=True)
        addresses, usage = self._maps["address_usage"].dump()
        unused = usage["tcp"] + usage["udp"] + usage["icmp"] == 0
        gone = unused & ~flows.in_pools(self._maps, slot, addresses)
        self._maps["address_usage"].remove_all(addresses[gone])
        self._wait_for_readers()  # here, so that a switch that is urgent does not have to
        return ended

    def pins_fault(self) -> str:
        """Say what is wrong with the pins; empty when they are there."""
        return loader.pins_fault(self.pins, self.programs)

    def attached(self) -> tuple[Hook, ...]:
        """The interfaces the datapath is attached to."""
        return self._attacher.attached()

    def answered(self) -> tuple[AnnouncedRange, ...]:
        """The addresses that the running half answers ARP for."""
        return map_reader.answered(self._maps, self.generation & 1)

    def standing(self) -> tuple[Standing, ...]:
        """All interfaces, with what is attached to them."""
        return self._attacher.standing()

    @property
    def generation(self) -> int:
        """Number of the running half's commit since the maps were made; 0 before the first."""
        return int(self._control()["generation"])

    def refresh_paths(self) -> None:
        """Every flow looks its next hop up again: after changes of routes, neighbours and links."""
        with self._control_lock:
            self._put_control(self.generation)

    def watch_paths(self, seconds: float) -> None:
        """A promise to `refresh_paths` at every change until then; without it, flows look once a second."""
        self._change_control(watched=flows.now_ticks() + int(seconds * layout.TICKS_PER_SECOND) & 0xFFFFFFFF)

    # Flows.

    def flows(self) -> NDArray[Any]:
        """All live flows, FLOW_VIEW rows."""
        return flows.view(self._table)

    def flows_elsewhere(self, homes: Mapping[int, int]) -> NDArray[Any]:
        """Flows that leave by another interface than their rule's, FLOW_VIEW rows. homes: index by rule."""
        return flows.elsewhere(self._table, homes)

    def stations(self, seconds: float) -> set[Station]:
        """To whom flows have sent packets by a known path in the last `seconds`."""
        since = flows.now_ticks() - int(seconds * layout.TICKS_PER_SECOND)
        return self._table.stations(since & 0xFFFFFFFF)

    def flow_count(self) -> int:
        """Return how many flows the table holds, summed over the gauges of the pool addresses."""
        usage = self.address_usage()
        return sum(int(usage[name].sum(dtype=np.int64)) for name in ("tcp", "udp", "icmp"))

    def flows_again(self, rows: NDArray[Any]) -> NDArray[Any]:
        """These FLOW_VIEW rows as they are now, without those that ended meanwhile. For a few rows."""
        return flows.look_up(self._table, rows)

    def end_flows(self, rows: NDArray[Any]) -> int:
        """End the flows in these FLOW_VIEW rows; return how many."""
        return self._table.end(self._table.find(flows.keys_of(rows)), force=True)

    def reset_flows(self, rows: NDArray[Any], seconds: int) -> int:
        """End these FLOW_VIEW rows; a TCP packet of such a flow within `seconds` is answered by a reset."""
        tcp = rows[rows["protocol"] == socket.IPPROTO_TCP]
        room = self._maps["terminated_flows"].info.max_entries
        flows.note_ended(self._maps, flows.keys_of(tcp[:room]), seconds)
        return self.end_flows(rows)

    def mappings(self) -> NDArray[Any]:
        """All endpoint-independent mappings in use, MAPPING_VIEW rows."""
        return mappings.view(self._maps)

    def end_mappings(self, rows: NDArray[Any]) -> int:
        """End these MAPPING_VIEW rows with all flows that use them; return how many mappings ended."""
        self._table.end(mappings.flows_of(self._table, rows), force=True)
        return len(rows) - mappings.count_left(self._maps, rows)

    def age(self) -> int:
        """End expired flows and mappings, which only frees room; return how many flows."""
        ended = self._table.end(self._table.expired(flows.now_ticks()), force=False)
        mappings.end_unused(self.programs["xdp_sweep_eim"], mappings.unused(self._maps))
        mappings.remove_stray_peers(self._maps)
        return ended

    def loaded(self, known: Image) -> Image:
        """The rules and pools that are in force, read back from the maps; all else as `known`."""
        return map_reader.read(self._maps, self.generation & 1, known)

    # Traces.

    def trace(self, wanted: TraceFilter, seconds: float) -> None:
        """Note what becomes of these packets, for so long."""
        self._change_control(traced=tracing.ask(self._maps, wanted, seconds))

    def traced(self) -> list[TraceEvent]:
        """What was noted since the last time."""
        return tracing.fetch(self._maps)

    def stop_trace(self) -> None:
        self._change_control(traced=0)
        tracing.stop(self._maps)

    # Counters.

    def rule_counters(self) -> dict[int, RuleCounter]:
        """By rule number, of the running rules."""
        running = map_writer.running_rules(self._maps, self.generation & 1)
        return {number: self._rule_counter(counter) for number, counter in running.items()}

    def _rule_counter(self, counter: int) -> RuleCounter:
        # One at a time: a copy of the whole map would be as large as its values on all possible CPUs.
        values: Any = self._maps["rule_counters"].get(np.array([counter], dtype=layout.INDEX))
        return RuleCounter(*(int(np.sum(values[name])) for name in ("flows", "packets", "bytes")))

    def address_usage(self) -> NDArray[Any]:
        """A row for each pool address that was ever used: active flows by protocol, created, exhausted."""
        return gauges.usage_rows(self._maps["address_usage"])

    def subscribers(self) -> NDArray[Any]:
        """A row for each inside address: its sessions, and how many it was refused."""
        return gauges.subscriber_rows(self._maps["subscribers"])

    def drops(self) -> dict[str, Count]:
        """By reason, all reasons."""
        return self._counts("drops", DROP_REASONS)

    def passed_to_stack(self) -> dict[str, Count]:
        """Return the packets that XDP passed to the stack and so to the TC programs, by reason."""
        return self._counts("passed_to_stack", PASS_REASONS)

    def memory(self) -> Memory:
        """What the maps take, as the kernel accounts for it."""
        sizes = {name: bpf_syscall.map_memory(map_.fd) for name, map_ in self._maps.items()}
        table = sum(sizes[name] for name in ("records", "tag_buckets", "free_records"))
        return Memory(sum(sizes.values()), table / self.max_flows)

    def clear_counters(self) -> None:
        """Rule, drop and pass counters to zero; pool gauges stay, they count what is there."""
        for name in ("drops", "passed_to_stack", "rule_counters"):
            keys, values = self._maps[name].dump()
            self._maps[name].put_all(keys, np.zeros_like(values))

    # The end.

    def close(self) -> None:
        """Everything stays pinned and attached: the gateway goes on without us."""

    def remove(self) -> None:
        """Detach and unpin everything; all flows end and the kernel forwards without NAT."""
        remove(self.pins, self._attacher)
        for before in self._predecessors:
            before.close()
        for fd in (*(map_.fd for map_ in self._maps.values()), *self.programs.values()):
            os.close(fd)

    def _control(self) -> Any:
        return self._maps["control"].get(_CONTROL_KEY)

    def _put_control(self, generation: int, **words: Words) -> None:
        epoch = int(self._control()["epoch"]) + 1 & 0xFFFFFFFF
        self._write_control(generation=generation, epoch=epoch, **words)

    def _change_control(self, **words: Words) -> None:
        with self._control_lock:
            self._write_control(**words)

    def _write_control(self, **words: Words) -> None:
        value = np.array([self._control()])
        for name, word in words.items():
            value[name] = word
        self._maps["control"].put(_CONTROL_KEY, value)

    def _counts(self, name: str, reasons: Iterable[str]) -> dict[str, Count]:
        _, values = self._maps[name].dump()
        packets, octets = _per_cpu_sum(values["packets"]), _per_cpu_sum(values["bytes"])
        return {reason: Count(int(packets[at]), int(octets[at])) for at, reason in enumerate(reasons)}


def _per_cpu_sum(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.ndim == 1 else values.sum(axis=1)


def remove(pins: Path, detacher: Detacher | None = None) -> None:
    """Detach and unpin everything that this process or an earlier one loaded, whatever pins are left."""
    if detacher is None:
        own = OwnPrograms(loader.program_pins(pins))
        own.find_attached()
        detacher = Detacher(own, {})
    detacher.prune([])
    detacher.forget_older()
    for folder in loader.versions(pins):
        linker.unpin(folder)
