# SPDX-License-Identifier: Apache-2.0
"""What of the Linux host acts on forwarded packets, but not on translated ones. Gathered by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from snatsh.model.values import Prefix

Subject = Literal[
    "firewall", "mangling", "bridge filter", "proxy", "flowtable", "hardware flowtable",
    "unread rules", "qdisc", "filter", "late filter", "policy rule", "forwarding", "rp_filter", "bridge port",
    "no redirect", "ipsec policy",
]  # fmt: skip
"""What it is; `snatsh.model.validate.box` says what it means."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """A thing of the host that translated packets may pass by.

    what: its name, by which the operator finds it. interface: the one it is for; empty for all. May end in *.
    source, destination: of the packets it is for.
    """

    subject: Subject
    what: str
    interface: str = ""
    source: Prefix | None = None
    destination: Prefix | None = None
