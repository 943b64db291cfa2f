# SPDX-License-Identifier: Apache-2.0
"""The flow table: full, empty, and under contention of all CPUs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from snatsh.datapath import bpf_syscall, flows, layout
from snatsh.datapath.bcc.source import assemble
from snatsh.datapath.bcc.toolchain import compile_source
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.bpf_syscall import test_run as run_program
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.loading import linker
from snatsh.datapath.loading.linker import unpin
from snatsh.datapath.maps import MAP_TYPES, MAPS, TableSize
from snatsh.lab.namespaces import PIN_FOLDER, new_identity
from tests.kernel.frames import from_inside, udp
from tests.kernel.rig import FLOWS, XDP_REDIRECT, Rig

ROOM = FLOWS
CPUS = sorted(os.sched_getaffinity(0))
LIFE_TICKS = 60_000
FIRST_HOST = int(IPv4Address("192.168.40.10"))


@pytest.fixture(scope="module")
def opened(by_xdp: Rig) -> Rig:
    ports = {"a": {"address": ["1.1.2.100"], "ports": "2000-2199"}}
    by_xdp.commit({"pools": ports, "rules": {"1": {"pool": "a"}}, "timeouts": {"udp": {"unreplied": 600}}})
    return by_xdp


@pytest.fixture
def gateway(opened: Rig) -> Iterator[Rig]:
    yield opened
    opened.end_flows()
    assert not opened.entries("tag_buckets")[1]["tags"].any(), "tags of flows that are no more"


@pytest.fixture
def table(gateway: Rig) -> FlowTable:
    gateway.datapath.programs.require("takeover")  # adds flows to the table
    return gateway.datapath.flow_table


def records(count: int, clients: int = 16) -> NDArray[np.void]:
    """Flows of some hosts to one destination, with all their ports in a row."""
    numbers = np.arange(count)
    made = np.zeros(count, dtype=layout.RECORD)
    key, reply, flow = made["key"], made["reply"], made["outbound"]
    key["source"] = FIRST_HOST + numbers % clients
    key["source_port"] = 1024 + numbers // clients
    key["destination"] = reply["source"] = int(IPv4Address("203.0.113.9"))
    key["destination_port"] = reply["source_port"] = 53
    key["protocol"] = reply["protocol"] = 17
    reply["destination"] = flow["mapped"] = int(IPv4Address("1.1.2.100"))
    reply["destination_port"] = flow["mapped_port"] = 10_000 + numbers
    made["inbound"]["inside"], made["inbound"]["inside_port"] = key["source"], key["source_port"]
    flow["expires"] = flows.now_ticks() + LIFE_TICKS
    return made


def on_all_cpus(work: Callable[[int], Any]) -> list[Any]:
    """What it comes to on every CPU, where it runs at once with the number of the run."""
    found: list[Any] = [None] * len(CPUS)
    start = threading.Barrier(len(CPUS))

    def run(number: int, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})
        start.wait()
        found[number] = work(number)

    threads = [threading.Thread(target=run, args=place) for place in enumerate(CPUS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_table_holds_its_nominal_number_of_flows(table: FlowTable) -> None:
    """But for one in thousands whose lines are all full."""
    wanted = records(2 * ROOM)
    adopted = table.adopt(wanted[:ROOM], settle=False)
    assert adopted >= 0.999 * ROOM
    lives = table.find(wanted["key"])
    assert len(np.unique(lives[lives != 0])) == adopted == len(table)
    assert adopted + table.adopt(wanted[ROOM:], settle=False) == len(table) == ROOM, "and no more"


def test_reused_records_have_another_reference(table: FlowTable) -> None:
    wanted = records(1)
    table.adopt(wanted, settle=False)
    before = table.find(wanted["key"])
    assert table.end(before, force=True) == 1
    table.adopt(wanted, settle=False)
    assert table.end(before, force=True) == 0, "what is named by its old name has ended"
    assert len(table) == 1


def test_unexpired_flows_are_not_swept(table: FlowTable) -> None:
    wanted = records(ROOM // 2)
    wanted["outbound"]["expires"][::2] = flows.now_ticks() - 1
    table.adopt(wanted, settle=False)
    assert len(table.expired(flows.now_ticks())) == ROOM // 4
    assert table.end(table.find(wanted["key"]), force=False) == ROOM // 4
    assert len(table) == ROOM // 4


@pytest.mark.serial
def test_concurrent_insertion_of_one_flow_adds_it_once(table: FlowTable) -> None:
    wanted = records(ROOM // 2)
    for _ in range(20):
        adopted = on_all_cpus(lambda _: table.adopt(wanted, settle=False))
        there = table.find(wanted["key"])
        # Two that meet may both step back; never do both stay.
        assert sum(adopted) == len(table) == np.count_nonzero(there)
        assert len(table) > 0.99 * len(wanted)
        replies = np.concatenate([part["reply"] for part in table.parts()])
        assert len(np.unique(replies)) == len(replies), "a mapped port that two flows own"
        ended = on_all_cpus(lambda _, lives=there: table.end(lives, force=True))  # type: ignore[misc]
        assert sum(ended) == sum(adopted), "each ended by one CPU"
        assert len(table) == 0


@pytest.mark.serial
def test_concurrent_flows_get_distinct_ports(gateway: Rig) -> None:
    """More endpoints than ports, so that every port is fought over."""
    frames = [
        [bytes(from_inside(udp(5000, 53), f"192.168.{40 + number}.{10 + host}")) for host in range(120)]
        for number in range(len(CPUS))
    ]

    def send(number: int) -> int:
        verdicts = [gateway.run_xdp("xdp_inside", "eth0", frame)[0] for frame in frames[number]]
        return verdicts.count(XDP_REDIRECT)

    for _ in range(20):
        with gateway.namespace.entered():
            translated = on_all_cpus(send)
        rows = gateway.datapath.flows()
        assert len(rows) == sum(translated) == min(200, 120 * len(CPUS))
        assert len(np.unique(rows["mapped_port"])) == len(rows)
        gateway.end_flows()


def test_concurrent_reads_are_consistent(table: FlowTable) -> None:
    wanted, read = records(ROOM), 0
    stop = threading.Event()

    def come_and_go() -> None:
        order = np.random.default_rng(7)
        while not stop.is_set():
            order.shuffle(wanted)  # so that each record is another flow's the next time
            table.adopt(wanted, settle=False)
            table.end(table.find(wanted["key"]), force=True)

    changes = threading.Thread(target=come_and_go)
    changes.start()
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            for part in table.parts():
                key, reply = part["key"], part["reply"]
                read += len(part)
                numbers = (key["source_port"].astype(int) - 1024) * 16 + key["source"] - FIRST_HOST
                assert (reply["destination_port"] == 10_000 + numbers).all()
    finally:
        stop.set()
        changes.join()
    assert read > ROOM


FIGHT = """
struct fight {
    u64 owners;
    u64 won;
    u64 lost;
    u64 broken; /* owned by two at once */
};
SHARED_MAP("array", u32, struct fight, fights);

/* Takes one of four neighbouring tuples, has it for a moment and gives it back. */
int xdp_fight(struct xdp_md *ctx)
{
    u32 which = bpf_get_prandom_u32() & 3;
    struct fight *fight = fights.lookup(&which);
    const struct control *state = running();
    u32 number = 0;
    struct record *record = allocate_record(&number), *holder;
    u64 live;

    if (!fight || !state || !record)
        return 0;
    __builtin_memset(&record->key, 0, sizeof(record->key));
    record->key.source = 1;
    record->key.source_port = which << 8;
    record->key.protocol = 17;
    record->reply = record->key;
    if (add_tuple(state, SIDE_INBOUND, &record->reply, number, &holder) != ADDED) {
        lock_xadd(&fight->lost, 1);
        free_record(number);
        return 1;
    }
    activate_record(record, number);
    live = live_of(record);
    if (__sync_fetch_and_add(&fight->owners, 1))
        lock_xadd(&fight->broken, 1);
    lock_xadd(&fight->won, 1);
    __sync_fetch_and_add(&fight->owners, -1);
    remove_record(state, record, live);
    free_record(number);
    return 1;
}
"""
FIGHTERS = np.dtype([("owners", "u8"), ("won", "u8"), ("lost", "u8"), ("broken", "u8")])
ROUNDS = 1_000_000


@dataclass(frozen=True)
class Arena:
    """The table alone, with a program that does nothing but add and remove."""

    program: int
    fights: Map
    lines: Map


@pytest.fixture
def arena() -> Iterator[Arena]:
    pins, size = PIN_FOLDER / f"snatsh-lab-{new_identity()}", TableSize(ROOM)
    pins.mkdir()
    flags = [f"-D{name}={value}" for name, value in size.defines.items()]
    code = compile_source(assemble(["table.h"]) + FIGHT, flags, ["xdp_fight"])
    used = {name for name in code.private_maps if name in MAPS}
    made = {name: linker.shared_map(pins / name, size) for name in used}
    made["fights"] = bpf_syscall.create_map("fights", MAP_TYPES["array"], 4, FIGHTERS.itemsize, 4)
    fights = Map(os.dup(made["fights"]), layout.INDEX, FIGHTERS)
    lines = Map(os.dup(made["tag_buckets"]), layout.INDEX, layout.TAG_BUCKET)
    linker.load_programs(code, ["xdp_fight"], made, pins, pins)
    program = bpf_syscall.open_pin(pins / "xdp_fight")
    yield Arena(program, fights, lines)
    for fd in (program, fights.fd, lines.fd, *made.values()):
        os.close(fd)
    unpin(pins)


@pytest.mark.serial
def test_concurrent_insertion_never_duplicates_a_tuple(arena: Arena) -> None:
    on_all_cpus(lambda _: run_program(arena.program, bytes(64), repeat=ROUNDS))
    _, fights = arena.fights.dump()
    assert int(fights["won"].sum() + fights["lost"].sum()) == ROUNDS * len(CPUS)
    assert fights["lost"].sum() > ROUNDS / 1000, "they met"
    assert not fights["broken"].any() and not fights["owners"].any()
    assert not arena.lines.dump()[1]["tags"].any(), "tags of nothing"
