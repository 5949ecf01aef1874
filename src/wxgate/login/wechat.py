"""Asks WeChat who somebody is: the links that people are sent to, and what their codes stand for.

On behalf of an account the platform's component_access_token redeems the code, never the account's (P13);
website applications and direct accounts have their own secret. Which of the two is written in the app.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from wxgate.client.sns import Person, SnsApi
from wxgate.errors import (
    Busy,
    CircuitOpen,
    ConfigError,
    GatewayError,
    HeldBack,
    LoginCodeRejected,
    NotFound,
    RateLimited,
    StorageError,
    UpstreamError,
    WeChatError,
)
from wxgate.login.people import profile_of
from wxgate.login.records import App, AppKind, Mode, Profile, Proof
from wxgate.protocol.links import Scope, oauth_link, oauth_on_behalf_link, qrconnect_link
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import AppSecret, ComponentToken, LoginState, OAuthCode

T = TypeVar("T")

SCOPES: Mapping[Mode, Scope] = {
    Mode.SILENT: Scope.BASE,
    Mode.CONSENT: Scope.USERINFO,
    Mode.QR: Scope.LOGIN,
}


class Credentials(Protocol):
    """What codes are redeemed with."""

    async def secret(self, app: App) -> AppSecret:
        """Find an app's own secret; raises GatewayError when there is none."""
        ...

    async def using(self, platform: str, call: Callable[[ComponentToken], Awaitable[T]]) -> T:
        """Call with a platform's token; when WeChat rejects it, renew it by proof and replay once."""
        ...


class Failure(StrEnum):
    """Why a code came to nothing, by what follows from it (P12)."""

    EXPIRED_CODE = "expired_code"
    """Used, expired or nobody's: start again."""
    LOST = "unreachable"
    """No answer, and the code may be spent: start again."""
    RESTRICTED = "restricted"
    """WeChat does not let this person log in."""
    RETRY_LATER = "busy"
    """WeChat is busy."""
    UNAVAILABLE = "app_unavailable"
    """The account, or what we have of it, is not usable at present (P21)."""
    MISCONFIGURED = "configuration"
    """The operator has to change something."""


STARTS_AGAIN = frozenset({Failure.EXPIRED_CODE, Failure.LOST})

_BY_CODE: Mapping[int, Failure] = {
    40013: Failure.MISCONFIGURED,
    40125: Failure.MISCONFIGURED,
    40164: Failure.MISCONFIGURED,
    40226: Failure.RESTRICTED,
    48001: Failure.MISCONFIGURED,
    50001: Failure.RESTRICTED,
    50002: Failure.RESTRICTED,
    61004: Failure.MISCONFIGURED,
    61007: Failure.MISCONFIGURED,
}


class LoginFailed(GatewayError):
    """WeChat did not say who somebody is; `failure` tells what follows, the cause is in the text."""

    def __init__(self, failure: Failure, message: str, *, errcode: int | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.errcode = errcode


def failure_of(error: GatewayError) -> Failure:
    """Say what an error means for whoever wants to log in."""
    match error:
        case LoginCodeRejected():
            return Failure.EXPIRED_CODE
        case Busy() | RateLimited() | CircuitOpen() | HeldBack():
            return Failure.RETRY_LATER
        case UpstreamError():
            return Failure.LOST
        case ConfigError() | NotFound():
            return Failure.MISCONFIGURED
        case WeChatError():
            return _BY_CODE.get(error.errcode, Failure.UNAVAILABLE)
        case _:
            return Failure.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class WeChatAddresses:
    """Where WeChat's login pages are, and where they send people back to."""

    open: str
    callback: str


class WeChatLogin:
    """Makes login links and redeems codes."""

    def __init__(self, sns: SnsApi, credentials: Credentials, addresses: WeChatAddresses) -> None:
        self._sns = sns
        self._credentials = credentials
        self._addresses = addresses

    def link(
        self, app: App, mode: Mode, state: LoginState, *, force_popup: bool = False, lang: str = ""
    ) -> str:
        """Make the link to WeChat's page for an app; only the page with the QR code knows languages."""
        base, back, scope = self._addresses.open, self._addresses.callback, SCOPES[mode]
        if mode is Mode.QR:
            return qrconnect_link(
                base_open=base,
                appid=app.appid,
                redirect_uri=back,
                state=state.reveal(),
                scope=scope,
                lang="en" if lang.lower().startswith("en") else None,
            )
        if app.issuer == DIRECT_ISSUER:
            return oauth_link(
                base_open=base,
                appid=app.appid,
                redirect_uri=back,
                scope=scope,
                state=state.reveal(),
                force_popup=force_popup,
            )
        return oauth_on_behalf_link(
            base_open=base,
            appid=app.appid,
            component_appid=app.issuer,
            redirect_uri=back,
            scope=scope,
            state=state.reveal(),
            force_popup=force_popup,
        )

    async def prove(self, app: App, mode: Mode, code: OAuthCode) -> Proof:
        """Redeem a code; raises LoginFailed, or StorageError when our own database is out of reach."""
        try:
            person = await self._redeem(app, code)
        except StorageError:
            raise
        except GatewayError as error:
            raise LoginFailed(failure_of(error), str(error), errcode=_errcode(error)) from None
        if mode is Mode.CONSENT and not person.snapshot and Scope.USERINFO not in person.scopes:
            # Somebody has changed the link on its way: silence must not pass for a consent.
            raise LoginFailed(Failure.EXPIRED_CODE, f"{app.appid}: WeChat granted less than was asked for")
        if mode is Mode.SILENT or person.snapshot:
            profile, unionid = Profile(), person.unionid
        else:
            profile, unionid = await self._profile(person)
        return Proof(
            app=app.name,
            appid=app.appid,
            openid=person.openid,
            mode=mode,
            unionid=unionid,
            snapshot=person.snapshot,
            profile=profile,
        )

    async def _redeem(self, app: App, code: OAuthCode) -> Person:
        if app.kind is AppKind.WEBSITE or app.issuer == DIRECT_ISSUER:
            return await self._sns.exchange(app.appid, await self._credentials.secret(app), code)

        async def spend(token: ComponentToken) -> Person:
            return await self._sns.exchange_on_behalf(app.appid, app.issuer, token, code)

        return await self._credentials.using(app.issuer, spend)

    async def _profile(self, person: Person) -> tuple[Profile, str | None]:
        """Ask for the nickname; to have none is no reason to send a proven person away."""
        try:
            info = await self._sns.user_info(person.token, person.openid)
        except GatewayError:
            return Profile(), person.unionid
        if info.openid != person.openid:
            return Profile(), person.unionid
        return profile_of(info.nickname, info.avatar), person.unionid or info.unionid


def _errcode(error: GatewayError) -> int | None:
    return error.errcode if isinstance(error, WeChatError) else None
