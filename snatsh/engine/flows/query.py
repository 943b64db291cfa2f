# SPDX-License-Identifier: Apache-2.0
"""Filter and sort flows, up to millions of them, with numpy."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.api.flows import FLOW_FIELDS, Flow, Talker
from snatsh.datapath.layout import STATE_NAMES
from snatsh.engine.errors import QueryError
from snatsh.model.values import Prefix, parse_prefix
from snatsh.model.vocabulary import PROTOCOL_NAMES, PROTOCOL_NUMBERS

Flows = NDArray[np.void]
Mask = NDArray[np.bool_]

DEFAULT_LIMIT = 100
MOST = 4_000_000
_CHUNK = 1000  # flows formatted at a time: no listing is held in memory whole


def both(flows: Any, what: str) -> NDArray[Any]:
    """The packets or bytes of both directions."""
    total: NDArray[Any] = flows[f"{what}_out"] + flows[f"{what}_in"]
    return total


def sort_keys(flows: Any, sort: str) -> NDArray[Any]:
    """The values to sort by. flows: rows of the table, or what gives its columns by name."""
    keys: NDArray[Any] = both(flows, sort) if sort in ("bytes", "packets") else flows[sort]
    return keys


def descending(keys: NDArray[Any]) -> NDArray[Any]:
    """Keys in the opposite order. Negating unsigned numbers would wrap around; their complement does not."""
    return ~keys if keys.dtype.kind == "u" else -keys


def _rate(flows: Flows) -> NDArray[Any]:
    rate: NDArray[Any] = 8 * both(flows, "bytes") / np.maximum(flows["age"], 1.0)
    return rate


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """All given fields have to match. port: any of the three ports of a flow.

    age: minimum in seconds. rate: minimum in bits per second, over the life of the flow.
    link: index of its interface. pool: ranges of its addresses.
    """

    source: Prefix | None = None
    destination: Prefix | None = None
    mapped: Prefix | None = None
    protocol: int | None = None
    rule: int | None = None
    state: int | None = None
    port: int | None = None
    mapped_port: int | None = None
    age: int | None = None
    rate: int | None = None
    link: int | None = None
    pool: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> FlowFilter:
        """Parse the words of a query, except pool and link. QueryError names the one that is wrong."""
        unknown = sorted(set(query) - set(_READERS))
        if unknown:
            raise QueryError(f"{unknown[0]}: no such filter; expected one of {', '.join(_READERS)}")
        return cls(**{name: _read(name, text, _READERS[name]) for name, text in query.items()})

    def mask(self, flows: Flows) -> Mask:
        chosen = np.ones(len(flows), dtype=np.bool_)
        for name in ("source", "destination", "mapped"):
            prefix: Prefix | None = getattr(self, name)
            if prefix is not None:
                chosen &= (flows[name] & int(prefix.netmask)) == int(prefix.network_address)
        for name in ("protocol", "rule", "state", "mapped_port"):
            value: int | None = getattr(self, name)
            if value is not None:
                chosen &= flows[name] == value
        if self.age is not None:
            chosen &= flows["age"] >= self.age
        if self.rate is not None:
            chosen &= _rate(flows) >= self.rate
        if self.link is not None:
            chosen &= flows["out_interface"] == self.link
        if self.pool is not None:
            runs = [(flows["mapped"] >= first) & (flows["mapped"] <= last) for first, last in self.pool]
            chosen &= np.logical_or.reduce(runs) if runs else False
        if self.port is not None:
            ports = ("source_port", "destination_port", "mapped_port")
            there = [port for port in ports if port in (flows.dtype.names or ())]
            chosen &= np.logical_or.reduce([flows[port] == self.port for port in there])
        return chosen

    def select(self, flows: Flows) -> Flows:
        """Return the flows that match; an empty filter returns all of them without a copy."""
        found: Flows = flows if self == FlowFilter() else flows[self.mask(flows)]
        return found


def parse_limit(text: str) -> int:
    return int(_read("limit", text, _integer(0, MOST)))


def parse_sort(text: str) -> str:
    return str(_read("sort", text, _word({name: name for name in FLOW_FIELDS.sorts})))


def first(flows: Flows, limit: int, sort: str | None = None) -> Flows:
    """Return the first `limit` flows: greatest first, addresses and rules lowest first."""
    if sort is None:
        return flows[:limit]
    keys = _rate(flows) if sort == "rate" else sort_keys(flows, sort)
    keys = descending(keys) if FLOW_FIELDS.is_descending(sort) else keys
    if limit < len(flows):
        nearest = np.argpartition(keys, limit)[:limit]
        flows, keys = flows[nearest], keys[nearest]
    return flows[np.argsort(keys, kind="stable")]


def rows(flows: Flows, interfaces: Mapping[int, str]) -> Iterator[Flow]:
    """Format flows for the API. interfaces: names by index."""
    for start in range(0, len(flows), _CHUNK):
        chunk = flows[start : start + _CHUNK]
        columns = [_shown(name, chunk[name].tolist(), interfaces) for name in Flow.__struct_fields__]
        yield from map(Flow, *columns)


def _shown(name: str, values: list[Any], interfaces: Mapping[int, str]) -> Iterable[Any]:
    """Format a column of the table for the API."""
    match name:
        case "source" | "destination" | "mapped":
            return map(address_text, values)
        case "protocol":
            return (PROTOCOL_NAMES.get(value, str(value)) for value in values)
        case "state":
            return (STATE_NAMES[value] for value in values)
        case "out_interface":
            return (interfaces.get(value, "") for value in values)
        case "redirect":
            return (address_text(value) if value else "" for value in values)
        case "age" | "idle" | "expires":
            return (round(value, 1) for value in values)
    return values


def address_text(address: int) -> str:
    return socket.inet_ntoa(struct.pack("!I", address))


def _read(name: str, text: str, reader: Callable[[str], Any]) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise QueryError(f"{name}: {text}: {error}") from None


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise ValueError(f"expected a number from {low} to {high}")
        return int(text)

    return read


def _word(words: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return words[text]

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "source": parse_prefix,
    "destination": parse_prefix,
    "mapped": parse_prefix,
    "protocol": _word(PROTOCOL_NUMBERS),
    "rule": _integer(1, 1_000_000),
    "state": _word({name: number for number, name in enumerate(STATE_NAMES)}),
    "port": _integer(0, 65_535),
    "mapped_port": _integer(0, 65_535),
    "age": _integer(0, 10_000_000),
    "rate": _integer(0, 99_999_999_999),
}


def talkers(flows: Flows, limit: int) -> list[Talker]:
    """Return the subscribers with the most bytes in live flows."""
    sources, place = np.unique(flows["source"], return_inverse=True)
    octets = np.bincount(place, weights=both(flows, "bytes"), minlength=len(sources))
    packets = np.bincount(place, weights=both(flows, "packets"), minlength=len(sources))
    rates = np.bincount(place, weights=_rate(flows), minlength=len(sources))
    counts = np.bincount(place, minlength=len(sources))
    return [
        Talker(
            source=address_text(int(sources[at])),
            flows=int(counts[at]),
            packets=int(packets[at]),
            bytes=int(octets[at]),
            rate=int(rates[at]),
        )
        for at in np.argsort(-octets, kind="stable")[:limit]
    ]
