"""Say how a JSON value differs from a shape.

Invariant: additional fields, elements and types are no mismatch, because the contract only grows;
a missing or wrongly typed one is, and is named by its path. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Maybe(msgspec.Struct, frozen=True):
    """Null, or what is inside."""

    shape: Any


class Each(msgspec.Struct, frozen=True):
    """An array of any length, or an object's values, each of one shape."""

    shape: Any


class OneOf(msgspec.Struct, frozen=True):
    """One of these texts."""

    words: tuple[str, ...]


class Anything(msgspec.Struct, frozen=True):
    """Any JSON value."""


ANYTHING = Anything()
NAMES: dict[type, str] = {str: "a text", int: "a whole number", bool: "true or false"}


def find_mismatch(value: Any, shape: Any, path: str = "$") -> str | None:
    """Return where and how a value differs from its shape; None when it fits."""
    if isinstance(shape, type):
        is_it = type(value) is shape
        return None if is_it else f"{path} is {_name(value)}, not {NAMES[shape]}"
    return _FINDERS[type(shape)](value, shape, path)


def _maybe(value: Any, shape: Any, path: str) -> str | None:
    return None if value is None else find_mismatch(value, shape.shape, path)


def _one_of(value: Any, shape: Any, path: str) -> str | None:
    is_it = isinstance(value, str) and value in shape.words
    return None if is_it else f"{path} is {_name(value)}, not one of {', '.join(shape.words)}"


def _each(value: Any, shape: Any, path: str) -> str | None:
    if isinstance(value, dict):
        items = [(f"{path}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return f"{path} is {_name(value)}, not an array or object"
    return _first(find_mismatch(item, shape.shape, where) for where, item in items)


def _array(value: Any, shape: Any, path: str) -> str | None:
    if not isinstance(value, list) or len(value) < len(shape):
        return f"{path} is {_name(value)}, not an array of {len(shape)} or more"
    pairs = enumerate(zip(value, shape, strict=False))
    return _first(find_mismatch(item, part, f"{path}[{index}]") for index, (item, part) in pairs)


def _object(value: Any, shape: Any, path: str) -> str | None:
    if not isinstance(value, dict):
        return f"{path} is {_name(value)}, not an object"
    for field, part in shape.items():
        name = field.removesuffix("?")
        if name not in value:
            if name != field:
                continue
            return f"{path}.{name} is missing"
        if found := find_mismatch(value[name], part, f"{path}.{name}"):
            return found
    return None


def _anything(value: Any, shape: Any, path: str) -> str | None:
    return None


_FINDERS: dict[type, Callable[[Any, Any, str], str | None]] = {
    Maybe: _maybe,
    OneOf: _one_of,
    Each: _each,
    tuple: _array,
    dict: _object,
    Anything: _anything,
}


def _first(found: Any) -> str | None:
    return next((one for one in found if one), None)


def _name(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"
