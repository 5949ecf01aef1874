"""What WeChat tells of the accounts that authorised us: names, kinds, pictures."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from wxgate.client.component import ComponentApi
from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AccountStore
from wxgate.custody.records import AccountInfo
from wxgate.custody.sources import component_key
from wxgate.errors import GatewayError, told
from wxgate.secret import ComponentToken

log = structlog.get_logger("wxgate.accounts")

OFFICIAL_ACCOUNT = "official_account"
MINI_PROGRAM = "mini_program"

RECHECK = timedelta(seconds=2)
"""How long an unknown account is not looked up again, so that its pushes cost no query each."""

MOST_UNKNOWN = 1000
"""How many unknown accounts are remembered; the appid in a push's address is not signed."""

COMPLETE_ALL_EVERY = timedelta(hours=1)
COMPLETE_MOST = 100
"""How often a node looks through all accounts for missing information, and how many it asks for at once."""

FAR_PAST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Known:
    """What never changes about an account."""

    user_name: str
    kind: str


class Accounts:
    """Fetches and keeps account information."""

    def __init__(
        self, store: AccountStore, component: ComponentApi, keeper: TokenKeeper, clock: Clock
    ) -> None:
        self._store = store
        self._component = component
        self._keeper = keeper
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._unknown: dict[str, datetime] = {}
        self._completed_at = FAR_PAST

    async def user_name(self, appid: str) -> str:
        """Tell an account's original id (gh_...), or "" while unknown; it never changes, so remember it."""
        known = await self._recall(appid)
        return known.user_name if known is not None else ""

    async def is_mini_program(self, appid: str) -> bool:
        """Tell whether an account is known to be a mini program."""
        known = await self._recall(appid)
        return known is not None and known.kind == MINI_PROGRAM

    async def _recall(self, appid: str) -> _Known | None:
        if (known := self._known.get(appid)) is not None:
            return known
        now = self._clock.now()
        if abs(now - self._unknown.get(appid, FAR_PAST)) < RECHECK:
            return None
        info = await self._store.load(appid)
        self._unknown.pop(appid, None)
        if info is not None and info.user_name:
            known = self._known[appid] = _Known(info.user_name, info.kind)
            return known
        self._unknown[appid] = now
        if len(self._unknown) > MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        return None

    async def load(self, appid: str) -> AccountInfo | None:
        """Load what is known of an account."""
        return await self._store.load(appid)

    async def refresh(self, platform: str, appid: str) -> AccountInfo:
        """Fetch an account's information through a platform and keep it."""
        raw, _ = await self._keeper.using(
            component_key(platform),
            lambda token: self._component.authorizer_info(platform, ComponentToken.of(token), appid),
        )
        return await self.keep(appid, raw)

    async def keep(self, appid: str, raw: dict[str, Any]) -> AccountInfo:
        """Keep the information on an account that came with another question."""
        info = read_info(appid, raw, self._clock)
        await self._store.put(info)
        return info

    async def complete(self) -> None:
        """Fetch what is missing of accounts: of those that changed lately, and now and then of all.

        So what a node does each minute depends on what has happened, and not on how many accounts there are.
        """
        now = self._clock.now()
        everything = not timedelta(0) <= now - self._completed_at < COMPLETE_ALL_EVERY
        since = FAR_PAST if everything else now - COMPLETE_ALL_EVERY
        if everything:
            self._completed_at = now
        for platform, appid in await self._store.unknown(since=since, limit=COMPLETE_MOST):
            await self.refresh_quietly(platform, appid)

    async def refresh_quietly(self, platform: str, appid: str) -> None:
        """Fetch an account's information; on trouble log it and go on, the sweep comes back to it."""
        try:
            await self.refresh(platform, appid)
        except (TimeoutError, GatewayError) as error:
            log.warning("account.info_missing", platform=platform, appid=appid, **told(error))


def read_info(appid: str, raw: dict[str, Any], clock: Clock) -> AccountInfo:
    """Read the fields we show out of authorizer_info; only mini programs carry MiniProgramInfo."""

    def text(name: str) -> str:
        value = raw.get(name)
        return value if isinstance(value, str) else ""

    return AccountInfo(
        appid=appid,
        kind=MINI_PROGRAM if "MiniProgramInfo" in raw else OFFICIAL_ACCOUNT,
        nick_name=text("nick_name"),
        user_name=text("user_name"),
        head_img=text("head_img"),
        principal_name=text("principal_name"),
        raw=raw,
        fetched_at=clock.now(),
    )
