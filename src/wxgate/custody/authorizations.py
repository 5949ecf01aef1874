"""Authorizations: whose accounts we may act for, and the end of that."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AuthorizationStore, ExchangeStore
from wxgate.custody.records import (
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    RefreshTokenChange,
)

log = structlog.get_logger("wxgate.authorizations")

LIVE = frozenset(
    {AuthorizationState.ACTIVE, AuthorizationState.DEGRADED, AuthorizationState.NEEDS_REAUTHORIZATION}
)
"""States in which an account's pushes are ours to handle."""

RECHECK = timedelta(seconds=2)
"""How long a state in memory is believed, so that a push costs no query of its own."""


class Authorizations:
    """Answers for the authorizations of all platforms."""

    def __init__(
        self, store: AuthorizationStore, exchanges: ExchangeStore, keeper: TokenKeeper, clock: Clock
    ) -> None:
        self._store = store
        self._exchanges = exchanges
        self._keeper = keeper
        self._clock = clock
        self._live: dict[tuple[str, str], datetime] = {}

    async def load(self, platform: str, appid: str) -> Authorization | None:
        """Load one authorization."""
        return await self._store.load(platform, appid)

    async def find(self, where: AuthorizationFilter) -> Sequence[Authorization]:
        """List authorizations."""
        return await self._store.find(where)

    async def history(self, platform: str, appid: str) -> Sequence[RefreshTokenChange]:
        """List how a refresh token changed, newest first."""
        return await self._store.history(platform, appid)

    async def is_live(self, platform: str, appid: str) -> bool:
        """Tell whether an account's pushes through this platform are to be handled.

        An account whose code is being exchanged counts: its first messages may come before our answer.
        """
        now = self._clock.now()
        until = self._live.get((platform, appid))
        if until is not None and now < until <= now + RECHECK:
            return True
        authorization = await self._store.load(platform, appid)
        if authorization is None or authorization.state not in LIVE:
            self._live.pop((platform, appid), None)
            return await self._exchanges.is_open(platform, appid)
        self._live[platform, appid] = now + RECHECK
        return True

    async def revoke(self, platform: str, appid: str, *, event_at: datetime, reason: str) -> bool:
        """Close an authorization and its tokens, unless something newer has happened to it."""
        changed = await self._store.move(
            platform,
            appid,
            to=AuthorizationState.REVOKED,
            event_at=event_at,
            reason=reason,
            now=self._clock.now(),
        )
        if changed:
            self._live.pop((platform, appid), None)
            self._keeper.forget_account(platform, appid)
            log.info("authorization.revoked", platform=platform, appid=appid, reason=reason)
        return changed
