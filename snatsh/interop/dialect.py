# SPDX-License-Identifier: Apache-2.0
"""What a dialect is: a form in which another source NAT gateway is configured.

Each dialect is a module that ends with its `Dialect`, and one line in `snatsh.interop.dialects`. The console
completes dialects, so their modules import nothing heavy: lark is loaded by the first parse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from snatsh.interop.intermediate import Imported, NumberedRule
from snatsh.model.values import Address

InterfaceAddresses = Mapping[str, Address]
"""The first address of each interface of this gateway, which masquerading takes."""

Reader = Callable[[str, InterfaceAddresses], Imported]
"""Reads a text. FormError names line and column of what can't be read."""

Writer = Callable[[list[NumberedRule]], Iterator[str]]
"""Yields the lines that give these rules, with a comment for each rule that can't be expressed."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One form of configuration.

    signature: multi-line pattern of a text in this dialect. help: what a text of it is, for `?`.
    paste: the same at more length, for docs/moving.md. write_help: help of `| display`, if it is written.
    """

    name: str
    signature: str
    help: str
    paste: str
    read: Reader
    write: Writer | None = None
    write_help: str = ""

    def recognises(self, text: str) -> bool:
        return re.search(self.signature, text, re.MULTILINE) is not None
