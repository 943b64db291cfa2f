# SPDX-License-Identifier: Apache-2.0
"""Flowtables as nf_tables reports them (linux/netfilter/nf_tables.h), which not every kernel has."""

from __future__ import annotations

import pytest

from snatsh.datapath.netlink import ATTRIBUTE, attributes_in
from snatsh.engine.box.netfilter import bypassed
from snatsh.engine.box.nftables import flowtable_of
from snatsh.engine.box.ruleset import Ruleset
from snatsh.model.box import Bypass


def attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


@pytest.mark.parametrize(("flags", "subject"), [(0, "flowtable"), (1, "hardware flowtable")])
def test_flowtable(flags: int, subject: str) -> None:
    devices = b"".join(attribute(1, name + b"\0") for name in (b"eth0", b"eth1"))
    hook = attribute(1, bytes(4)) + attribute(2, bytes(4)) + attribute(3, devices)
    message = attribute(1, b"shop\0") + attribute(2, b"fast\0") + attribute(3, hook)
    message += attribute(7, flags.to_bytes(4, "big"))
    found = flowtable_of("inet", dict(attributes_in(message)))
    where = "hardware" if flags else "software"
    name = f"table inet shop, flowtable fast of eth0, eth1, in {where}"
    assert list(bypassed(Ruleset(flowtables=(found,)))) == [Bypass(subject, name)]  # type: ignore[arg-type]
