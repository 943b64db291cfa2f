# SPDX-License-Identifier: Apache-2.0
"""Leaf values of a profile. Each type has one textual form: `parse(str(x)) == x`.

Addresses are IPv4. The model, the compiler and the importers know the address family from this module alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

Address = ipaddress.IPv4Address
Prefix = ipaddress.IPv4Network
InterfaceAddress = ipaddress.IPv4Interface

ADDRESS_BITS = ipaddress.IPV4LENGTH
ANY_PREFIX = Prefix("0.0.0.0/0")
BROADCAST = Address("255.255.255.255")


def parse_address(text: object) -> Address:
    """One unicast address; ValueError says what was expected."""
    if isinstance(text, Address):
        return text
    if not isinstance(text, str):
        raise ValueError("expected an address, for example 192.0.2.1")
    try:
        return Address(text)
    except ValueError:
        if _is_v6(text):
            raise ValueError("IPv6 is not translated yet; expected an IPv4 address") from None
        raise ValueError("expected an address, for example 192.0.2.1") from None


def parse_prefix(text: object) -> Prefix:
    """One prefix without host bits; an address is a host prefix. ValueError says what was expected."""
    if isinstance(text, Prefix):
        return text
    if not isinstance(text, str):
        raise ValueError("expected a prefix, for example 192.0.2.0/24")
    try:
        return Prefix(text)
    except ValueError:
        pass
    try:
        corrected = InterfaceAddress(text).network
    except ValueError:
        if _is_v6(text.partition("/")[0]):
            raise ValueError("IPv6 is not translated yet; expected an IPv4 prefix") from None
        raise ValueError("expected a prefix, for example 192.0.2.0/24") from None
    raise ValueError(f"has host bits set; did you mean {corrected}?")


def containing_prefix(text: str) -> Prefix:
    """The prefix that an address with a length or a mask lies in; ValueError as from `parse_prefix`."""
    try:
        return InterfaceAddress(text).network
    except ValueError:
        return parse_prefix(text)


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


class _Textual:
    """Pydantic reads the type from text by `parse` and writes it as text."""

    @classmethod
    def parse(cls, text: object) -> Any:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        return _core_schema(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, str]:
        return {"type": "string"}


def _core_schema(parse: Callable[[object], Any]) -> Any:
    # Imported here: a console that only compares addresses starts without pydantic.
    from pydantic_core import core_schema

    text = core_schema.to_string_ser_schema()
    return core_schema.no_info_plain_validator_function(parse, serialization=text)


@dataclass(frozen=True, slots=True, order=True)
class AddressRange(_Textual):
    """Consecutive addresses, both ends included: an address, `first-last`, or all addresses of a prefix."""

    first: Address
    last: Address

    @classmethod
    def parse(cls, text: object) -> AddressRange:
        if isinstance(text, AddressRange):
            return text
        if not isinstance(text, str):
            raise ValueError("expected an address, a range or a prefix")
        if "/" in text:
            prefix = parse_prefix(text)
            return cls(prefix[0], prefix[-1])
        first_text, dash, last_text = text.partition("-")
        first = parse_address(first_text.strip())
        last = parse_address(last_text.strip()) if dash else first
        if last < first:
            raise ValueError(f"the range ends before it starts; did you mean {last}-{first}?")
        return cls(first, last)

    @property
    def size(self) -> int:
        return int(self.last) - int(self.first) + 1

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        """The fewest prefixes that hold exactly these addresses."""
        return tuple(ipaddress.summarize_address_range(self.first, self.last))

    @property
    def dashed(self) -> str:
        """The text without the form of a prefix: an address or `first-last`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, address: Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        is_prefix = self.size & (self.size - 1) == 0 and int(self.first) % self.size == 0
        if is_prefix and self.size > 1:
            return f"{self.first}/{ADDRESS_BITS - self.size.bit_length() + 1}"
        return self.dashed


@dataclass(frozen=True, slots=True, order=True)
class PortRange(_Textual):
    """Ports `first-last`, both included, 1 to 65535; a single port stands for itself."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: object) -> PortRange:
        if isinstance(text, PortRange):
            return text
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(text).strip())
        if not match or isinstance(text, bool):
            raise ValueError("expected a port or a range of ports, for example 1024-65535")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if not 1 <= first <= 65535 or not 1 <= last <= 65535:
            raise ValueError("ports go from 1 to 65535")
        if last < first:
            raise ValueError(f"the range ends before it starts; did you mean {last}-{first}?")
        return cls(first, last)

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def _textual(parse: Callable[[object], Any]) -> Any:
    class FromText(_Textual):
        @classmethod
        def parse(cls, text: object) -> Any:
            return parse(text)

    return FromText


AddressValue = Annotated[Address, _textual(parse_address)]
PrefixValue = Annotated[Prefix, _textual(parse_prefix)]

INVALID_SOURCES = tuple(map(AddressRange.parse, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", str(BROADCAST))))
"""Addresses that no packet may have as its source."""
