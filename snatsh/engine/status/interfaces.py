# SPDX-License-Identifier: Apache-2.0
"""The interfaces of the configuration, with what is attached to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from snatsh.api.interfaces import HookMode, InterfaceSummary
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile

if TYPE_CHECKING:
    from snatsh.datapath.hooks.attach import Standing


def interface_rows(profile: Profile, facts: Facts, standing: Iterable[Standing]) -> list[InterfaceSummary]:
    """List the configured interfaces. hook: mode of the attached hook, empty if none."""
    found = {one.interface: one for one in standing}
    rows = []
    for name, interface in sorted(profile.interfaces.items()):
        known = facts.interfaces.get(name)
        rows.append(
            InterfaceSummary(
                name=name,
                index=known.index if known else 0,
                role=interface.role,
                hook=_hook(found.get(name)),
                state=("up" if known.up else "down") if known else "missing",
                mac=known.mac.hex(":") if known else "",
                mtu=known.mtu if known else 0,
                addresses=[str(address) for address in known.addresses] if known else [],
                fault=_fault(found.get(name), interface.hook),
            )
        )
    return rows


def _hook(standing: Standing | None) -> HookMode:
    return standing.hook.mode if standing and standing.hook else ""


def _fault(standing: Standing | None, wanted: str) -> str:
    """What runs on an interface in place of current programs, in words; empty where these run, or nothing."""
    if standing is None:
        return ""
    if standing.hook is None or not standing.is_current:
        return standing.other
    if wanted == "xdp" and standing.hook.mode != "xdp":
        return standing.other or "no XDP program"
    return ""
