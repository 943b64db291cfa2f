# SPDX-License-Identifier: Apache-2.0
"""The interfaces of the configuration, with what is attached to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from snatsh.api.interfaces import InterfaceSummary
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile

if TYPE_CHECKING:
    from snatsh.datapath.attach import Hook


def interface_rows(profile: Profile, facts: Facts, attached: Iterable[Hook]) -> list[InterfaceSummary]:
    """List the configured interfaces. hook: mode of the attached hook, empty if none."""
    hooks = {hook.interface: hook.mode for hook in attached}
    rows = []
    for name, interface in sorted(profile.interfaces.items()):
        known = facts.interfaces.get(name)
        rows.append(
            InterfaceSummary(
                name=name,
                index=known.index if known else 0,
                role=interface.role,
                hook=hooks.get(name, ""),
                state=("up" if known.up else "down") if known else "missing",
                mac=known.mac.hex(":") if known else "",
                mtu=known.mtu if known else 0,
                addresses=[str(address) for address in known.addresses] if known else [],
            )
        )
    return rows
