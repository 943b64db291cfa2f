# SPDX-License-Identifier: Apache-2.0
"""The bpf(2) system call: maps by file descriptor, pins, test runs. No BCC: it is only for compiling.

Keys and values are numpy arrays, so that a table of a million entries is one call and no copying.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath.errors import DatapathError

_SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(platform.machine(), 321)
_MEMBARRIER = {"x86_64": 324, "aarch64": 283, "riscv64": 283}.get(platform.machine(), 324)
_libc = ctypes.CDLL(None, use_errno=True)

_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _PROG_LOAD = 0, 1, 2, 3, 5
_OBJ_PIN, _OBJ_GET, _PROG_TEST_RUN, _PROG_BY_ID, _MAP_BY_ID, _INFO_BY_FD = 6, 7, 10, 13, 14, 15
_PROG_QUERY = 16
_LOOKUP_BATCH, _UPDATE_BATCH, _DELETE_BATCH = 24, 26, 27

ANY, NOEXIST, EXIST = 0, 1, 2
SCHED_CLS, XDP = 3, 6  # program types

_NAME_LENGTH = 15
_LOG_SIZE, _LOG_LINES = 1 << 24, 3

Array = NDArray[Any]


class _MapCreate(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("key_size", ctypes.c_uint32), ("value_size", ctypes.c_uint32),
                ("max_entries", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("inner", ctypes.c_uint32),
                ("numa_node", ctypes.c_uint32), ("name", ctypes.c_char * 16)]  # fmt: skip


class _ProgLoad(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("count", ctypes.c_uint32), ("instructions", ctypes.c_uint64),
                ("license", ctypes.c_uint64), ("log_level", ctypes.c_uint32), ("log_size", ctypes.c_uint32),
                ("log", ctypes.c_uint64), ("kernel_version", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("name", ctypes.c_char * 16)]  # fmt: skip


class _Elem(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("pad", ctypes.c_uint32), ("key", ctypes.c_uint64),
                ("value", ctypes.c_uint64), ("flags", ctypes.c_uint64)]  # fmt: skip


class _Batch(ctypes.Structure):
    _fields_ = [("in_batch", ctypes.c_uint64), ("out_batch", ctypes.c_uint64), ("keys", ctypes.c_uint64),
                ("values", ctypes.c_uint64), ("count", ctypes.c_uint32), ("fd", ctypes.c_uint32),
                ("elem_flags", ctypes.c_uint64), ("flags", ctypes.c_uint64)]  # fmt: skip


class _Object(ctypes.Structure):
    _fields_ = [("path", ctypes.c_uint64), ("fd", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class _Info(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("length", ctypes.c_uint32), ("info", ctypes.c_uint64)]


class _ById(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint32), ("next", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class _TestRun(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("retval", ctypes.c_uint32), ("size_in", ctypes.c_uint32),
                ("size_out", ctypes.c_uint32), ("data_in", ctypes.c_uint64), ("data_out", ctypes.c_uint64),
                ("repeat", ctypes.c_uint32), ("duration", ctypes.c_uint32), ("ctx_size_in", ctypes.c_uint32),
                ("ctx_size_out", ctypes.c_uint32), ("ctx_in", ctypes.c_uint64), ("ctx_out", ctypes.c_uint64),
                ("flags", ctypes.c_uint32), ("cpu", ctypes.c_uint32), ("batch_size", ctypes.c_uint32),
                ("pad", ctypes.c_uint32)]  # fmt: skip


class _Query(ctypes.Structure):
    _fields_ = [("ifindex", ctypes.c_uint32), ("attach_type", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("attach_flags", ctypes.c_uint32), ("programs", ctypes.c_uint64), ("count", ctypes.c_uint32),
                ("pad", ctypes.c_uint32), ("program_flags", ctypes.c_uint64), ("links", ctypes.c_uint64),
                ("link_flags", ctypes.c_uint64), ("revision", ctypes.c_uint64)]  # fmt: skip


def _bpf(command: int, attributes: ctypes.Structure) -> int:
    """The raw call; raises OSError with the kernel's errno."""
    outcome: int = _libc.syscall(_SYSCALL, command, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if outcome < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return outcome


def _address(array: NDArray[np.generic]) -> int:
    return int(array.ctypes.data)


def possible_cpus() -> int:
    """How many values a per-CPU entry has: all CPUs that may ever be, not those online."""
    text = Path("/sys/devices/system/cpu/possible").read_text().strip()
    return int(text.rpartition(",")[2].rpartition("-")[2]) + 1


def wait_for_readers() -> None:
    """Returns when every program run that began before has ended (membarrier(2), a full RCU grace period)."""
    if _libc.syscall(_MEMBARRIER, 1, 0, 0) < 0:
        number = ctypes.get_errno()
        raise DatapathError(f"membarrier: {os.strerror(number)}; expected a kernel with CONFIG_MEMBARRIER")


def open_pin(path: Path) -> int:
    """File descriptor of a pinned map or program; FileNotFoundError when there is none."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _bpf(_OBJ_GET, _Object(path=ctypes.addressof(name)))


def pin(fd: int, path: Path) -> None:
    name = ctypes.create_string_buffer(os.fsencode(path))
    _bpf(_OBJ_PIN, _Object(path=ctypes.addressof(name), fd=fd))


def create_map(name: str, kind: int, key_size: int, value_size: int, max_entries: int, flags: int = 0) -> int:
    """Create a map; return its file descriptor."""
    return _bpf(
        _MAP_CREATE,
        _MapCreate(kind=kind, key_size=key_size, value_size=value_size, max_entries=max_entries, flags=flags,
                   name=name.encode()[:_NAME_LENGTH]),
    )  # fmt: skip


def load_program(name: str, kind: int, instructions: bytes, license_name: str) -> int:
    """Load a program; return its file descriptor. DatapathError gives the verifier's reason."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    terms = ctypes.create_string_buffer(license_name.encode())
    request = _ProgLoad(kind=kind, count=len(instructions) // 8, instructions=ctypes.addressof(code),
                        license=ctypes.addressof(terms), name=name.encode()[:_NAME_LENGTH])  # fmt: skip
    try:
        return _bpf(_PROG_LOAD, request)
    except OSError as error:
        raise DatapathError(f"program {name}: {error.strerror}: {_verifier_log(request)}") from error


def _verifier_log(request: _ProgLoad) -> str:
    """Load once more, for the last lines of what the verifier says."""
    log = ctypes.create_string_buffer(_LOG_SIZE)
    request.log, request.log_size, request.log_level = ctypes.addressof(log), _LOG_SIZE, 1
    with suppress(OSError):
        os.close(_bpf(_PROG_LOAD, request))
    lines = log.value.decode(errors="replace").splitlines()
    return "; ".join(lines[-_LOG_LINES:])


def attached_to(index: int, attach_type: int, room: int = 64) -> list[int]:
    """Ids of the programs that links attach to a hook of an interface. OSError without such a hook."""
    found = np.zeros(room, dtype=np.uint32)
    query = _Query(index, attach_type, programs=_address(found), count=room)
    _bpf(_PROG_QUERY, query)
    return [int(number) for number in found[: query.count]]


def program_by_id(number: int) -> int:
    """File descriptor of a program that is loaded, pinned or not. Needs CAP_SYS_ADMIN."""
    return _bpf(_PROG_BY_ID, _ById(id=number))


def map_by_id(number: int) -> int:
    """File descriptor of a map that exists, pinned or not. Needs CAP_SYS_ADMIN."""
    return _bpf(_MAP_BY_ID, _ById(id=number))


@dataclass(frozen=True, slots=True)
class MapInfo:
    """name: at most 15 characters."""

    kind: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


def map_info(fd: int) -> MapInfo:
    """What the kernel says of a map (struct bpf_map_info begins with these words)."""
    words = _object_info(fd)
    kind, number, key, value, entries, flags = map(int, words[:6])
    return MapInfo(kind, number, key, value, entries, flags, _text(words[6:10]))


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """maps: ids of the maps that the program uses. name: at most 15 characters.

    instructions: before the kernel compiled them. verified: steps its verifier took; 0 before Linux 5.16.
    """

    id: int
    name: str
    tag: str
    maps: tuple[int, ...]
    instructions: int
    verified: int


def program_info(fd: int) -> ProgramInfo:
    """What the kernel says of a program (struct bpf_prog_info)."""
    count = int(_object_info(fd)[13])
    maps = np.zeros(max(count, 1), dtype=np.uint32)
    words = _object_info(fd, room=count, array=_address(maps))
    used = tuple(int(number) for number in maps[:count])
    tag = words[2:4].tobytes().hex()
    return ProgramInfo(int(words[1]), _text(words[16:20]), tag, used, int(words[5]) // 8, int(words[54]))


def _object_info(fd: int, room: int = 0, array: int = 0) -> NDArray[np.uint32]:
    """The kernel's info of a map or program. room, array: of the ids of a program's maps."""
    words = np.zeros(64, dtype=np.uint32)
    if room:
        words[13] = room
        words[14:16].view(np.uint64)[0] = array
    _bpf(_INFO_BY_FD, _Info(fd=fd, length=words.nbytes, info=_address(words)))
    return words


def _text(words: NDArray[np.uint32]) -> str:
    return words.tobytes().split(b"\0", 1)[0].decode(errors="replace")


def map_memory(fd: int) -> int:
    """Bytes the kernel accounts to a map (its fdinfo)."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
        if line.startswith("memlock:"):
            return int(line.split()[1])
    return 0


def program_id(fd: int) -> int:
    return int(_object_info(fd)[1])


def joined(parts: list[Array]) -> Array:
    """The parts as one array of the same type; np.concatenate would turn the fields to native byte order."""
    if len(parts) == 1:
        return parts[0]
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=parts[0].dtype)
    np.concatenate(parts, out=whole, casting="no")
    return whole


class Map:
    """A map with its key and value types. Raises OSError as the kernel does."""

    def __init__(self, fd: int, key: np.dtype[Any], value: np.dtype[Any], *, per_cpu: bool = False):
        self.fd = fd
        self.key = key
        self.value = value
        self.cpus = possible_cpus() if per_cpu else 1
        self.info = map_info(fd)

    def get(self, key: NDArray[np.generic]) -> Array | None:
        """The value at `key` (shape (), or (cpus,) for per-CPU maps); None when there is none."""
        value = np.zeros(self.cpus, dtype=self.value)
        try:
            _bpf(_MAP_LOOKUP, _Elem(fd=self.fd, key=_address(key), value=_address(value)))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return value if self.cpus > 1 else value[0]

    def put(self, key: NDArray[np.generic], value: NDArray[np.generic], flags: int = ANY) -> None:
        _bpf(_MAP_UPDATE, _Elem(fd=self.fd, key=_address(key), value=_address(value), flags=flags))

    def remove(self, key: NDArray[np.generic]) -> bool:
        """Whether there was an entry to remove."""
        try:
            _bpf(_MAP_DELETE, _Elem(fd=self.fd, key=_address(key)))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def dump(self) -> tuple[Array, Array]:
        """All entries: keys, shape (n,), and values, shape (n,) or (n, cpus)."""
        room = min(self.info.max_entries, 65_536)
        keys, values, token, started = [], [], np.zeros(16, dtype=np.uint64), False
        while True:
            chunk_keys = np.zeros(room, dtype=self.key)
            chunk_values = np.zeros((room, self.cpus), dtype=self.value)
            batch = _Batch(keys=_address(chunk_keys), values=_address(chunk_values), count=room, fd=self.fd)
            batch.in_batch, batch.out_batch = (_address(token) if started else 0), _address(token)
            ended = False
            try:
                _bpf(_LOOKUP_BATCH, batch)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # a bucket larger than what is asked for
                    room *= 2
                    continue
                if error.errno != errno.ENOENT:
                    raise
                ended = True
            started = True
            keys.append(chunk_keys[: batch.count])
            values.append(chunk_values[: batch.count])
            if ended:
                break
        found = joined(values)
        return joined(keys), found if self.cpus > 1 else found[:, 0]

    def put_all(self, keys: NDArray[np.generic], values: NDArray[np.generic]) -> None:
        """Updates every entry; raises at the first that is refused."""
        if not len(keys):
            return
        keys, values = np.ascontiguousarray(keys), np.ascontiguousarray(values)
        _bpf(_UPDATE_BATCH, _Batch(keys=_address(keys), values=_address(values), count=len(keys), fd=self.fd))

    def remove_all(self, keys: NDArray[np.generic]) -> None:
        """Removes the entries; one that is gone already is passed over."""
        keys = np.ascontiguousarray(keys)
        while len(keys):
            batch = _Batch(keys=_address(keys), count=len(keys), fd=self.fd)
            try:
                _bpf(_DELETE_BATCH, batch)
                return
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
            keys = np.ascontiguousarray(keys[batch.count + 1 :])


def test_run(
    fd: int, data: bytes, *, ctx: bytes = b"", repeat: int = 1, room: int = 8192
) -> tuple[int, bytes]:
    """BPF_PROG_TEST_RUN: the program's return value and the packet as it left it."""
    given = ctypes.create_string_buffer(data, len(data))
    taken = ctypes.create_string_buffer(room)
    context = ctypes.create_string_buffer(ctx, len(ctx)) if ctx else None
    run = _TestRun(fd=fd, size_in=len(data), size_out=room, data_in=ctypes.addressof(given),
                   data_out=ctypes.addressof(taken), repeat=repeat)  # fmt: skip
    if context is not None:
        run.ctx_in, run.ctx_size_in = ctypes.addressof(context), len(ctx)
    _bpf(_PROG_TEST_RUN, run)
    return int(run.retval), taken.raw[: run.size_out]
