# SPDX-License-Identifier: Apache-2.0
"""Next hops of links."""

from __future__ import annotations

from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Link
from snatsh.model.values import Address


def next_hop(link: Link, facts: Facts | None) -> Address | None:
    """The next hop configured for a link, else the remote end of its interface; None without either."""
    if link.next_hop is not None or facts is None or link.interface not in facts.interfaces:
        return link.next_hop
    return next(iter(facts.interfaces[link.interface].peers), None)
