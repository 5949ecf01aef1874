"""Quotas: how many calls are left, and the ten clearings a month with which the counts begin anew.

A clearing is noted before it is asked for and taken off only when WeChat has surely not taken it, so that a
crash or a lost answer never makes the count too low.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from wxgate.client.quota import QuotaApi, Reading
from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import QuotaStore
from wxgate.custody.records import Clear, ClearWay
from wxgate.custody.registry import Registry
from wxgate.custody.wording import CHINA, next_day
from wxgate.errors import (
    CircuitOpen,
    ClearsUsedUp,
    GatewayError,
    RateLimited,
    TokenRejected,
    UpstreamError,
    WeChatError,
)
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.secret import HIDDEN, AccessToken, hide

log = structlog.get_logger("wxgate.quota")

CLEARS_A_MONTH = 10
"""How often WeChat lets one appid's counts be cleared in a month, in its console and by API together."""

QUOTED_SECRET = re.compile(r'("\w*(?:secret|token|ticket|session_key|_code)"\s*:\s*)"[^"]*"')
"""A secret as JSON quotes it, in the body of a request or an answer."""

USUAL_PATHS = {
    TokenKind.COMPONENT: (
        "/cgi-bin/component/api_component_token",
        "/cgi-bin/component/api_authorizer_token",
        "/cgi-bin/component/api_create_preauthcode",
        "/cgi-bin/component/api_query_auth",
        "/cgi-bin/component/api_get_authorizer_info",
        "/cgi-bin/component/api_get_authorizer_list",
    ),
    TokenKind.AUTHORIZER: (
        "/cgi-bin/message/custom/send",
        "/cgi-bin/message/template/send",
        "/cgi-bin/user/info",
        "/cgi-bin/ticket/getticket",
        "/cgi-bin/media/upload",
        "/cgi-bin/menu/create",
    ),
}
"""What is looked at when nobody names a path."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A path whose quota WeChat does not tell."""

    path: str
    errcode: int
    message: str


@dataclass(frozen=True, slots=True)
class ClearsLeft:
    """How many clearings of this month an appid has, as far as they went through this gateway."""

    appid: str
    used: int
    left: int
    renews_at: datetime


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """How an appid's quotas stand; `resets_at` is when the daily counts begin anew."""

    key: TokenKey
    readings: tuple[Reading | Unread, ...]
    clears: ClearsLeft
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clearing that WeChat took, and how many are left."""

    key: TokenKey
    way: ClearWay
    clears: ClearsLeft


class Quotas:
    """Reads and clears the quotas of platforms and accounts; keys say whose, and through whom."""

    def __init__(
        self,
        store: QuotaStore,
        *,
        api: QuotaApi,
        keeper: TokenKeeper,
        registry: Registry,
        clock: Clock,
        on_cleared: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._api = api
        self._keeper = keeper
        self._registry = registry
        self._clock = clock
        self._on_cleared = on_cleared

    async def show(self, key: TokenKey, paths: Sequence[str] = ()) -> QuotaReport:
        """Read the quotas of paths, the usual ones where none is named.

        A path that WeChat tells nothing of is reported as such; trouble with the token is raised.
        """
        usual = USUAL_PATHS[TokenKind.COMPONENT if key.kind is TokenKind.COMPONENT else TokenKind.AUTHORIZER]
        readings = [await self._read(key, "/" + path.lstrip("/")) for path in paths or usual]
        return QuotaReport(key, tuple(readings), await self.clears(key.account), next_day(self._clock.now()))

    async def clears(self, appid: str) -> ClearsLeft:
        """Tell how many clearings of this month are left."""
        now = self._clock.now()
        used = len(await self._store.clears(appid, month_of(now)))
        return ClearsLeft(appid, used, max(0, CLEARS_A_MONTH - used), next_month(now))

    async def clear(self, key: TokenKey, way: ClearWay | None = None) -> Cleared:
        """Clear the counts of an appid.

        Without a way the access token is tried first, and the AppSecret where the token is itself out of
        quota or refused. Raises ClearsUsedUp for the eleventh of a month; UpstreamError where the answer was
        lost, and then it counts.
        """
        clear = await self._reserve(key.account, way or ClearWay.ACCESS)
        try:
            way = await self._clear(key, way)
        except _AnswerLost as lost:
            log.warning("quota.clear_uncertain", issuer=key.issuer, account=key.account)
            raise UpstreamError(
                f"WeChat may have cleared the quota of {key.account}, its answer was lost; the clearing "
                f"counts, so look with `wxgate quota show {key.account}` before another",
                sent=True,
            ) from lost.__cause__
        except GatewayError:
            await self._store.settle_clear(clear, accepted=False)
            raise
        await self._store.settle_clear(clear, accepted=True)
        await self._on_cleared(key.issuer, key.account)
        log.info("quota.cleared", issuer=key.issuer, account=key.account, way=way.value)
        return Cleared(key, way, await self.clears(key.account))

    async def request(self, key: TokenKey, rid: str) -> dict[str, object]:
        """Ask WeChat what the request with a rid was; the secrets it quotes are hidden."""
        found = await self._keeper.using(key, lambda token: self._api.request(token, rid))
        return {
            name: QUOTED_SECRET.sub(rf'\1"{HIDDEN}"', hide(value)) if isinstance(value, str) else value
            for name, value in found.items()
        }

    async def _read(self, key: TokenKey, path: str) -> Reading | Unread:
        try:
            return await self._keeper.using(key, lambda token: self._api.read(token, path))
        except WeChatError as error:
            if error.path != "/cgi-bin/openapi/quota/get" or isinstance(error, TokenRejected):
                raise
            return Unread(path, error.errcode, error.errmsg)

    async def _reserve(self, appid: str, way: ClearWay) -> Clear:
        now = self._clock.now()
        clear = await self._store.reserve_clear(appid, month_of(now), most=CLEARS_A_MONTH, way=way, at=now)
        if clear is None:
            renews = next_month(now)
            raise ClearsUsedUp(
                f"the {CLEARS_A_MONTH} quota clears of {appid} in this month are used up; there are new ones "
                f"from {renews:%Y-%m-%d}, China time",
                renews_at=renews,
            )
        return clear

    async def _clear(self, key: TokenKey, way: ClearWay | None) -> ClearWay:
        if way is not ClearWay.APPSECRET:
            try:
                await self._clear_by_token(key)
            except (RateLimited, CircuitOpen, TokenRejected) as refusal:
                if way is not None:
                    raise
                log.info("quota.clear_by_secret", account=key.account, because=type(refusal).__name__)
            else:
                return ClearWay.ACCESS
        await _asking(await self._by_secret(key))
        return ClearWay.APPSECRET

    async def _clear_by_token(self, key: TokenKey) -> None:
        api = self._api
        ask = api.clear_platform if key.kind is TokenKind.COMPONENT else api.clear

        async def call(token: AccessToken) -> None:
            await _asking(lambda: ask(token, key.account))

        await self._keeper.using(key, call)

    async def _by_secret(self, key: TokenKey) -> Callable[[], Awaitable[None]]:
        if key.issuer == DIRECT_ISSUER:
            account = await self._registry.require_direct(key.account)
            return lambda: self._api.clear_by_secret(account.appid, account.secret)
        platform = await self._registry.require_platform(key.issuer)
        return lambda: self._api.clear_by_platform_secret(key.account, platform.appid, platform.secret)


class _AnswerLost(Exception):
    """The clearing itself was asked for, and no answer came."""


async def _asking(ask: Callable[[], Awaitable[None]]) -> None:
    """Ask for a clearing; trouble on the way to a token is another matter than a lost answer to this."""
    try:
        await ask()
    except UpstreamError as error:
        if error.sent:
            raise _AnswerLost from error
        raise


def month_of(now: datetime) -> str:
    """Name the month WeChat counts in."""
    return now.astimezone(CHINA).strftime("%Y-%m")


def next_month(now: datetime) -> datetime:
    """Give the moment at which there are new clearings."""
    first = now.astimezone(CHINA).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
