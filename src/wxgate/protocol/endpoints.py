"""The catalogue of WeChat's server APIs: which token a path takes, and the shapes of its bodies.

Paths and shapes as known by public SDKs; see data/README.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

_TYPES = {"s": "string", "i": "int", "f": "float", "b": "bool", "n": "null"}


class TokenUse(StrEnum):
    """Say which credential a path takes; AUTHORIZER is the account's token, its own or one on its behalf."""

    COMPONENT = "component"
    AUTHORIZER = "authorizer"
    DIRECT = "direct"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API path; `method` is "" where no public source states it."""

    group: str
    name: str
    method: str
    path: str
    token: TokenUse

    def accepts(self, method: str) -> bool:
        """Tell whether the path may be called with this HTTP method, as far as known."""
        return not self.method or method.upper() in self.method.split("/")


@dataclass(frozen=True, slots=True)
class Shape:
    """The field shapes of one call: each name leads to a type's name, a nested shape, or a list of either.

    The types are string, int, float, bool and null; a body that is None is not known from any public source.
    """

    query: tuple[str, ...]
    request: dict[str, Any] | None
    response: dict[str, Any] | None


def find(path: str, method: str | None = None) -> Endpoint | None:
    """Find an API by its path, with or without the leading slash and query."""
    known = _by_path().get(_normal(path), ())
    return next((endpoint for endpoint in known if method is None or endpoint.accepts(method)), None)


@cache
def all_endpoints() -> tuple[Endpoint, ...]:
    """List every known API."""
    lines = files("wxgate.protocol").joinpath("data/endpoints.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple(
        Endpoint(group, name, method, path, TokenUse(use)) for path, method, use, group, name in rows
    )


def shape(method: str, path: str) -> Shape | None:
    """Look up the field shapes of a call."""
    packed = _shapes().get((method.upper(), _normal(path)))
    if packed is None:
        return None
    return Shape(tuple(packed.get("q", ())), _unpack(packed.get("i")), _unpack(packed.get("o")))


def _normal(path: str) -> str:
    return "/" + path.partition("?")[0].strip("/")


@cache
def _by_path() -> Mapping[str, list[Endpoint]]:
    table: dict[str, list[Endpoint]] = {}
    for endpoint in all_endpoints():
        table.setdefault(endpoint.path, []).append(endpoint)
    return table


@cache
def _shapes() -> Mapping[tuple[str, str], dict[str, Any]]:
    packed = files("wxgate.protocol").joinpath("data/shapes.jsonl").read_text("utf-8")
    rows = (json.loads(line) for line in packed.splitlines() if not line.startswith("#"))
    return {(row["m"], row["p"]): row for row in rows}


def _unpack(packed: Any) -> Any:
    if isinstance(packed, dict):
        return {name: _unpack(value) for name, value in packed.items()}
    if isinstance(packed, list):
        return [_unpack(value) for value in packed]
    return _TYPES.get(packed, packed)
