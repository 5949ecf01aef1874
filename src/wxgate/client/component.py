"""The component API (第三方平台): tickets to tokens, codes to authorizations, accounts' information."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wxgate.client.api import WeChatApi
from wxgate.errors import UpstreamError
from wxgate.protocol.answers import Answer
from wxgate.secret import (
    AppSecret,
    AuthorizationCode,
    AuthorizerToken,
    ComponentToken,
    DirectToken,
    PreAuthCode,
    RefreshToken,
    Ticket,
)

T = TypeVar("T")

LIST_PAGE = 500
"""The most accounts api_get_authorizer_list gives at once (more answers 40170)."""


@dataclass(frozen=True, slots=True)
class Issued(Generic[T]):
    """A value WeChat issued, with its lifetime in seconds as WeChat told it."""

    value: T
    expires_in: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The authorization_info of one account; tokens are absent where the account has no API rights."""

    appid: str
    access: Issued[AuthorizerToken] | None
    refresh_token: RefreshToken | None
    func_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the authorizer list; the refresh token is empty if the code was never exchanged."""

    appid: str
    refresh_token: RefreshToken | None
    auth_time: int


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of the authorizer list; `count` is how many lines it had, readable or not."""

    total: int
    count: int
    lines: tuple[Listed, ...]


class ComponentApi:
    """The calls a third-party platform makes for itself; tokens are arguments."""

    def __init__(self, api: WeChatApi) -> None:
        self._api = api

    async def component_token(self, appid: str, secret: AppSecret, ticket: Ticket) -> Issued[ComponentToken]:
        """Turn the ticket into a component_access_token."""
        data = await self._post(
            "api_component_token",
            {
                "component_appid": appid,
                "component_appsecret": secret.reveal(),
                "component_verify_ticket": ticket.reveal(),
            },
        )
        return Issued(ComponentToken(_text(data, "component_access_token")), _seconds(data))

    async def start_push_ticket(self, appid: str, secret: AppSecret) -> None:
        """Ask WeChat to push tickets (again)."""
        await self._post(
            "api_start_push_ticket", {"component_appid": appid, "component_secret": secret.reveal()}
        )

    async def pre_auth_code(self, appid: str, token: ComponentToken) -> Issued[PreAuthCode]:
        """Make a pre_auth_code for one authorization."""
        data = await self._post("api_create_preauthcode", {"component_appid": appid}, token)
        return Issued(PreAuthCode(_text(data, "pre_auth_code")), _seconds(data))

    async def exchange(self, appid: str, token: ComponentToken, code: AuthorizationCode) -> Granted:
        """Exchange an authorization_code; WeChat takes it once."""
        body = {"component_appid": appid, "authorization_code": code.reveal()}
        return _granted((await self._post("api_query_auth", body, token)).get("authorization_info"))

    async def authorizer_token(
        self, appid: str, token: ComponentToken, account: str, refresh_token: RefreshToken
    ) -> tuple[Issued[AuthorizerToken], RefreshToken | None]:
        """Renew an account's access token; also return the refresh token WeChat gave with it."""
        body = {
            "component_appid": appid,
            "authorizer_appid": account,
            "authorizer_refresh_token": refresh_token.reveal(),
        }
        data = await self._post("api_authorizer_token", body, token)
        refreshed = data.get("authorizer_refresh_token")
        return (
            Issued(AuthorizerToken(_text(data, "authorizer_access_token")), _seconds(data)),
            RefreshToken(refreshed) if isinstance(refreshed, str) and refreshed else None,
        )

    async def authorizer_info(
        self, appid: str, token: ComponentToken, account: str
    ) -> tuple[dict[str, Any], Granted]:
        """Fetch what WeChat knows of an account: (authorizer_info, authorization_info)."""
        body = {"component_appid": appid, "authorizer_appid": account}
        data = await self._post("api_get_authorizer_info", body, token)
        info = data.get("authorizer_info")
        if not isinstance(info, dict):
            raise UpstreamError("api_get_authorizer_info answered without authorizer_info", sent=True)
        return info, _granted(data.get("authorization_info"), fallback_appid=account)

    async def authorizers(self, appid: str, token: ComponentToken) -> AsyncIterator[Listed]:
        """Walk the whole list of authorised accounts, a page at a time.

        Raises UpstreamError where the list breaks off: who is not on a part of it may be on the rest.
        """
        offset, before = 0, tuple[Listed, ...]()
        while True:
            page = await self.authorizer_page(appid, token, offset)
            if (not page.count and offset < page.total) or (page.lines and page.lines == before):
                raise UpstreamError(
                    f"WeChat's list of authorised accounts ends at {offset} of {page.total}", sent=True
                )
            offset, before = offset + page.count, page.lines
            for line in page.lines:
                yield line
            # A total that is wrong must not hide anybody: only a page that is not full is the last.
            if page.count < LIST_PAGE and offset >= page.total:
                return

    async def authorizer_page(self, appid: str, token: ComponentToken, offset: int) -> ListPage:
        """Fetch one page of the list of authorised accounts, as long as WeChat makes them."""
        body = {"component_appid": appid, "offset": offset, "count": LIST_PAGE}
        data = await self._post("api_get_authorizer_list", body, token)
        page = data.get("list") or []
        if not isinstance(page, list):
            raise UpstreamError("api_get_authorizer_list answered without a list", sent=True)
        lines = tuple(line for one in page if (line := _listed(one)) is not None)
        return ListPage(_number(data.get("total_count")), len(page), lines)

    async def _post(
        self, name: str, body: Mapping[str, Any], token: ComponentToken | None = None
    ) -> dict[str, Any]:
        query = {"component_access_token": token.reveal()} if token else {}
        return _object(await self._api.call("POST", f"/cgi-bin/component/{name}", query=query, json=body))


class DirectApi:
    """The token call of an account with its own AppSecret."""

    def __init__(self, api: WeChatApi) -> None:
        self._api = api

    async def stable_token(
        self, appid: str, secret: AppSecret, *, force: bool = False
    ) -> Issued[DirectToken]:
        """Fetch the stable access token; without `force` repeated calls give the same one."""
        body = {
            "grant_type": "client_credential",
            "appid": appid,
            "secret": secret.reveal(),
            "force_refresh": force,
        }
        data = _object(await self._api.call("POST", "/cgi-bin/stable_token", json=body))
        return Issued(DirectToken(_text(data, "access_token")), _seconds(data))


def _object(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer.data, dict):
        raise UpstreamError("WeChat answered something other than a JSON object", sent=True)
    return answer.data


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise UpstreamError(f"WeChat's answer lacks {name}", sent=True)
    return value


def _seconds(data: Mapping[str, Any]) -> int:
    try:
        return max(0, int(data["expires_in"]))
    except (KeyError, TypeError, ValueError):
        raise UpstreamError("WeChat's answer lacks expires_in", sent=True) from None


def _granted(info: Any, fallback_appid: str = "") -> Granted:
    if not isinstance(info, dict):
        raise UpstreamError("WeChat's answer lacks authorization_info", sent=True)
    access = info.get("authorizer_access_token")
    refresh = info.get("authorizer_refresh_token")
    appid = info.get("authorizer_appid") or info.get("appid") or fallback_appid
    if not isinstance(appid, str) or not appid:
        raise UpstreamError("WeChat's answer lacks authorizer_appid", sent=True)
    return Granted(
        appid,
        Issued(AuthorizerToken(access), _seconds(info)) if access else None,
        RefreshToken(refresh) if refresh else None,
        _func_ids(info.get("func_info")),
    )


def _listed(line: Any) -> Listed | None:
    appid = line.get("authorizer_appid") if isinstance(line, dict) else None
    if not isinstance(appid, str) or not appid:
        return None
    refresh = line.get("refresh_token")
    token = RefreshToken(refresh) if isinstance(refresh, str) and refresh else None
    return Listed(appid, token, _number(line.get("auth_time")))


def _number(value: Any) -> int:
    """Read a number that WeChat may leave out or write as text."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return 0


def _func_ids(func_info: Any) -> tuple[int, ...]:
    """Collect permission set ids from func_info, passing over items of another shape."""
    ids = set()
    for item in func_info if isinstance(func_info, list) else ():
        category = item.get("funcscope_category") if isinstance(item, dict) else None
        identity = category.get("id") if isinstance(category, dict) else None
        if isinstance(identity, int):
            ids.add(identity)
    return tuple(sorted(ids))
