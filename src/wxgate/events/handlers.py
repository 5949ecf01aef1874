"""Handlers: Python functions registered by decorator, found by name, called with what they ask for."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from wxgate.errors import ConfigError
from wxgate.events.naming import handler_names, is_pattern, pattern_of

Handler = Callable[..., Any]
"""A function, plain or async, whose parameters are named after what it wants."""

ARGUMENTS = ("message", "account", "gateway", "event", "reply")
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
        self._patterns: dict[str, tuple[re.Pattern[str], list[Registered]]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_name or self._patterns)

    def add(self, names: tuple[Any, ...], call: Handler, accounts: frozenset[str] = frozenset()) -> None:
        """Register a handler for names, patterns or classes; without any, for every message and event."""
        registered = Registered(call, _wanted(call), accounts)
        for name in (name for given in names or ("*",) for name in handler_names(given)):
            if is_pattern(name):
                self._patterns.setdefault(name, (pattern_of(name), []))[1].append(registered)
            else:
                self._by_name.setdefault(name, []).append(registered)

    def find(self, names: tuple[str, ...], appid: str) -> Registered | None:
        """Find the handler for the most specific of these names; one limited to the account comes first.

        Patterns come after the first name itself, the longest first, and before the names of whole kinds.
        """
        for name in names[:1]:
            if (found := _fitting(self._by_name.get(name, ()), appid)) is not None:
                return found
            for written in sorted(self._patterns, key=len, reverse=True):
                pattern, registered = self._patterns[written]
                if pattern.fullmatch(name) and (found := _fitting(registered, appid)) is not None:
                    return found
        for name in names[1:]:
            if (found := _fitting(self._by_name.get(name, ()), appid)) is not None:
                return found
        return None


async def call_handler(registered: Registered, arguments: Mapping[str, Any]) -> Any:
    """Call a handler with the arguments it asks for."""
    result = registered.call(**{name: arguments[name] for name in registered.wants})
    return await result if isinstance(result, Awaitable) else result


def _fitting(registered: Sequence[Registered], appid: str) -> Registered | None:
    fitting = [each for each in registered if not each.accounts or appid in each.accounts]
    return min(fitting, key=lambda each: not each.accounts, default=None)


def _wanted(call: Handler) -> tuple[str, ...]:
    wants = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            return ARGUMENTS
        if parameter.name in ARGUMENTS:
            wants.append(parameter.name)
            continue
        meant = get_close_matches(parameter.name, ARGUMENTS, 1)
        # What has a default is the handler's own business, unless it looks like a slip.
        if parameter.default is parameter.empty or meant:
            hint = f" (did you mean {meant[0]!r}?)" if meant else ""
            raise ConfigError(
                f"handler {getattr(call, '__name__', call)!r} asks for {parameter.name!r}{hint}; "
                f"a handler can ask for: {', '.join(ARGUMENTS)}"
            )
    return tuple(wants)
