# SPDX-License-Identifier: Apache-2.0
"""Random documents: any that have the right shape, and valid ones on a small network.

The network is the demo's: eth0 inside, eth1 and eth2 outside, as in FACTS. Its address universe is small,
so that random rules meet each other and random packets meet rules.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from snatsh.model.document import marks
from snatsh.model.document.document import Document
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.schema.tree import Node, ValueType, root
from snatsh.model.values import InterfaceAddress


def _interface(index: int, *addresses: str) -> InterfaceFacts:
    mac = bytes([2, 0, 0, 0, 0, index])
    return InterfaceFacts(index, mac, 1500, True, tuple(map(InterfaceAddress, addresses)))


FACTS = Facts(
    {
        "lo": _interface(1, "127.0.0.1/8"),
        "eth0": _interface(2, "192.168.40.1/24"),
        "eth1": _interface(3, "1.1.2.2/24"),
        "eth2": _interface(4, "1.1.3.2/24"),
    }
)
INSIDE = ("eth0",)
OUTSIDE = ("eth1", "eth2")
LINKS = {"isp-a": ("eth1", "1.1.2.1"), "isp-b": ("eth2", "1.1.3.1")}
NEXT_HOPS = {"eth1": ("1.1.2.1", "1.1.2.9"), "eth2": ("1.1.3.1", "1.1.3.9")}
SOURCES = IPv4Network("192.168.40.0/24")
DESTINATIONS = IPv4Network("8.8.8.0/24")
POOL_NAMES = ("a", "b", "c", "d")
ALGORITHMS = root().children["rules"].children["algorithm"].value.choices  # type: ignore[union-attr]

# Blocks of 16 addresses that pools are cut from: two on-link, one that is routed here.
_BLOCKS = tuple(
    str(block)
    for network in ("1.1.2.64/26", "1.1.3.64/26", "203.0.113.0/26")
    for block in IPv4Network(network).subnets(new_prefix=28)
)


# --- any document ---------------------------------------------------------------------------------


@cache
def documents() -> SearchStrategy[Document]:
    """Documents of the right shape, which no gateway need be able to run."""
    return _container(root()).map(lambda found: found or {})


def marked(document: Document) -> SearchStrategy[Document]:
    """The document, some of its statements marked."""
    drawn = st.dictionaries(st.sampled_from(_paths(document) or [("",)]), _MARKS, max_size=3)
    return drawn.map(
        lambda found: (
            {**document, marks.MARKS: {marks.key(path): mark for path, mark in found.items()}}
            if document and found
            else document
        )
    )


def _paths(held: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(held, dict):
        return []
    return [path for name, inner in held.items() for path in ((*above, name), *_paths(inner, (*above, name)))]


_COMMENTS = st.from_regex(r"[a-z]([a-z */#;{}\"]{0,9}[a-z])?", fullmatch=True)
_MARKS = st.fixed_dictionaries(
    {}, optional={"inactive": st.just("yes"), "protect": st.just("yes"),
                  "comment": _COMMENTS.filter(lambda text: "*/" not in text and "  " not in text)},
).filter(bool)  # fmt: skip


@cache
def values(kind: ValueType) -> SearchStrategy[Any]:
    """Canonical values that a place takes."""
    if kind.kind == "enum":
        return st.sampled_from(kind.choices)
    if kind.kind == "integer":
        low, high = map(int, re.findall(r"\d+", kind.hint))
        return st.integers(low, high)
    if _takes(kind, "/x") and not _takes(kind, "x"):
        return st.from_regex(r"/[a-z0-9/.]{1,12}", fullmatch=True)
    return _TEXTS[kind.kind].filter(lambda token: _takes(kind, token)).map(kind.parse)


def _takes(kind: ValueType, token: str) -> bool:
    try:
        kind.parse(token)
    except ValueError:
        return False
    return True


def _prefix(address: IPv4Address, length: int) -> str:
    return str(IPv4Network((address, length), strict=False))


_ADDRESSES = st.ip_addresses(v=4)
_PORTS = st.integers(1, 65535)
_TEXTS: dict[str, SearchStrategy[str]] = {
    "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", fullmatch=True)
    | st.sampled_from(["eth0.100", "null", "true", "10", "1e3", "set", "wg@ü", "Ethernet1,2", "~", "<<"]),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.sampled_from(['say "hi"', "back\\slash\\", "# no comment", "a; b { c }", " edge ", "", "[ x ]"]),
    "address": _ADDRESSES.map(str),
    "prefix": st.builds(_prefix, _ADDRESSES, st.integers(0, 32)),
    "address-range": st.builds(_prefix, _ADDRESSES, st.integers(0, 32))
    | st.tuples(_ADDRESSES, _ADDRESSES).map(lambda pair: "-".join(map(str, sorted(pair)))),
    "port-range": st.tuples(_PORTS, _PORTS).map(lambda pair: "-".join(map(str, sorted(pair)))),
}


@cache
def _container(node: Node) -> SearchStrategy[Document]:
    optional = {name: _statement(child) for name, child in node.children.items() if not child.hidden}
    drawn = st.fixed_dictionaries({}, optional=optional)
    return drawn.map(lambda found: {name: held for name, held in found.items() if held not in ({}, [])})


def _statement(node: Node) -> SearchStrategy[Any]:
    if node.kind == "container":
        return _container(node)
    if node.kind == "list":
        assert node.key is not None
        return st.dictionaries(values(node.key).map(str), _container(node), max_size=3)
    assert node.value is not None
    if node.kind == "leaf":
        return values(node.value)
    return st.lists(values(node.value), unique=True, max_size=4)


# --- valid ones -----------------------------------------------------------------------------------


# Made once: a strategy that is made for each draw takes longer than the draw.
_EITHER = st.booleans()
_ONE_IN_FOUR = st.integers(0, 3)
_FIFTEEN = st.integers(0, 14)
_SIXTEEN = st.integers(0, 15)
_DEFAULT_ACTIONS = st.sampled_from(["drop", "pass"])
_BLOCK_ORDERS = st.permutations(_BLOCKS)
_BLOCK_COUNTS = st.integers(1, 3)
_POOL_COUNTS = st.integers(1, len(POOL_NAMES))
_PORT_RANGES = st.sampled_from(["1024-65535", "1-65535", "2000-2003", "5000"])
_ANNOUNCE = st.sampled_from(["arp", "always", "none"])
_UNMATCHED = st.sampled_from(["drop", "stack"])
_PROTOCOLS = st.sampled_from(["tcp", "udp", "icmp"])
_OUTSIDE = st.sampled_from(OUTSIDE)
_OUT = st.none() | _OUTSIDE
_NEXT_HOPS = {name: st.sampled_from(hops) for name, hops in NEXT_HOPS.items()}
_ACTIONS = st.sampled_from(["translate", "translate", "translate", "exempt", "drop"])
_ALGORITHMS = st.sampled_from(ALGORITHMS)
_HOPS = st.sampled_from([hop for hops in NEXT_HOPS.values() for hop in hops])
_LINKS = st.sampled_from(sorted(LINKS))
_LENGTHS = st.sampled_from([0, 8, 16, 24, 28, 30, 32])


@cache
def _rule_numbers(most: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 100), unique=True, max_size=most)


@cache
def _up_to_fifteen(first: int) -> SearchStrategy[int]:
    return st.integers(first, 15)


@cache
def _one_of(names: tuple[str, ...]) -> SearchStrategy[str]:
    return st.sampled_from(names)


@st.composite
def profiles(draw: DrawFn, max_rules: int = 12) -> Document:
    """Documents that a gateway with FACTS runs: no error in them, warnings maybe."""
    pools = draw(_POOLS)
    numbers = draw(_rule_numbers(max_rules))
    rules = {str(number): draw(_rules(tuple(sorted(pools)))) for number in numbers}
    document: Document = {
        "system": {"default-action": draw(_DEFAULT_ACTIONS)},
        "interfaces": {
            **{name: {"role": "inside"} for name in INSIDE},
            **{name: {"role": "outside"} for name in OUTSIDE},
        },
        "links": {name: {"interface": out, "next-hop": hop} for name, (out, hop) in LINKS.items()},
        "pools": pools,
    }
    return document | ({"rules": rules} if rules else {})


@st.composite
def _pools(draw: DrawFn) -> Document:
    """One to four pools that share no address."""
    blocks = draw(_BLOCK_ORDERS)
    names = POOL_NAMES[: draw(_POOL_COUNTS)]
    pools: Document = {}
    for position, name in enumerate(names):
        mine = blocks[position * 3 : position * 3 + draw(_BLOCK_COUNTS)]
        pools[name] = {"address": [draw(_piece(block)) for block in mine]}
        network = IPv4Network(mine[0])
        if draw(_EITHER):
            pools[name]["ports"] = draw(_PORT_RANGES)
        if draw(_EITHER):
            pools[name]["announce"] = draw(_ANNOUNCE)
        if draw(_EITHER):
            pools[name]["unmatched"] = draw(_UNMATCHED)
        if pools[name]["address"][0] == str(network) and draw(_EITHER):
            pools[name]["exclude"] = [str(network[draw(_SIXTEEN)])]
    return pools


_POOLS = _pools()


@cache
@st.composite
def _piece(draw: DrawFn, block: str) -> str:
    """A block, or a range in it, in canonical form."""
    network = IPv4Network(block)
    if draw(_EITHER):
        return block
    first = draw(_FIFTEEN)
    last = draw(_up_to_fifteen(first))
    if first == last:
        return str(network[first])
    size = last - first + 1
    if size & (size - 1) == 0 and first % size == 0:
        return f"{network[first]}/{33 - size.bit_length()}"
    return f"{network[first]}-{network[last]}"


@cache
@st.composite
def _rules(draw: DrawFn, pools: tuple[str, ...]) -> Document:
    rule: Document = {}
    if draw(_EITHER):
        rule["source"] = draw(_prefixes(SOURCES))
    if draw(_EITHER):
        rule["destination"] = draw(_prefixes(DESTINATIONS))
    if draw(_EITHER):
        rule["protocol"] = draw(_PROTOCOLS)
    out = draw(_OUT)
    if out is not None:
        rule["out-interface"] = out
    if draw(_EITHER):
        rule["next-hop"] = draw(_NEXT_HOPS[out or draw(_OUTSIDE)])
    action = draw(_ACTIONS)
    if action != "translate":
        return rule | {"action": action}
    rule["pool"] = draw(_one_of(pools))
    if draw(_EITHER):
        rule["algorithm"] = draw(_ALGORITHMS)
    if draw(_ONE_IN_FOUR) == 0:
        rule["redirect"] = draw(_HOPS)
    if draw(_ONE_IN_FOUR) == 0:
        link = draw(_LINKS)
        rule["failover"] = {link: {"redirect": draw(_HOPS), "pool": draw(_one_of(pools))}}
    return rule


@cache
@st.composite
def _prefixes(draw: DrawFn, network: IPv4Network) -> str:
    """Prefixes around and in the network, of few lengths, so that they nest."""
    length = draw(_LENGTHS)
    return _prefix(network[draw(_SIXTEEN)], length)
