# SPDX-License-Identifier: Apache-2.0
"""The dialects there are. A new one is its module and its line here."""

from __future__ import annotations

from snatsh.interop import dpvs, dpvs_listing, iptables, ipvsadm, keepalived, lvs_dpdk, nft
from snatsh.interop.dialect import Dialect
from snatsh.model.errors import FormError

DIALECTS = (
    nft.DIALECT,
    dpvs_listing.DIALECT,
    keepalived.DIALECT,
    lvs_dpdk.DIALECT,
    dpvs.DIALECT,
    iptables.DIALECT,
    ipvsadm.DIALECT,
)
"""In the order of detection: a dialect precedes those whose signature matches its texts too."""


def named(name: str) -> Dialect:
    """The dialect of this name; FormError when there is none."""
    for dialect in DIALECTS:
        if dialect.name == name:
            return dialect
    raise FormError(f"unknown dialect {name}; {_expected()}", 1, 1)


def detect(text: str) -> Dialect:
    """The dialect of a text; FormError when no signature matches."""
    for dialect in DIALECTS:
        if dialect.recognises(text):
            return dialect
    raise FormError(f"no dialect recognised; {_expected()}", 1, 1)


def _expected() -> str:
    return f"expected one of {', '.join(sorted(dialect.name for dialect in DIALECTS))}"
