"""Calls on behalf of accounts: the right token is put in, and a rejected one is renewed and replayed once."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from wxgate.client.api import WeChatApi
from wxgate.client.transport import DEFAULT_TIMEOUT
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AuthorizationStore
from wxgate.custody.records import AuthorizationFilter, AuthorizationState, DirectAccount
from wxgate.custody.registry import Registry
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.custody.states import LIVE
from wxgate.errors import GatewayError, NotAuthorized, SeveralIssuers, WeChatError
from wxgate.events.policies import Party
from wxgate.protocol.answers import Answer
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.secret import AccessToken
from wxgate.server.explainer import Explainer

log = structlog.get_logger("wxgate.calls")

OnAnswer = Callable[[TokenKey, str, Answer], Awaitable[None]]
"""Hears of every call that WeChat answered well."""


async def _nothing(key: TokenKey, path: str, answer: Answer) -> None:
    """Take no note of a call."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls WeChat's API with one token, always the one of the same issuer."""

    _api: WeChatApi
    _keeper: TokenKeeper
    _explainer: Explainer
    _on_answer: OnAnswer
    key: TokenKey

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes = b"",
        content_type: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Answer:
        """Call one path; raise the WeChatError leaf for an errcode, with its explanation."""
        name = "component_access_token" if self.key.kind is TokenKind.COMPONENT else "access_token"

        async def send(token: AccessToken) -> Answer:
            query = {name: token.reveal(), **(params or {})}
            return await self._api.call(
                method, path, query=query, json=json, body=body, content_type=content_type, timeout=timeout
            )

        try:
            answer = await self._keeper.using(self.key, send)
        except WeChatError as error:
            await self._explainer.explain(error, self.key.issuer, self.key.account)
            raise
        try:
            await self._on_answer(self.key, path, answer)
        except GatewayError as error:  # what WeChat did is done, and the caller must learn of it
            log.warning("call.not_noted", path=path, appid=self.key.account, error=str(error))
        return answer

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """GET a path and return the decoded answer (bytes where it is a file)."""
        return _content(await self.call("GET", path, params=params))

    async def post(self, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """POST JSON to a path and return the decoded answer (bytes where it is a file)."""
        return _content(await self.call("POST", path, params=params, json={} if json is None else json))

    async def token(self) -> AccessToken:
        """Return an access token that is good now."""
        return (await self._keeper.get(self.key)).token


@dataclass(frozen=True, slots=True)
class Account:
    """An account to act for; the issuer is looked up at the first call where none was named."""

    appid: str
    issuer: str | None
    _calls: "Calls"

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """GET a path of WeChat's API on behalf of the account."""
        return await (await self.caller()).get(path, params)

    async def post(self, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """POST JSON to a path of WeChat's API on behalf of the account."""
        return await (await self.caller()).post(path, json=json, params=params)

    async def token(self) -> AccessToken:
        """Return an access token of this account that is good now."""
        return await (await self.caller()).token()

    async def caller(self) -> Caller:
        """Settle on the issuer and return the caller with its token."""
        return await self._calls.caller(self.appid, self.issuer)


class Calls:
    """Finds whose token acts for an account."""

    def __init__(
        self,
        api: WeChatApi,
        keeper: TokenKeeper,
        authorizations: AuthorizationStore,
        registry: Registry,
        explainer: Explainer,
        is_heard: Callable[[DirectAccount], Awaitable[bool]],
        *,
        on_answer: OnAnswer = _nothing,
    ) -> None:
        self._api = api
        self._keeper = keeper
        self._authorizations = authorizations
        self._registry = registry
        self._explainer = explainer
        self._is_heard = is_heard
        self._on_answer = on_answer

    def account(self, appid: str, *, issuer: str | None = None) -> Account:
        """Name an account; nothing is looked up yet."""
        return Account(appid, issuer, self)

    def platform(self, appid: str) -> Caller:
        """Call as a platform, with its component token."""
        return Caller(self._api, self._keeper, self._explainer, self._on_answer, component_key(appid))

    async def caller(self, appid: str, issuer: str | None = None) -> Caller:
        """Return the caller for an account; without an issuer there must be exactly one that may act."""
        issuers = [issuer] if issuer else await self.issuers(appid)
        if not issuers:
            raise await self._nobody(appid)
        if len(issuers) > 1:
            raise SeveralIssuers(
                f"several may act for {appid}: {', '.join(issuers)}; say which one (issuer)",
                issuers=tuple(issuers),
            )
        chosen = issuers[0]
        key = direct_key(appid) if chosen == DIRECT_ISSUER else authorizer_key(chosen, appid)
        return Caller(self._api, self._keeper, self._explainer, self._on_answer, key)

    async def issuers(self, appid: str) -> list[str]:
        """List who may act for an account: platforms with a live authorization, and `direct`.

        A platform whose code is not exchanged yet counts where there is no other.
        """
        found = [
            one
            for one in await self._authorizations.find(AuthorizationFilter(appid=appid))
            if await self._registry.platform(one.platform) is not None
        ]
        issuers = [one.platform for one in found if one.state in LIVE]
        if await self._registry.direct(appid) is not None:
            issuers.append(DIRECT_ISSUER)
        return issuers or [one.platform for one in found if one.state is AuthorizationState.PENDING]

    async def parties(self, appid: str) -> list[Party]:
        """List who may speak for an account, with what they were given: live platforms, and `direct`."""
        found = [
            Party(one.platform, one.authorized_at, one.func_ids)
            for one in await self._authorizations.find(AuthorizationFilter(appid=appid))
            if one.state in LIVE and await self._registry.platform(one.platform) is not None
        ]
        if (direct := await self._registry.direct(appid)) is not None:
            found.append(Party(DIRECT_ISSUER, heard=await self._is_heard(direct.record)))
        return found

    async def acting_platform(self, appid: str) -> str:
        """Find the one platform that acts for an account, for what only platforms may ask."""
        platforms = [issuer for issuer in await self.issuers(appid) if issuer != DIRECT_ISSUER]
        if not platforms:
            raise await self._nobody(appid)
        if len(platforms) > 1:
            raise SeveralIssuers(
                f"several platforms may act for {appid}: {', '.join(platforms)}; say which one (issuer)",
                issuers=tuple(platforms),
            )
        return platforms[0]

    async def _nobody(self, appid: str) -> NotAuthorized:
        """Tell an account that left from one that never came."""
        found = await self._authorizations.find(AuthorizationFilter(appid=appid))
        if not found:
            return NotAuthorized(
                f"nobody may act for {appid}: it has authorised no platform here, and is no direct account"
            )
        platform = found[0].platform
        if await self._registry.platform(platform) is None:
            return NotAuthorized(f"nobody may act for {appid}: platform {platform} was removed here")
        return NotAuthorized(f"{appid} took back its authorization of platform {platform}", platform=platform)


def _content(answer: Answer) -> Any:
    return answer.body if answer.data is None else answer.data
