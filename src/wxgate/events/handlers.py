"""Handlers: Python functions registered by decorator, found by name, called with what they ask for."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wxgate.errors import ConfigError

Handler = Callable[..., Any]
"""A function, plain or async, whose parameters are named after what it wants."""

ARGUMENTS = ("message", "account", "gateway", "event")
"""What a handler may ask for by parameter name."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One handler with the names of its parameters and the accounts it is limited to."""

    call: Handler
    wants: tuple[str, ...]
    accounts: frozenset[str]


class Handlers:
    """The handlers of one gateway, by message name."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Registered]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def add(self, names: tuple[str, ...], call: Handler, accounts: frozenset[str] = frozenset()) -> None:
        """Register a handler for names such as "text", "event.subscribe", "event", "authorized" or "*"."""
        registered = Registered(call, _wanted(call), accounts)
        for name in names or ("*",):
            self._by_name.setdefault(name.lower(), []).append(registered)

    def find(self, names: tuple[str, ...], appid: str) -> Registered | None:
        """Find the handler for the most specific of these names; one limited to the account comes first."""
        for name in names:
            fitting = [r for r in self._by_name.get(name, ()) if not r.accounts or appid in r.accounts]
            if fitting:
                return min(fitting, key=lambda registered: not registered.accounts)
        return None


async def call_handler(registered: Registered, arguments: Mapping[str, Any]) -> Any:
    """Call a handler with the arguments it asks for."""
    result = registered.call(**{name: arguments[name] for name in registered.wants})
    return await result if isinstance(result, Awaitable) else result


def _wanted(call: Handler) -> tuple[str, ...]:
    wants = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            return ARGUMENTS
        if parameter.name not in ARGUMENTS:
            raise ConfigError(
                f"handler {getattr(call, '__name__', call)!r} asks for {parameter.name!r}; "
                f"a handler can ask for: {', '.join(ARGUMENTS)}"
            )
        wants.append(parameter.name)
    return tuple(wants)
