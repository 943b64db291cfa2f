# SPDX-License-Identifier: Apache-2.0
"""Interfaces that take part, and packets that were not translated."""

from __future__ import annotations

from typing import Literal

from snatsh.api.codec import Model

InterfaceRole = Literal["inside", "outside"]
HookMode = Literal["", "xdp", "tc"]
InterfaceState = Literal["up", "down", "missing"]


class InterfaceSummary(Model, frozen=True):
    """hook: what is attached; empty for nothing. fault: what runs in place of current programs of snatsh."""

    name: str
    index: int
    role: InterfaceRole
    hook: HookMode
    state: InterfaceState
    mac: str
    mtu: int
    addresses: list[str]
    fault: str = ""


class InterfaceRow(InterfaceSummary, frozen=True):
    """The kernel's counters; None for an interface that is missing."""

    packets_in: int | None = None
    bytes_in: int | None = None
    packets_out: int | None = None
    bytes_out: int | None = None
    lost: int | None = None


class InterfaceList(Model, frozen=True):
    interfaces: list[InterfaceRow]


class Reason(Model, frozen=True):
    """Packets that were dropped or passed to the stack for one reason."""

    reason: str
    help: str
    packets: int
    bytes: int


class Drops(Model, frozen=True):
    drops: list[Reason]
    handed_up: list[Reason]
