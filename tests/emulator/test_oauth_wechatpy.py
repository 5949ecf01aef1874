"""A foreign SDK logs people in at the emulator: wechatpy, an account's own way and on behalf."""

import asyncio
from typing import Any

import pytest
from wechatpy.component import ComponentOAuth
from wechatpy.exceptions import WeChatOAuthException
from wechatpy.oauth import WeChatOAuth
from wechatpy.utils import ObjectDict

from tests.emulator.login_stage import BACK, open_link
from tests.emulator.stage import Stage
from wxgate.emulator.oauth_pages import AUTHORIZE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def at(stage: Stage, oauth: Any) -> Any:
    """Lead an SDK's calls to the emulator."""
    oauth.API_BASE_URL = f"{stage.emulator.url}/"
    return oauth


async def code_of(stage: Stage, link: str) -> str:
    """Open the SDK's link in WeChat; return the code it leads back with."""
    assert link.startswith(f"https://open.weixin.qq.com{AUTHORIZE}?")
    opened = await open_link(stage, link.removeprefix("https://open.weixin.qq.com").partition("#")[0])
    assert opened.status == 302, opened.text
    return opened.query["code"]


async def test_with_an_accounts_own_secret(stage: Stage) -> None:
    oauth = at(stage, WeChatOAuth(stage.shop.appid, stage.shop.secret, BACK, "snsapi_userinfo", "s1"))
    code = await code_of(stage, oauth.authorize_url)
    await asyncio.to_thread(oauth.fetch_access_token, code)
    info = await asyncio.to_thread(oauth.get_user_info)
    refreshed = await asyncio.to_thread(oauth.refresh_access_token, oauth.refresh_token)

    assert (oauth.open_id, info["nickname"]) == (stage.openid, "Emulated user")
    assert refreshed["openid"] == stage.openid
    assert await asyncio.to_thread(oauth.check_access_token)
    with pytest.raises(WeChatOAuthException) as refused:
        await asyncio.to_thread(oauth.fetch_access_token, code)
    assert refused.value.errcode == 40163


async def test_on_behalf_of_an_account(stage: Stage) -> None:
    token, _ = await stage.authorized()
    component = ObjectDict({"component_appid": stage.platform.appid, "access_token": token})
    oauth = at(stage, ComponentOAuth(stage.shop.appid, component=component))
    code = await code_of(stage, oauth.get_authorize_url(BACK, "snsapi_userinfo", "s1"))
    await asyncio.to_thread(oauth.fetch_access_token, code)
    info = await asyncio.to_thread(oauth.get_user_info)
    refreshed = await asyncio.to_thread(oauth.refresh_access_token, oauth.refresh_token)

    assert (oauth.open_id, oauth.scope) == (stage.openid, "snsapi_userinfo")
    assert info["unionid"] == stage.emulator.world.users["user-1"].unionid
    assert refreshed["openid"] == stage.openid
