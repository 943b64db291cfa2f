# SPDX-License-Identifier: Apache-2.0
"""`snatd --check`: whether this box can run the gateway, line by line, with what to do about it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from snatsh.daemon import privileges
from snatsh.daemon.xdp_support import native_xdp
from snatsh.engine.host.facts import forwarding, gather
from snatsh.model.errors import SnatshError

OLDEST_KERNEL = (5, 15)
"""The oldest release the datapath is meant for; it uses helpers that came with 5.11 and 5.12."""

_TRIAL_FLOWS = 1024


@dataclass(frozen=True, slots=True)
class CheckResult:
    """FAIL: snatd can't run. warn: it runs, but something is not as it should be."""

    level: Literal["ok", "warn", "FAIL"]
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.what}: {self.reason}"


def check(state: Path, pins: Path, out: TextIO = sys.stdout) -> bool:
    """Print every finding. Whether snatd can run. Nothing stays changed."""
    able = True
    for finding in findings(state, pins):
        print(finding, file=out, flush=True)
        able &= finding.level != "FAIL"
    return able


def findings(state: Path, pins: Path) -> Iterator[CheckResult]:
    rights = _rights()
    bcc = _bcc()
    bpffs = _bpffs(pins)
    yield rights
    yield _kernel()
    yield _btf()
    yield bcc
    yield bpffs
    if all(finding.level == "ok" for finding in (rights, bcc, bpffs)):
        yield _trial(pins)
    yield _state(state)
    yield _forwarding()
    yield from _interfaces()


def _rights() -> CheckResult:
    lacking = privileges.missing()
    if lacking:
        return CheckResult("FAIL", "rights", f"{', '.join(lacking)} not held; run snatd as root")
    return CheckResult("ok", "rights", "capabilities to load and attach BPF programs are held")


def _kernel() -> CheckResult:
    release = os.uname().release
    version = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    oldest = ".".join(map(str, OLDEST_KERNEL))
    if version < OLDEST_KERNEL:
        return CheckResult("FAIL", "kernel", f"{release} is too old; expected {oldest} or later")
    return CheckResult("ok", "kernel", f"{release}, {oldest} or later is needed")


def _btf() -> CheckResult:
    if Path("/sys/kernel/btf/vmlinux").exists():
        return CheckResult(
            "ok", "kernel BTF", "there; not needed, but tools like bpftool show maps better with it"
        )
    return CheckResult(
        "warn", "kernel BTF", "not there; snatd runs without it, bpftool shows maps as plain bytes"
    )


def _bcc() -> CheckResult:
    if importlib.util.find_spec("bcc") is None:
        return CheckResult("FAIL", "BCC", "can't be imported; on Debian: apt-get install python3-bpfcc")
    try:
        from bcc import BPF
    except Exception as error:  # a package of this name on PyPI is something else
        return CheckResult(
            "FAIL", "BCC", f"can't be imported ({error}); on Debian: apt-get install python3-bpfcc"
        )
    return CheckResult("ok", "BCC", f"{BPF.__module__} can be imported")


def _bpffs(pins: Path) -> CheckResult:
    from snatsh.datapath.loader import is_bpffs

    above = _existing(pins)
    if not is_bpffs(above):
        return CheckResult("FAIL", "bpffs", f"{pins} is not on one; mount it: mount -t bpf bpf {pins.parent}")
    return CheckResult("ok", "bpffs", f"{above} is on one")


def _trial(pins: Path) -> CheckResult:
    """Load the datapath beside a running one, attached to nothing, and take it away again."""
    from snatsh.datapath.gateway import Datapath

    # A bpffs takes no names with a dot.
    trial = _existing(pins.absolute().parent) / f"snatd-check-{os.getpid()}"
    started = time.monotonic()
    try:
        Datapath.open(trial, max_flows=_TRIAL_FLOWS)
    except SnatshError as error:
        return CheckResult("FAIL", "datapath", str(error).replace("\n", " "))
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return CheckResult("ok", "datapath", f"compiles and loads, in {time.monotonic() - started:.1f} s")


def _state(folder: Path) -> CheckResult:
    above = _existing(folder)
    if not above.is_dir():
        return CheckResult("FAIL", "state folder", f"{above} is no folder; choose another with --state")
    if not os.access(above, os.W_OK | os.X_OK):
        return CheckResult("FAIL", "state folder", f"{above} can't be written; choose another with --state")
    made = "can be written" if above == folder else f"can be made in {above}"
    return CheckResult("ok", "state folder", f"{folder} {made}")


def _forwarding() -> CheckResult:
    if forwarding():
        return CheckResult("ok", "ip_forward", "is on")
    return CheckResult(
        "warn", "ip_forward", "is off, nothing is routed; turn it on: sysctl -w net.ipv4.ip_forward=1"
    )


def _interfaces() -> Iterator[CheckResult]:
    try:
        facts = gather()
    except SnatshError as error:
        yield CheckResult("FAIL", "interfaces", str(error))
        return
    able = native_xdp()
    for name, known in sorted(facts.interfaces.items()):
        if name == "lo":
            continue
        what = f"interface {name}"
        if able is None:
            yield CheckResult(
                "warn", what, "this kernel does not say whether the driver has native XDP; TC works"
            )
        elif able.get(known.index):
            yield CheckResult("ok", what, "the driver has native XDP")
        else:
            yield CheckResult(
                "warn", what, "the driver has no native XDP with redirect; hook auto takes TC, slower"
            )


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
