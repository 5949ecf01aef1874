"""Where each kind of token comes from."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog

from wxgate.client.account import AccountApi
from wxgate.client.component import ComponentApi, DirectApi, Issued
from wxgate.clock import Clock
from wxgate.custody.jsapi import TICKET_TYPES, account_key
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AuthorizationStore
from wxgate.custody.records import Authorization, FetchedToken
from wxgate.custody.registry import Registry
from wxgate.custody.tickets import Tickets
from wxgate.errors import (
    GatewayError,
    NotAuthorizedByAccount,
    RefreshTokenRejected,
    TicketRejected,
    UpstreamError,
    WeChatError,
)
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.secret import AccessToken, ComponentToken, RefreshToken, fingerprint

T = TypeVar("T", bound=AccessToken)

log = structlog.get_logger("wxgate.tokens")


def component_key(platform: str) -> TokenKey:
    """Make the key of a platform's own token."""
    return TokenKey(platform, platform, TokenKind.COMPONENT)


def authorizer_key(platform: str, appid: str) -> TokenKey:
    """Make the key of the token with which a platform acts for an account."""
    return TokenKey(platform, appid, TokenKind.AUTHORIZER)


def direct_key(appid: str) -> TokenKey:
    """Make the key of the token an account has by its own secret."""
    return TokenKey(DIRECT_ISSUER, appid, TokenKind.DIRECT)


class Repair(Protocol):
    """Mends authorizations whose refresh token does not work."""

    async def usable(self, platform: str, appid: str) -> Authorization:
        """Load an authorization that it is worth trying; raise with who must do what."""
        ...

    async def mend(self, authorization: Authorization, refused: WeChatError | None) -> Authorization:
        """Return the authorization with another refresh token, to be tried once, or raise."""
        ...

    async def give_up(self, authorization: Authorization, reason: str) -> GatewayError:
        """Note that only the merchant can help; return the error that says so."""
        ...

    async def note_success(self, authorization: Authorization, token: RefreshToken) -> None:
        """Note that the refresh token works."""
        ...


class WeChatTokens:
    """Fetches tokens of every kind, and JS-SDK tickets, from WeChat."""

    def __init__(
        self,
        *,
        component: ComponentApi,
        direct: DirectApi,
        account: AccountApi,
        registry: Registry,
        tickets: Tickets,
        authorizations: AuthorizationStore,
        repairs: Repair,
        keeper: Callable[[], TokenKeeper],
        clock: Clock,
    ) -> None:
        # An authorizer token is fetched with a component token, so source and keeper need each other.
        self._component = component
        self._direct = direct
        self._account = account
        self._registry = registry
        self._tickets = tickets
        self._authorizations = authorizations
        self._repairs = repairs
        self._keeper = keeper
        self._clock = clock

    async def fetch(self, key: TokenKey, *, rejected: str = "") -> FetchedToken:
        """Fetch a new token; a refresh token that comes with it is stored before this returns."""
        match key.kind:
            case TokenKind.COMPONENT:
                return await self._fetch_component(key.issuer)
            case TokenKind.AUTHORIZER:
                return await self._fetch_authorizer(key.issuer, key.account)
            case TokenKind.DIRECT:
                return await self._fetch_direct(key.account, rejected)
            case TokenKind.JSAPI_TICKET | TokenKind.WX_CARD:
                return await self._fetch_js_ticket(key)

    async def _fetch_component(self, platform: str) -> FetchedToken:
        record = await self._registry.require_platform(platform)
        newest, *older = await self._tickets.usable(platform)
        try:
            return self._fetched(
                await self._component.component_token(platform, record.secret, newest.ticket)
            )
        except TicketRejected as rejected:
            # A ticket replaced a moment ago may not have spread everywhere yet; the one before still counts.
            for before in older:
                log.warning(
                    "ticket.rejected", platform=platform, errcode=rejected.errcode, trying="the one before"
                )
                return self._fetched(
                    await self._component.component_token(platform, record.secret, before.ticket)
                )
            raise

    async def _fetch_authorizer(self, platform: str, appid: str) -> FetchedToken:
        authorization = await self._repairs.usable(platform, appid)
        refused = None
        if authorization.refresh_token is not None:
            try:
                return await self._renew(authorization, authorization.refresh_token)
            except (RefreshTokenRejected, NotAuthorizedByAccount) as error:
                refused = error
        mended = await self._repairs.mend(authorization, refused)
        assert mended.refresh_token is not None
        try:
            return await self._renew(mended, mended.refresh_token)
        except (RefreshTokenRejected, NotAuthorizedByAccount) as again:
            reason = f"WeChat refuses the refresh token it names itself ({again.errcode})"
            raise await self._repairs.give_up(mended, reason) from again

    async def _renew(self, authorization: Authorization, refresh_token: RefreshToken) -> FetchedToken:
        platform, appid = authorization.platform, authorization.appid
        issued, returned = await self._keeper().using(
            component_key(platform),
            lambda token: self._component.authorizer_token(
                platform, ComponentToken.of(token), appid, refresh_token
            ),
        )
        if returned is not None:
            await self._authorizations.keep_refresh_token(
                platform,
                appid,
                returned,
                replacing=refresh_token,
                reason="api_authorizer_token",
                now=self._clock.now(),
            )
        await self._repairs.note_success(authorization, returned or refresh_token)
        return self._fetched(issued)

    async def _fetch_direct(self, appid: str, rejected: str) -> FetchedToken:
        record = await self._registry.require_direct(appid)
        issued = await self._direct.stable_token(appid, record.secret)
        if fingerprint(issued.value) == rejected:
            # WeChat gives the same token until it is nearly over, even one that its API rejects; to force
            # another counts against twenty a day, so it takes this proof.
            log.warning("token.forced", account=appid, kind=TokenKind.DIRECT)
            issued = await self._direct.stable_token(appid, record.secret, force=True)
        if fingerprint(issued.value) == rejected:
            raise UpstreamError(
                f"WeChat rejects the token of {appid} and gives out no other; it makes a new one on demand "
                "no more often than every 30 seconds: try again then",
                sent=True,
            )
        return self._fetched(issued)

    async def _fetch_js_ticket(self, key: TokenKey) -> FetchedToken:
        kind = TICKET_TYPES[key.kind]
        issued = await self._keeper().using(
            account_key(key.issuer, key.account), lambda token: self._account.js_ticket(token, kind)
        )
        return self._fetched(issued)

    def _fetched(self, issued: Issued[T]) -> FetchedToken:
        now = self._clock.now()
        return FetchedToken(issued.value, now, now + timedelta(seconds=issued.expires_in))
