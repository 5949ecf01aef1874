"""Faults on order: what goes wrong with which call or push, how often, and how often it has happened.

A fault on an API call has a stage: `before` the work is done, `after` it (the caller does not learn that
it was done), or in the `middle` of the answer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from wxgate.errors import ConfigError


class Stage(StrEnum):
    """When a fault strikes an API call."""

    BEFORE = "before"
    AFTER = "after"
    MIDDLE = "middle"


class Action(StrEnum):
    """What a fault does."""

    DELAY = "delay"
    HANG = "hang"
    CUT = "cut"
    STATUS = "status"
    ERRCODE = "errcode"
    DUPLICATE = "duplicate"
    LOSE = "lose"
    OUT_OF_ORDER = "out_of_order"


CALL_ACTIONS = {Action.DELAY, Action.HANG, Action.CUT, Action.STATUS, Action.ERRCODE}
PUSH_ACTIONS = {Action.DELAY, Action.DUPLICATE, Action.LOSE, Action.OUT_OF_ORDER}


@dataclass(slots=True)
class Fault:
    """One order: strikes `times` times (None: for ever) after sparing the first `skip` matches."""

    id: str
    action: Action
    path: str | None = None
    push: str | None = None
    stage: Stage = Stage.BEFORE
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    status: int = 500
    errcode: int = -1
    errmsg: str | None = None
    matches: int = 0
    hits: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, path: str) -> bool:
        """Tell whether this fault is meant for the path: a prefix, or a glob."""
        return self.path is not None and (path.startswith(self.path) or fnmatchcase(path, self.path))

    def strike(self) -> bool:
        """Count a match and tell whether the fault strikes this time."""
        self.matches += 1
        if self.matches <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Return the order and its counters."""
        names = (
            "id",
            "action",
            "path",
            "push",
            "stage",
            "times",
            "skip",
            "seconds",
            "status",
            "errcode",
            "errmsg",
        )
        return {name: getattr(self, name) for name in (*names, "matches", "hits")}


class Faults:
    """All the orders, in the order they were given."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._made = 0

    def add(self, given: Mapping[str, Any]) -> Fault:
        """Take an order; raises ConfigError in words when it makes no sense."""
        self._made += 1
        fault = _fault_from({"id": f"fault-{self._made}", **given})
        self.remove(fault.id)
        self._faults[fault.id] = fault
        return fault

    def remove(self, id: str | None = None) -> None:
        """Withdraw one order, or all, and let go of every call that hangs on it."""
        for fault in (
            [self._faults[id]] if id in self._faults else list(self._faults.values()) if id is None else []
        ):
            fault.released.set()
            del self._faults[fault.id]

    def all(self) -> list[Fault]:
        """Return the orders."""
        return list(self._faults.values())

    def for_call(self, path: str) -> Fault | None:
        """Return the fault that strikes this call, if any."""
        return next((fault for fault in self.all() if fault.fits(path) and fault.strike()), None)

    def for_push(self, kind: str) -> Fault | None:
        """Return the fault that strikes this push, if any."""
        return next((fault for fault in self.all() if fault.push in (kind, "*") and fault.strike()), None)


def _fault_from(given: Mapping[str, Any]) -> Fault:
    if ("path" in given) == ("push" in given):
        raise ConfigError("a fault names either a path or a push")
    try:
        fault = Fault(
            **{**given, "action": Action(given["action"]), "stage": Stage(given.get("stage", "before"))}
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise ConfigError(f"this is not a fault: {problem}") from None
    allowed = CALL_ACTIONS if fault.path is not None else PUSH_ACTIONS
    if fault.action not in allowed:
        raise ConfigError(f"{fault.action} is not possible here; choose from {', '.join(sorted(allowed))}")
    if fault.stage is Stage.MIDDLE and fault.action is not Action.CUT:
        raise ConfigError("in the middle of an answer one can only cut")
    return fault
