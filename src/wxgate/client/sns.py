"""The sns API: codes of logins become people (网页授权, 网站应用, 小程序登录).

Every call is a GET and carries its secrets in the query. A code works once, so the calls that spend one are
made once: where the answer is lost, the code may be spent (UpstreamError with `sent`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wxgate.client.api import WeChatApi
from wxgate.client.transport import DEFAULT_TIMEOUT
from wxgate.errors import UpstreamError
from wxgate.secret import AppSecret, ComponentToken, OAuthCode, SessionKey, UserRefreshToken, UserToken

PROFILE_SECONDS = 5.0
"""How long a nickname may take: the login is settled by then, and a person waits."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who a code stood for, as WeChat says it to whoever exchanged the code.

    `scopes` is what was granted, whatever was asked for: a link can be changed on its way.
    """

    openid: str
    token: UserToken
    refresh_token: UserRefreshToken | None
    expires_in: int
    scopes: frozenset[str]
    unionid: str | None = None
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class UserInfo:
    """What WeChat tells of a person who has consented; `nickname` and `avatar` are as they came."""

    openid: str
    nickname: str
    avatar: str
    unionid: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class MiniProgramSession:
    """Who called wx.login() in a mini program."""

    openid: str
    session_key: SessionKey
    unionid: str | None = None


class SnsApi:
    """Exchanges codes, with an app's own secret or on behalf of an account; tokens are arguments."""

    def __init__(self, api: WeChatApi) -> None:
        self._api = api

    async def exchange(self, appid: str, secret: AppSecret, code: OAuthCode) -> Person:
        """Exchange the code of an official account's or a website application's login."""
        query = _own(appid, secret) | {"code": code.reveal(), "grant_type": "authorization_code"}
        return _person(await self._get("/sns/oauth2/access_token", query, once=True))

    async def exchange_on_behalf(
        self, appid: str, platform: str, token: ComponentToken, code: OAuthCode
    ) -> Person:
        """Exchange the code of a login that a platform asked for on behalf of an account."""
        query = {
            "appid": appid,
            "code": code.reveal(),
            "grant_type": "authorization_code",
            **_behalf(platform, token),
        }
        return _person(await self._get("/sns/oauth2/component/access_token", query, once=True))

    async def refresh(self, appid: str, refresh_token: UserRefreshToken) -> Person:
        """Renew a person's token; the refresh token lives thirty days, and no longer by being used."""
        query = {
            "appid": appid,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token.reveal(),
        }
        return _person(await self._get("/sns/oauth2/refresh_token", query))

    async def refresh_on_behalf(
        self, appid: str, platform: str, token: ComponentToken, refresh_token: UserRefreshToken
    ) -> Person:
        """Renew a person's token that a platform has on behalf of an account."""
        query = {
            "appid": appid,
            "grant_type": "refresh_token",
            **_behalf(platform, token),
            "refresh_token": refresh_token.reveal(),
        }
        return _person(await self._get("/sns/oauth2/component/refresh_token", query))

    async def user_info(self, token: UserToken, openid: str, lang: str = "zh_CN") -> UserInfo:
        """Ask for nickname and avatar; needs the scope snsapi_userinfo or snsapi_login (else 48001)."""
        query = {"access_token": token.reveal(), "openid": openid, "lang": lang}
        data = await self._get("/sns/userinfo", query, timeout=PROFILE_SECONDS)
        return UserInfo(
            openid=_text(data, "openid"),
            nickname=str(data.get("nickname") or ""),
            avatar=str(data.get("headimgurl") or ""),
            unionid=_optional(data, "unionid"),
            raw=data,
        )

    async def check(self, token: UserToken, openid: str) -> None:
        """Check that a token is good and this person's; raises TokenRejected, or WeChatError (40003)."""
        await self._get("/sns/auth", {"access_token": token.reveal(), "openid": openid})

    async def js_code(self, appid: str, secret: AppSecret, code: OAuthCode) -> MiniProgramSession:
        """Exchange the code of wx.login() with the mini program's own secret."""
        query = _own(appid, secret) | {"js_code": code.reveal(), "grant_type": "authorization_code"}
        return _mini_program(await self._get("/sns/jscode2session", query, once=True))

    async def js_code_on_behalf(
        self, appid: str, platform: str, token: ComponentToken, code: OAuthCode
    ) -> MiniProgramSession:
        """Exchange the code of wx.login() as the platform that the mini program has authorised."""
        query = {
            "appid": appid,
            "js_code": code.reveal(),
            "grant_type": "authorization_code",
            **_behalf(platform, token),
        }
        return _mini_program(await self._get("/sns/component/jscode2session", query, once=True))

    async def _get(
        self, path: str, query: Mapping[str, str], *, once: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> dict[str, Any]:
        data = (await self._api.call("GET", path, query=query, once=once, timeout=timeout)).data
        if not isinstance(data, dict):
            raise UpstreamError(f"{path} answered something other than a JSON object", sent=True)
        return data


def _own(appid: str, secret: AppSecret) -> dict[str, str]:
    return {"appid": appid, "secret": secret.reveal()}


def _behalf(platform: str, token: ComponentToken) -> dict[str, str]:
    return {"component_appid": platform, "component_access_token": token.reveal()}


def _person(data: Mapping[str, Any]) -> Person:
    refresh_token = _optional(data, "refresh_token")
    return Person(
        openid=_text(data, "openid"),
        token=UserToken(_text(data, "access_token")),
        refresh_token=UserRefreshToken(refresh_token) if refresh_token else None,
        expires_in=_number(data.get("expires_in")),
        scopes=frozenset(str(data.get("scope") or "").replace(" ", ",").split(",")) - {""},
        unionid=_optional(data, "unionid"),
        snapshot=_number(data.get("is_snapshotuser")) == 1,
    )


def _mini_program(data: Mapping[str, Any]) -> MiniProgramSession:
    return MiniProgramSession(
        openid=_text(data, "openid"),
        session_key=SessionKey(_text(data, "session_key")),
        unionid=_optional(data, "unionid"),
    )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise UpstreamError(f"WeChat's answer lacks {name}", sent=True)
    return value


def _optional(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int:
    """Read a number that WeChat may leave out or write as text."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return 0
