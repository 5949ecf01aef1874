"""扫码登录: the page's links, its long poll, the phone, wxLogin.js, and what the code is exchanged for."""

import asyncio
import re
from typing import Any

import pytest

from tests.emulator.login_stage import BACK, exchange, link, open_link
from tests.emulator.stage import Stage
from wxgate.emulator.world import Account
from wxgate.testing.browser import Browser, WeChatBrowser

CHROME = "Mozilla/5.0 Chrome/142"
PNG = b"\x89PNG"


@pytest.fixture
async def site(stage: Stage) -> Account:
    """A website application; the page's poll waits for as good as nothing."""
    await stage.switch(qr_poll_seconds=0.01)
    return stage.emulator.world.put_account(
        {"kind": "website", "nick_name": "网店", "oauth_domains": ["gateway.example"]}
    )


def asking(site: Account, **changed: str) -> str:
    """Write the link of a whole page."""
    pairs = {"appid": site.appid, "redirect_uri": BACK, "response_type": "code"}
    pairs |= {"scope": "snsapi_login", "state": "aState1"}
    return link([*(pairs | changed).items()], "/connect/qrconnect")


async def open_qr(stage: Stage, site: Account) -> str:
    """Open the page; return the name of its QR code."""
    page = await open_link(stage, asking(site), CHROME)
    found = re.search(r"/connect/qrcode/(\w+)", page.text)
    assert found, page.text
    return found.group(1)


async def poll(stage: Stage, uuid: str, last: str = "") -> tuple[int, str]:
    """Ask once as the page does."""
    query = {"uuid": uuid} | ({"last": last} if last else {})
    async with stage.emulator.http.get("/connect/l/qrconnect", params=query) as answer:
        told = re.fullmatch(r"window\.wx_errcode=(\d+);window\.wx_code='(\w*)';", await answer.text())
    assert told
    return int(told.group(1)), told.group(2)


async def test_a_scan_and_a_confirmation_give_a_code_with_nickname_and_unionid(
    stage: Stage, site: Account
) -> None:
    uuid = await open_qr(stage, site)
    assert await poll(stage, uuid) == (408, "")
    await stage.act("scan_login", uuid=uuid, user="user-1")
    assert await poll(stage, uuid) == (404, "")
    assert await poll(stage, uuid, "404") == (408, "")
    await stage.act("confirm_login", state="aState1", accept=True)
    told, code = await poll(stage, uuid, "404")
    answer = await exchange(stage, code, appid=site.appid, secret=site.secret)
    info = await stage.get("/sns/userinfo", access_token=answer["access_token"], openid=answer["openid"])

    user = stage.emulator.world.users["user-1"]
    assert told == 405
    assert (answer["scope"], answer["unionid"]) == ("snsapi_login", user.unionid)
    assert answer["openid"] == user.openids[site.appid] != stage.openid
    assert info["nickname"] == user.nickname


async def test_a_waiting_poll_hears_at_once_and_ends_with_the_emulator(stage: Stage, site: Account) -> None:
    await stage.switch(qr_poll_seconds=600.0)
    uuid = await open_qr(stage, site)
    waiting = asyncio.create_task(poll(stage, uuid))
    await stage.act("scan_login", uuid=uuid, user="user-1")
    assert await waiting == (404, "")
    waiting = asyncio.create_task(poll(stage, uuid, "404"))
    while not stage.emulator.world.qr_logins.changed:  # noqa: ASYNC110 - until the poll waits
        await asyncio.sleep(0.005)
    stage.emulator.emulator.let_go()

    assert await waiting == (408, "")


async def test_a_refused_or_late_scan_gives_no_code(stage: Stage, site: Account) -> None:
    uuid = await open_qr(stage, site)
    await stage.act("confirm_login", uuid=uuid, user="user-1", accept=False)
    assert await poll(stage, uuid, "404") == (403, "")
    assert await poll(stage, uuid) == (408, "")
    await stage.act("scan_login", uuid=uuid, user="user-1")
    stage.emulator.clock.advance(300)

    assert await poll(stage, uuid, "404") == (402, "")
    assert await poll(stage, "nothing") == (402, "")
    with pytest.raises(ValueError, match="expired"):
        await stage.act("confirm_login", uuid=uuid)
    with pytest.raises(ValueError, match="no such QR code"):
        await stage.act("scan_login", state="another", user="user-1")


async def test_the_phone_confirms_on_the_page_that_the_qr_code_names(stage: Stage, site: Account) -> None:
    uuid = await open_qr(stage, site)
    async with stage.emulator.http.get(f"/connect/qrcode/{uuid}") as answer:
        image = await answer.read()
    phone = WeChatBrowser("user-1", stage.emulator.url)
    page = await phone.get(f"{stage.emulator.url}/connect/confirm?uuid={uuid}")
    scanned = await poll(stage, uuid)
    await phone.press("allow")
    told, code = await poll(stage, uuid, "404")

    assert image.startswith(PNG)
    assert "网店" in page.words
    assert (scanned, told, bool(code)) == ((404, ""), 405, True)
    assert "已过期" in (await phone.get(f"{stage.emulator.url}/connect/confirm?uuid={uuid}")).words


async def test_a_link_that_wechat_would_not_open_says_so(stage: Stage, site: Account) -> None:
    frame = [("appid", site.appid), ("scope", "snsapi_login"), ("redirect_uri", BACK), ("state", "s")]
    jssdk = [("login_type", "jssdk"), ("self_redirect", "true"), ("style", "black"), ("stylelite", "1")]

    async def ret(url: str) -> str | None:
        return (await open_link(stage, url, CHROME)).form.ret

    for bad in (
        asking(site, scope="snsapi_userinfo"),
        asking(site, redirect_uri="https://other.example/"),
        asking(site, appid=stage.shop.appid),
        asking(site, response_type="token"),
        link([*frame[::-1], *jssdk], "/connect/qrconnect"),
        link(frame, "/connect/qrconnect"),
    ):
        assert await ret(bad) == "unreachable", bad
    assert await ret(asking(site, state="s" * 129)) == "state"
    assert await ret(link([*frame, *jssdk], "/connect/qrconnect")) is None
    assert await ret(f"{asking(site)}&lang=en") is None


async def test_wx_login_js_writes_wechats_parameters_in_wechats_order(stage: Stage) -> None:
    page = await Browser().get(f"{stage.emulator.url}/connect/zh_CN/htmledition/js/wxLogin.js")

    names = re.findall(r"[?&](\w+)=", page.text)
    assert page.headers["Content-Type"].startswith("text/javascript")
    assert names[:6] == ["appid", "scope", "redirect_uri", "state", "login_type", "self_redirect"]


async def test_a_website_has_a_secret_for_logins_and_no_api(stage: Stage, site: Account) -> None:
    query = {"grant_type": "client_credential", "appid": site.appid, "secret": site.secret}
    assert (await stage.get("/cgi-bin/token", **query))["errcode"] == 40013
    assert (await stage.post("/cgi-bin/stable_token", query))["errcode"] == 40013
    with pytest.raises(ValueError, match="website application"):
        await stage.act("authorize", platform=stage.platform.appid, appid=site.appid)


async def test_a_mini_program_exchanges_its_code_once_its_own_way_or_on_behalf(stage: Stage) -> None:
    mini, platform = stage.mini, stage.platform
    await stage.act("authorize", platform=platform.appid, appid=mini.appid)
    token = await stage.component_token()
    own = {"appid": mini.appid, "secret": mini.secret, "grant_type": "authorization_code"}
    ours = {"appid": mini.appid, "grant_type": "authorization_code", "component_appid": platform.appid}

    async def code() -> str:
        return str((await stage.act("js_code", appid=mini.appid, user="user-1"))["code"])

    async def on_behalf(**query: str) -> Any:
        return await stage.get("/sns/component/jscode2session", **(ours | query))

    first = await code()
    answer = await stage.get("/sns/jscode2session", js_code=first, **own)
    again = await stage.get("/sns/jscode2session", js_code=first, **own)
    behalf = await on_behalf(js_code=await code(), component_access_token=token)
    assert set(answer) == {"openid", "session_key", "unionid"}
    assert again["errcode"] == 40163
    assert (behalf["openid"], behalf["unionid"]) == (answer["openid"], answer["unionid"])
    assert (await on_behalf(js_code="x", component_access_token=token))["errcode"] == 40029
    assert (await on_behalf(js_code=await code()))["errcode"] == 41001
    await stage.act("unauthorize", platform=platform.appid, appid=mini.appid)
    assert (await on_behalf(js_code=await code(), component_access_token=token))["errcode"] == 61003
