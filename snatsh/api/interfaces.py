# SPDX-License-Identifier: Apache-2.0
"""Interfaces that take part, and packets that were not translated."""

from __future__ import annotations

from typing import Literal

from snatsh.api.codec import Model
from snatsh.api.fields import Field, FieldTable, Unit

InterfaceRole = Literal["inside", "outside"]
HookMode = Literal["", "xdp", "tc"]
InterfaceState = Literal["up", "down", "missing"]

INTERFACE_FIELDS = FieldTable(
    Field("name", "Interface", rising=True),
    Field("role", "Role", rising=True),
    Field("hook", "Hook", rising=True),
    Field("state", "State", rising=True),
    Field("mtu", "MTU", Unit.COUNT),
    Field("mac", "MAC", rising=True),
    Field("packets_in", "In packets", Unit.COUNT),
    Field("bytes_in", "In bytes", Unit.OCTETS),
    Field("packets_out", "Out packets", Unit.COUNT),
    Field("bytes_out", "Out bytes", Unit.OCTETS),
    Field("lost", "Lost", Unit.COUNT),
)


class InterfaceSummary(Model, frozen=True):
    """hook: what is attached; empty for nothing."""

    name: str
    index: int
    role: InterfaceRole
    hook: HookMode
    state: InterfaceState
    mac: str
    mtu: int
    addresses: list[str]


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
