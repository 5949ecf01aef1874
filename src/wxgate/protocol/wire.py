"""Declare a dataclass field together with the element it is read from, and read such classes from pushes.

A name is a path such as `ScanCodeInfo/ScanType`; of several names the first that is present counts. What is
absent or not of the declared type takes the default and stays in the raw fields: a push is never refused for
a field that one can do without.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, cast

from wxgate.protocol.xml import Fields, Value

_T = TypeVar("_T")
_KEY = "wire"


@dataclass(frozen=True, slots=True)
class _Wire:
    paths: tuple[tuple[str, ...], ...]
    convert: Callable[[list[Value]], object]


def text(*names: str) -> str:
    """Declare a text field; absent is ""."""
    return _declare(names, _first_text, "")


def number(*names: str) -> int | None:
    """Declare a whole number; absent or not a number is None."""
    return _declare(names, lambda values: as_int(_first_text(values)), None)


def decimal(*names: str) -> float | None:
    """Declare a decimal number; absent or not a number is None."""
    return _declare(names, lambda values: _as_float(_first_text(values)), None)


def texts(*names: str) -> tuple[str, ...]:
    """Declare a repeated text element."""
    return _declare(
        names, lambda values: tuple(item for item in values if item and isinstance(item, str)), ()
    )


def many(kind: type[_T], *names: str) -> tuple[_T, ...]:
    """Declare a repeated element that has fields of its own."""

    def convert(values: list[Value]) -> tuple[_T, ...]:
        return tuple(read(kind, item) for item in values if isinstance(item, dict))

    return _declare(names, convert, ())


def read(kind: type[_T], source: Fields, /, **known: object) -> _T:
    """Build `kind` from the fields of a push; `known` are values that come from elsewhere."""
    for name, wire in _plan(cast(Hashable, kind)):
        for path in wire.paths:
            if values := list(_find(source, path)):
                known[name] = wire.convert(values)
                break
    return kind(**known)


def find(source: Fields, name: str) -> Iterator[Value]:
    """Find every value under a path of element names."""
    return _find(source, tuple(name.split("/")))


def paths(kind: type) -> Mapping[str, tuple[str, ...]]:
    """List the declared fields of a class with the paths they are read from, as WeChat spells them."""
    return {name: tuple("/".join(path) for path in wire.paths) for name, wire in _plan(cast(Hashable, kind))}


def odd(kind: type, source: Fields) -> tuple[str, ...]:
    """List the paths that are there with something in them, but nothing of the declared type."""
    return tuple(
        "/".join(path)
        for name, wire in _plan(cast(Hashable, kind))
        for path in wire.paths
        if (values := [value for value in _find(source, path) if value])
        and wire.convert(values) in (None, "", ())
    )


def as_int(value: Value | None) -> int | None:
    """Read a whole number, or give None for anything else."""
    try:
        return int(value) if isinstance(value, str) and len(value) <= 20 else None
    except ValueError:
        return None


def _as_float(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _declare(names: tuple[str, ...], convert: Callable[[list[Value]], object], default: _T) -> _T:
    paths = tuple(tuple(name.split("/")) for name in names)
    return field(default=default, metadata={_KEY: _Wire(paths, convert)})


@cache
def _plan(kind: Any) -> tuple[tuple[str, _Wire], ...]:
    return tuple((item.name, item.metadata[_KEY]) for item in fields(kind) if _KEY in item.metadata)


def _find(value: Value, path: tuple[str, ...]) -> Iterator[Value]:
    if isinstance(value, list):
        for item in value:
            yield from _find(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _find(value[path[0]], path[1:])


def _first_text(values: list[Value]) -> str:
    return next((value for value in values if isinstance(value, str)), "")
