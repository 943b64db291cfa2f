# SPDX-License-Identifier: Apache-2.0
"""Models to JSON and back."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from snatsh.model.errors import SnatshError

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object of the API. A field that has a default is left out of the JSON while it has that value."""


class Malformed(SnatshError):
    """The JSON is not what the model describes."""


def encode(value: object) -> bytes:
    """JSON of a model, or of a list of them."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # half a character, which no encoding can write
        return json.dumps(builtins(value), ensure_ascii=False).encode("utf-8", "replace")


def decode(raw: bytes, kind: type[T]) -> T:
    """The model in the JSON. Malformed names the field that is missing or of another type."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None


def builtins(value: object) -> Any:
    """Dictionaries and lists in the place of models, with the names that the JSON has."""
    return msgspec.to_builtins(value)


def from_builtins(value: object, kind: type[T]) -> T:
    """The model of a dictionary with the JSON's names. Malformed as in `decode`."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(str(error)) from None
