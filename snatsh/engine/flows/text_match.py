# SPDX-License-Identifier: Apache-2.0
"""Search for a text in the rows of a listing, without formatting a million rows.

An address contains 40.9 if an octet ends in 40 and the next begins with 9, which numpy looks up in tables
of 256 entries. A colon joins an address and its port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath.layout import STATE_NAMES
from snatsh.engine.flows.snapshot import Picked
from snatsh.model.vocabulary import PROTOCOL_NAMES

Mask = NDArray[np.bool_]

_ENDPOINTS = (("source", "source_port"), ("mapped", "mapped_port"), ("destination", "destination_port"))


def matching(flows: Picked, text: str, interfaces: Mapping[int, str]) -> Mask:
    """Return which flows match. text: part of an address, port, protocol, state, rule or interface."""
    text = text.strip().lower()
    found = np.zeros(len(flows), dtype=np.bool_)
    if not text:
        return ~found
    for address, port in _ENDPOINTS:
        found |= endpoint_matches(flows[address], flows[port], text)
    for column, names in (
        ("protocol", PROTOCOL_NAMES),
        ("state", dict(enumerate(STATE_NAMES))),
        ("out_interface", {index: name.lower() for index, name in interfaces.items()}),
    ):
        wanted = [number for number, name in names.items() if text in name]
        if wanted:
            found |= np.isin(flows[column], wanted)
    if text.isdigit():
        rules = np.unique(flows["rule"])
        found |= np.isin(flows["rule"], [rule for rule in rules.tolist() if text in str(rule)])
    return found


def endpoint_matches(addresses: NDArray[np.uint32], ports: NDArray[np.uint16], text: str) -> Mask:
    """Return which endpoints contain a text in lower case."""
    nothing = np.zeros(len(addresses), dtype=np.bool_)
    if not set(text) <= set("0123456789.:"):
        return nothing
    head, colon, tail = text.partition(":")
    if not colon:
        return _address(addresses, text, to_the_end=False) | _port(ports, text, str.__contains__)
    if ":" in tail or "." in tail:
        return nothing
    return _address(addresses, head, to_the_end=True) & _port(ports, tail, str.startswith)


def _port(ports: NDArray[np.uint16], text: str, test: Callable[[str, str], bool]) -> Mask:
    if not text:
        return np.ones(len(ports), dtype=np.bool_)
    if not text.isdigit():
        return np.zeros(len(ports), dtype=np.bool_)
    found: Mask = _answers(text, test)[ports]
    return found


@lru_cache(maxsize=16)
def _answers(text: str, test: Callable[[str, str], bool]) -> Mask:
    """Return the result for every port."""
    return np.fromiter((test(str(port), text) for port in range(65_536)), dtype=np.bool_, count=65_536)


def _address(addresses: NDArray[np.uint32], text: str, *, to_the_end: bool) -> Mask:
    """Match addresses. to_the_end: the text has to end where the address ends."""
    parts = text.split(".")
    found = np.zeros(len(addresses), dtype=np.bool_)
    if len(parts) > 4 or any(not part for part in parts[1:-1]):
        return found
    octets = addresses.astype(">u4").view(np.uint8).reshape(-1, 4).T
    places = range(5 - len(parts))
    for place in [places[-1]] if to_the_end else places:
        here = np.ones(len(addresses), dtype=np.bool_)
        for at, part in enumerate(parts):
            begins, ends = at > 0, at < len(parts) - 1 or to_the_end
            here &= _octets(part, begins, ends)[octets[place + at]]
        found |= here
    return found


def _octets(part: str, begins: bool, ends: bool) -> Mask:
    """Return for each octet whether it contains the part, at its start or end if required."""

    def holds(octet: str) -> bool:
        if begins and ends:
            return octet == part
        if begins:
            return octet.startswith(part)
        return octet.endswith(part) if ends else part in octet

    return np.fromiter((holds(str(octet)) for octet in range(256)), dtype=np.bool_, count=256)
