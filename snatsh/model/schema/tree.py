# SPDX-License-Identifier: Apache-2.0
"""The schema as a tree of nodes, derived from `Profile`.

Forms, completion, help and the document validator walk this tree, so each of them knows a field as soon as
the schema has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from snatsh.model.schema.profile import Expect, Hidden, Profile, Ref
from snatsh.model.values import Address, AddressRange, PortRange, Prefix, parse_address, parse_prefix

Reader = Callable[[str], Any]
NodeKind = Literal["container", "list", "leaf", "leaf-list"]


@dataclass(frozen=True, eq=False)
class ValueType:
    """The type of a value.

    kind: enum, integer, string (may hold blanks), name, address, prefix, address-range or port-range.
    choices: the words of an enum. hint: how help shows the value.
    ref: what the name refers to: interface, link or pool. default: the value if none is given.
    """

    kind: str
    choices: tuple[str, ...]
    hint: str
    ref: str | None
    default: str | None
    reader: Reader = field(repr=False)

    def parse(self, token: str) -> Any:
        """The token as a canonical JSON value. ValueError says what was expected."""
        return self.reader(token)


@dataclass(frozen=True, eq=False)
class Node:
    """A statement of the schema. A list's children are those of its entries; `key` names an entry.

    presence: a container that means something by being there; left out, it has no defaults.
    """

    name: str
    kind: NodeKind
    help: str
    children: Mapping[str, Node] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    key: ValueType | None = None
    value: ValueType | None = None
    default: str | None = None
    mandatory: bool = False
    hidden: bool = False
    presence: bool = False

    @cached_property
    def entry(self) -> Node:
        """An entry of this list as a container."""
        return Node(self.name, "container", self.help, self.children)


@cache
def root() -> Node:
    """The whole profile."""
    return Node("profile", "container", "The gateway's profile", _children(Profile))


def _children(model: type[BaseModel]) -> Mapping[str, Node]:
    nodes = [_node(info.alias or name, info) for name, info in model.model_fields.items()]
    return MappingProxyType({node.name: node for node in nodes})


def _node(name: str, info: FieldInfo) -> Node:
    annotation, marks = _unwrap(info.annotation, info.metadata)
    help_, default, mandatory = info.description or "", _default(info), info.is_required()
    if get_origin(annotation) is dict:
        key, entry = get_args(annotation)
        hidden = any(isinstance(mark, Hidden) for mark in marks)
        return Node(name, "list", help_, _children(entry), key=_value_type(*_unwrap(key)), hidden=hidden)
    if get_origin(annotation) is tuple:
        value = _value_type(*_unwrap(get_args(annotation)[0]))
        return Node(name, "leaf-list", help_, value=value, mandatory=mandatory)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        presence = info.default is None
        return Node(name, "container", help_, _children(annotation), mandatory=mandatory, presence=presence)
    value = _value_type(annotation, marks, default)
    return Node(name, "leaf", help_, value=value, default=default, mandatory=mandatory)


def _default(info: FieldInfo) -> str | None:
    if info.default is PydanticUndefined or info.default in (None, ()):
        return None
    return str(info.default)


def _unwrap(annotation: Any, marks: Sequence[Any] = ()) -> tuple[Any, list[Any]]:
    """The type without `| None` and Annotated, and the marks of both."""
    found = list(marks)
    while True:
        if hasattr(annotation, "__metadata__"):
            for mark in annotation.__metadata__:
                found.extend(mark.metadata if isinstance(mark, FieldInfo) else [mark])
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType):
            (annotation,) = (option for option in get_args(annotation) if option is not NoneType)
        else:
            return annotation, found


def _value_type(annotation: Any, marks: Sequence[Any], default: str | None = None) -> ValueType:
    if get_origin(annotation) is Literal:
        choices = tuple(str(choice) for choice in get_args(annotation))
        return ValueType("enum", choices, f"<{'|'.join(choices)}>", None, default, _enum_reader(choices))
    if annotation is int:
        low, high = _mark(marks, "ge"), _mark(marks, "le")
        return ValueType("integer", (), f"<{low}..{high}>", None, default, _integer_reader(low, high))
    if annotation is str:
        return _text_type(marks, default)
    kind, hint, parse = _TEXTUAL[annotation]
    return ValueType(kind, (), hint, None, default, lambda token: str(parse(token)))


_TEXTUAL: dict[Any, tuple[str, str, Callable[[object], Any]]] = {
    Address: ("address", "<address>", parse_address),
    Prefix: ("prefix", "<prefix>", parse_prefix),
    AddressRange: ("address-range", "<address|range|prefix>", AddressRange.parse),
    PortRange: ("port-range", "<port|range>", PortRange.parse),
}


def _text_type(marks: Sequence[Any], default: str | None) -> ValueType:
    ref = next((mark.kind for mark in marks if isinstance(mark, Ref)), None)
    words = next((mark.words for mark in marks if isinstance(mark, Expect)), "another text")
    read = _text_reader(re.compile(_mark(marks, "pattern")), _mark(marks, "max_length"), words)
    if _takes_blanks(read):
        return ValueType("string", (), "<text>", ref, default, read)
    return ValueType("name", (), f"<{ref or 'name'}>", ref, default, read)


def _takes_blanks(read: Reader) -> bool:
    try:
        read("a b")
    except ValueError:
        return False
    return True


def _mark(marks: Sequence[Any], name: str) -> Any:
    return next((value for mark in marks if (value := getattr(mark, name, None)) is not None), None)


def _enum_reader(choices: tuple[str, ...]) -> Reader:
    def read(token: str) -> str:
        if token not in choices:
            raise ValueError(f"expected one of: {', '.join(choices)}")
        return token

    return read


_WHOLE = re.compile(r"0|[1-9][0-9]{0,11}")


def _integer_reader(low: int, high: int) -> Reader:
    def read(token: str) -> int:
        if not _WHOLE.fullmatch(token) or not low <= int(token) <= high:
            raise ValueError(f"expected a whole number from {low} to {high}")
        return int(token)

    return read


def _text_reader(pattern: re.Pattern[str], longest: int | None, words: str) -> Reader:
    def read(token: str) -> str:
        too_long = longest is not None and len(token) > longest
        if too_long or not pattern.fullmatch(token) or _SURROGATE.search(token):
            raise ValueError(f"expected {words}")
        return token

    return read


# Half a character: Python's strings may hold it, no encoding can write it.
_SURROGATE = re.compile("[\ud800-\udfff]")
