"""Authorizations: whose accounts we may act for, and the end of that."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AuthorizationStore, ExchangeStore
from wxgate.custody.records import (
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    Evidence,
    RefreshTokenChange,
    StateChange,
)
from wxgate.custody.states import LIVE, Trigger

log = structlog.get_logger("wxgate.authorizations")

RECHECK = timedelta(seconds=2)
"""How long a state in memory is believed, so that a push costs no query of its own."""


class Authorizations:
    """Answers for the authorizations of all platforms."""

    def __init__(
        self,
        store: AuthorizationStore,
        exchanges: ExchangeStore,
        keeper: Callable[[], TokenKeeper],
        clock: Clock,
        *,
        on_change: Callable[[str, AuthorizationState], None] = lambda platform, state: None,
    ) -> None:
        # What is found out while a token is fetched is applied here, so keeper and this need each other.
        self._store = store
        self._exchanges = exchanges
        self._keeper = keeper
        self._clock = clock
        self._on_change = on_change
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
        if not await self._is_active(platform, appid):
            self._live.pop((platform, appid), None)
            if await self._exchanges.is_open(platform, appid):
                return True
            # The exchange may have ended between the two looks.
            if not await self._is_active(platform, appid):
                return False
        self._live[platform, appid] = now + RECHECK
        return True

    async def _is_active(self, platform: str, appid: str) -> bool:
        authorization = await self._store.load(platform, appid)
        return authorization is not None and authorization.state in LIVE

    async def apply(
        self, trigger: Trigger, platform: str, appid: str, *, event_at: datetime, reason: str
    ) -> StateChange | None:
        """Apply a piece of WeChat's news, unless something newer has happened; return what it did."""
        change = await self._store.apply(
            platform, appid, trigger=trigger, event_at=event_at, reason=reason, now=self._clock.now()
        )
        self._tell(change, platform, appid, reason)
        return change

    async def observe(self, evidence: Evidence, *triggers: Trigger) -> StateChange | None:
        """Apply what our own calls found out, unless it is out of date; return what it did."""
        change = await self._store.observe(evidence, *triggers, now=self._clock.now())
        self._tell(change, evidence.platform, evidence.appid, evidence.reason)
        return change

    def _tell(self, change: StateChange | None, platform: str, appid: str, reason: str) -> None:
        if change is None or not change.moved:
            return
        self._live.pop((platform, appid), None)
        if change.after is AuthorizationState.REVOKED:
            self._keeper().forget_account(platform, appid)
        said = {"platform": platform, "appid": appid, "before": change.before, "reason": reason}
        match change.after:
            case AuthorizationState.REVOKED:
                log.info("authorization.revoked", **said)
            case AuthorizationState.DEGRADED:
                log.warning("authorization.degraded", **said)
            case AuthorizationState.NEEDS_REAUTHORIZATION:
                log.warning("authorization.needs_reauthorization", **said)
            case state:
                log.info("authorization.moved", state=state, **said)
        self._on_change(platform, change.after)
