# SPDX-License-Identifier: Apache-2.0
"""Values that several commands take."""

from __future__ import annotations

from snatsh.shell.core.grammar import Source, Value

OLDEST = 49
"""The highest number of a committed configuration."""


def number(low: int, high: int, *sources: Source) -> Value:
    """An integer within bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:12]) <= high):
            raise ValueError(f"expected a number from {low} to {high}")
        return int(text)

    return Value(f"<{low}..{high}>", parse, sources)


def _prefix(text: str) -> str:
    from ipaddress import IPv4Interface, IPv4Network

    try:
        return str(IPv4Network(text)) if "/" in text else str(IPv4Network(text).network_address)
    except ValueError:
        pass
    try:
        network = IPv4Interface(text).network
    except ValueError:
        raise ValueError("expected an address or a prefix, for example 192.0.2.0/24") from None
    raise ValueError(f"has host bits set; did you mean {network}?")


def _number_or_rescue(text: str) -> int | str:
    return text if text == "rescue" else int(number(0, OLDEST).parse(text))


PREFIX = Value("<address or prefix>", _prefix)
COMMITTED = Value(f"<0..{OLDEST}|rescue>", _number_or_rescue, (("live", "history"),))
FILE = Value("<file>", str, (("live", "file"),))


def _address(text: str) -> str:
    from ipaddress import IPv4Address

    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("expected an address, for example 192.0.2.1") from None


ADDRESS = Value("<address>", _address)
