"""What is to become of each reply, from memory where it was looked up a moment ago."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

from wxgate.clock import Clock
from wxgate.errors import StorageError
from wxgate.events.policies import BUILT_IN, DEFAULT, NO_REPLY, Party, Plan, ReplyPolicy, make_plan
from wxgate.events.ports import ReplyPolicies
from wxgate.events.records import NewEvent

log = structlog.get_logger("wxgate.events")

RECHECK = timedelta(seconds=2)
"""How long what was looked up is believed, so that changes need no restart."""

MOST_REMEMBERED = 10_000
"""Of how many accounts it is remembered."""

PartiesOf: TypeAlias = Callable[[str], Awaitable[Sequence[Party]]]
"""Lists which of our issuers may act for an account."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: its policy, whether it is its own, and our parties on it."""

    policy: ReplyPolicy
    own: bool
    default: bool
    parties: tuple[Party, ...]
    mini_program: bool


class Planner:
    """Plans the reply to each event."""

    def __init__(
        self,
        policies: ReplyPolicies,
        clock: Clock,
        *,
        parties_of: PartiesOf,
        is_mini_program: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._policies = policies
        self._clock = clock
        self._parties_of = parties_of
        self._is_mini_program = is_mini_program
        self._seen: dict[str, tuple[Standing, datetime]] = {}

    async def plan(self, event: NewEvent) -> Plan:
        """Say what is to become of the reply to an event.

        What nobody wrote, such as the result of an audit that was asked for, came to one issuer alone: its
        handlers are called whoever answers users.
        """
        if not event.openid:
            return NO_REPLY
        standing = await self._recall(event.appid)
        return make_plan(
            standing.policy,
            standing.parties,
            issuer=event.issuer,
            kind=event.kind,
            mini_program=standing.mini_program,
        )

    async def look_up(self, appid: str) -> Standing:
        """Look up how an account stands."""
        found = await self._policies.load_policies([appid, DEFAULT])
        policy = found.get(appid) or found.get(DEFAULT) or BUILT_IN
        return Standing(
            replace(policy, appid=appid),
            own=appid in found,
            default=DEFAULT in found,
            parties=tuple(await self._parties_of(appid)),
            mini_program=await self._is_mini_program(appid),
        )

    def forget(self) -> None:
        """Look everything up again at its next use, since something was changed here."""
        self._seen.clear()

    async def _recall(self, appid: str) -> Standing:
        now = self._clock.now()
        standing, looked_at = self._seen.get(appid, (None, now))
        if standing is not None and abs(now - looked_at) < RECHECK:
            return standing
        try:
            standing = await self.look_up(appid)
        except StorageError:
            if standing is None:
                raise
            log.warning("policy.not_loaded", appid=appid)
            return standing
        self._seen.pop(appid, None)
        self._seen[appid] = (standing, now)
        if len(self._seen) > MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return standing
