# SPDX-License-Identifier: Apache-2.0
"""`snatd --check`: check whether this host can run the gateway, and say what to do if not."""

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
from snatsh.datapath.hooks.xdp_support import xdp_support
from snatsh.engine.host.facts import forwarding, gather
from snatsh.model.errors import SnatshError

OLDEST_KERNEL = (5, 15)
"""The oldest supported kernel: the datapath uses BPF helpers of 5.11 and 5.12."""

_TRIAL_FLOWS = 1024


@dataclass(frozen=True, slots=True)
class CheckResult:
    """FAIL: snatd cannot run. warn: it runs, with a restriction."""

    level: Literal["ok", "warn", "FAIL"]
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.what}: {self.reason}"


def check(state: Path, pins: Path, out: TextIO = sys.stdout) -> bool:
    """Print every finding and return whether snatd can run. Leaves nothing changed."""
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
    if rights.level == "ok":
        yield from _history(state, pins)
    yield _forwarding()
    yield from _interfaces()


def _rights() -> CheckResult:
    lacking = privileges.missing()
    if lacking:
        return CheckResult("FAIL", "rights", f"missing {', '.join(lacking)}; run snatd as root")
    return CheckResult("ok", "rights", "holds the capabilities to load and attach BPF programs")


def _kernel() -> CheckResult:
    release = os.uname().release
    version = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    oldest = ".".join(map(str, OLDEST_KERNEL))
    if version < OLDEST_KERNEL:
        return CheckResult("FAIL", "kernel", f"{release} is not supported; expected {oldest} or later")
    return CheckResult("ok", "kernel", f"{release}; {oldest} or later is required")


def _btf() -> CheckResult:
    if Path("/sys/kernel/btf/vmlinux").exists():
        return CheckResult("ok", "kernel BTF", "available; optional, lets bpftool format maps")
    return CheckResult("warn", "kernel BTF", "not available; optional, bpftool shows maps as plain bytes")


def _bcc() -> CheckResult:
    if importlib.util.find_spec("bcc") is None:
        return CheckResult("FAIL", "BCC", "not installed; on Debian: apt-get install python3-bpfcc")
    try:
        from bcc import BPF
    except Exception as error:  # the package of this name on PyPI is another project
        return CheckResult(
            "FAIL", "BCC", f"cannot be imported ({error}); on Debian: apt-get install python3-bpfcc"
        )
    return CheckResult("ok", "BCC", f"{BPF.__module__} can be imported")


def _bpffs(pins: Path) -> CheckResult:
    from snatsh.datapath.loading.loader import is_bpffs

    above = _existing(pins)
    if not is_bpffs(above):
        reason = f"{pins} is not on a BPF file system; mount one: mount -t bpf bpf {pins.parent}"
        return CheckResult("FAIL", "bpffs", reason)
    return CheckResult("ok", "bpffs", f"{above} is on one")


def _trial(pins: Path) -> CheckResult:
    """Load the datapath beside a running one without attaching it, and remove it again."""
    from snatsh.datapath.gateway import Datapath
    from snatsh.datapath.programs import GROUPS

    # A bpffs does not accept names with a dot.
    trial = _existing(pins.absolute().parent) / f"snatd-check-{os.getpid()}"
    started = time.monotonic()
    try:
        Datapath.open(trial, max_flows=_TRIAL_FLOWS, apart=True).programs.require(*GROUPS)
    except SnatshError as error:
        return CheckResult("FAIL", "datapath", str(error).replace("\n", " "))
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return CheckResult("ok", "datapath", f"compiles and loads, in {time.monotonic() - started:.1f} s")


def _state(folder: Path) -> CheckResult:
    above = _existing(folder)
    if not above.is_dir():
        return CheckResult("FAIL", "state folder", f"{above} is not a folder; choose another with --state")
    if not os.access(above, os.W_OK | os.X_OK):
        return CheckResult("FAIL", "state folder", f"{above} is not writable; choose another with --state")
    made = "can be written" if above == folder else f"can be made in {above}"
    return CheckResult("ok", "state folder", f"{folder} {made}")


def _history(state: Path, pins: Path) -> Iterator[CheckResult]:
    """Report a running datapath whose commit the history lacks."""
    from snatsh.engine.config.running_commit import lacking

    if found := lacking(state, pins):
        reason = f"lacks the commit that runs ({found}); choose another --state, or run snatd --begin-anew"
        yield CheckResult("FAIL", "history", reason)


def _forwarding() -> CheckResult:
    if forwarding():
        return CheckResult("ok", "ip_forward", "is on")
    return CheckResult(
        "warn", "ip_forward", "is off, so nothing is forwarded; turn it on: sysctl -w net.ipv4.ip_forward=1"
    )


def _interfaces() -> Iterator[CheckResult]:
    try:
        facts = gather()
    except SnatshError as error:
        yield CheckResult("FAIL", "interfaces", str(error))
        return
    able = xdp_support()
    for name, known in sorted(facts.interfaces.items()):
        if name == "lo":
            continue
        what = f"interface {name}"
        if able is None:
            yield CheckResult(
                "warn",
                what,
                "the kernel does not report whether the driver supports native XDP",
            )
        elif known.software:
            yield CheckResult("warn", what, "is virtual; hook auto uses tc, as XDP needs checksums filled in")
        elif (supported := able.get(known.index)) and supported.native:
            yield CheckResult("ok", what, "the driver supports native XDP")
        else:
            yield CheckResult(
                "warn",
                what,
                "the driver does not support native XDP with redirect; hook auto uses tc (slower)",
            )


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
