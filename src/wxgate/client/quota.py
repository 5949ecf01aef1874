"""Calls about calls: how many are left, clearing the counts, and what one request was (API 调用次数)."""

from dataclasses import dataclass
from typing import Any

from wxgate.client.api import WeChatApi
from wxgate.errors import UpstreamError
from wxgate.secret import AccessToken, AppSecret


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit within a short time: so many calls in so many seconds."""

    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How one path stands today; a daily limit of 0 means none, or none that WeChat tells."""

    path: str
    daily_limit: int
    used: int
    remain: int
    rate: Rate | None = None
    component_rate: Rate | None = None


class QuotaApi:
    """The quota calls; tokens and secrets are arguments."""

    def __init__(self, api: WeChatApi) -> None:
        self._api = api

    async def read(self, token: AccessToken, path: str) -> Reading:
        """Ask how one path stands for whom the token is."""
        data = await self._post("/cgi-bin/openapi/quota/get", {"cgi_path": path}, token)
        quota = data.get("quota")
        if not isinstance(quota, dict):
            raise UpstreamError("openapi/quota/get answered without a quota", sent=True)
        return Reading(
            path,
            _number(quota.get("daily_limit")),
            _number(quota.get("used")),
            _number(quota.get("remain")),
            _rate(data.get("rate_limit")),
            _rate(data.get("component_rate_limit")),
        )

    async def clear(self, token: AccessToken, appid: str) -> None:
        """Clear an account's counts with its own token, or one on its behalf."""
        await self._post("/cgi-bin/clear_quota", {"appid": appid}, token)

    async def clear_platform(self, token: AccessToken, appid: str) -> None:
        """Clear a platform's counts with its component token."""
        query = {"component_access_token": token.reveal()}
        body = {"component_appid": appid}
        await self._api.call("POST", "/cgi-bin/component/clear_quota", query=query, json=body)

    async def clear_by_secret(self, appid: str, secret: AppSecret) -> None:
        """Clear an account's counts with its AppSecret."""
        # WeChat documents these as query parameters and reads no others.
        query = {"appid": appid, "appsecret": secret.reveal()}
        await self._api.call("POST", "/cgi-bin/clear_quota/v2", query=query, json={})

    async def clear_by_platform_secret(self, appid: str, platform: str, secret: AppSecret) -> None:
        """Clear the counts of a platform, or of an account that has authorised it, with its AppSecret."""
        body = {"appid": appid, "component_appid": platform, "appsecret": secret.reveal()}
        await self._api.call("POST", "/cgi-bin/component/clear_quota/v2", json=body)

    async def request(self, token: AccessToken, rid: str) -> dict[str, Any]:
        """Ask what one request was; it may quote tokens, so hide them before showing it."""
        request = (await self._post("/cgi-bin/openapi/rid/get", {"rid": rid}, token)).get("request")
        if not isinstance(request, dict):
            raise UpstreamError("openapi/rid/get answered without a request", sent=True)
        return request

    async def _post(self, path: str, body: dict[str, Any], token: AccessToken) -> dict[str, Any]:
        data = (await self._api.call("POST", path, query={"access_token": token.reveal()}, json=body)).data
        if not isinstance(data, dict):
            raise UpstreamError(f"{path} answered something other than a JSON object", sent=True)
        return data


def _rate(given: Any) -> Rate | None:
    if not isinstance(given, dict) or not given.get("call_count"):
        return None
    return Rate(_number(given["call_count"]), _number(given.get("refresh_second")))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
