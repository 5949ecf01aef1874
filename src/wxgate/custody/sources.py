"""Where each kind of token comes from."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog

from wxgate.client.component import ComponentApi, DirectApi, Issued
from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AuthorizationStore
from wxgate.custody.records import Authorization, AuthorizationState, FetchedToken
from wxgate.custody.registry import Registry
from wxgate.custody.tickets import Tickets
from wxgate.errors import (
    ConfigError,
    NeedsReauthorization,
    NotAuthorized,
    TicketRejected,
)
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.secret import AccessToken, ComponentToken

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


class WeChatTokens:
    """Fetches component, authorizer and direct tokens from WeChat."""

    def __init__(
        self,
        *,
        component: ComponentApi,
        direct: DirectApi,
        registry: Registry,
        tickets: Tickets,
        authorizations: AuthorizationStore,
        keeper: Callable[[], TokenKeeper],
        clock: Clock,
    ) -> None:
        # An authorizer token is fetched with a component token, so source and keeper need each other.
        self._component = component
        self._direct = direct
        self._registry = registry
        self._tickets = tickets
        self._authorizations = authorizations
        self._keeper = keeper
        self._clock = clock

    async def fetch(self, key: TokenKey) -> FetchedToken:
        """Fetch a new token; a refresh token that comes with it is stored before this returns."""
        match key.kind:
            case TokenKind.COMPONENT:
                return await self._fetch_component(key.issuer)
            case TokenKind.AUTHORIZER:
                return await self._fetch_authorizer(key.issuer, key.account)
            case TokenKind.DIRECT:
                return await self._fetch_direct(key.account)
            case _:
                raise ConfigError(f"tokens of kind {key.kind} are not kept by this gateway yet")

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
        authorization = require_live(await self._authorizations.load(platform, appid), platform, appid)
        refresh_token = authorization.refresh_token
        if refresh_token is None:
            raise NeedsReauthorization(
                f"{appid} has authorised platform {platform}, but no refresh token is known; "
                f"send the merchant /authorize/{platform}"
            )

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
        return self._fetched(issued)

    async def _fetch_direct(self, appid: str) -> FetchedToken:
        record = await self._registry.require_direct(appid)
        return self._fetched(await self._direct.stable_token(appid, record.secret))

    def _fetched(self, issued: Issued[T]) -> FetchedToken:
        now = self._clock.now()
        return FetchedToken(issued.value, now, now + timedelta(seconds=issued.expires_in))


def require_live(authorization: Authorization | None, platform: str, appid: str) -> Authorization:
    """Return a live authorization, or raise with who must do what."""
    if authorization is None:
        raise NotAuthorized(
            f"{appid} has not authorised platform {platform}; send the merchant /authorize/{platform}"
        )
    if authorization.state is AuthorizationState.REVOKED:
        raise NotAuthorized(
            f"{appid} took back its authorization of platform {platform}; "
            f"to have it again, send the merchant /authorize/{platform}"
        )
    return authorization
