# SPDX-License-Identifier: Apache-2.0
"""Source NAT by netfilter on the same host, which would translate packets a second time."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.nftables.main import NFTables

_FAMILIES = {1: "inet", 2: "ip"}
_TARGETS = ("MASQUERADE", "SNAT")  # iptables-nft keeps the targets of iptables
_LEGACY_TABLES = Path("/proc/net/ip_tables_names")
_IPT_SO_GET_INFO = 64
_INFO = struct.Struct("=32s I 5I 5I 2I")
_BUILT_IN_ENTRIES = 5
"""Entries of an empty nat table: the policies of its four chains, and the end."""


def source_translations() -> tuple[str, ...]:
    """Describe every source NAT rule of nftables and iptables. Needs CAP_NET_ADMIN."""
    return (*_nftables(), *_legacy())


def _nftables() -> Iterator[str]:
    try:
        with NFTables(nfgen_family=0) as netlink:
            rules = list(netlink.get_rules())
    except (NetlinkError, OSError):
        return  # no nf_tables in this kernel
    for rule in rules:
        family = _FAMILIES.get(rule["nfgen_family"])
        if family and (action := _source_action(rule)):
            table, chain, handle = (
                rule.get_attr(f"NFTA_RULE_{part}") for part in ("TABLE", "CHAIN", "HANDLE")
            )
            yield f"table {family} {table}, chain {chain}, handle {handle}: {action}"


def _source_action(rule: Any) -> str | None:
    for expression in rule.get_attr("NFTA_RULE_EXPRESSIONS") or []:
        name, data = expression.get_attr("NFTA_EXPR_NAME"), expression.get_attr("NFTA_EXPR_DATA")
        if name == "masq":
            return "masquerade"
        if name == "nat" and data is not None and str(data.get_attr("NFTA_NAT_TYPE")) == "NFT_NAT_SNAT":
            return "snat"
        if name == "target" and data is not None:
            target = str(data.get_attr("NFTA_TARGET_NAME"))
            if target in _TARGETS:
                return target
    return None


def _legacy() -> Iterator[str]:
    """Count the entries of iptables-legacy; listing them would take a parser."""
    try:
        if "nat" not in _LEGACY_TABLES.read_text().split():
            return
        entries = _legacy_entries()
    except OSError:
        return
    if entries > _BUILT_IN_ENTRIES:
        rules = entries - _BUILT_IN_ENTRIES
        yield f"iptables-legacy, table nat: {rules} entries; see iptables-legacy -t nat -S"


def _legacy_entries() -> int:
    information = ctypes.create_string_buffer(_INFO.pack(b"nat", *([0] * 13)), _INFO.size)
    size = ctypes.c_uint32(_INFO.size)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        libc = ctypes.CDLL(None, use_errno=True)
        option = (raw.fileno(), socket.IPPROTO_IP, _IPT_SO_GET_INFO)
        if libc.getsockopt(*option, information, ctypes.byref(size)):
            raise OSError(ctypes.get_errno(), "cannot read the nat table")
    return int(_INFO.unpack(information.raw)[-2])
