"""The login pages over HTTP: what browsers get, and what odd requests do not get."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.harness import Harness
from tests.login.scene import Scene, set_scene
from tests.pushing import metric
from wxgate.server.login.starting import STRANGERS_PER_ADDRESS
from wxgate.testing.browser import WECHAT, WECOM
from wxgate.testing.pages import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One world for the whole file: every test brings people of its own, so none sees another's."""
    async with Harness(tmp_path_factory.mktemp("scene")) as world:
        yield await set_scene(world)


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


async def started(scene: Scene) -> float:
    """Count who was sent to WeChat."""
    return await metric(scene.world, "wxgate_login_pages_total", page="start", result="left")


async def test_without_a_place_to_go_the_login_ends_on_a_page_that_says_so(scene: Scene) -> None:
    page = await scene.wechat(await scene.person()).get(scene.start("shop", ""))
    assert path_of(page) == "/login/done"
    assert page.status == 200
    assert "登录成功" in page.words


async def test_a_phone_outside_wechat_is_shown_its_address_to_take_along(scene: Scene) -> None:
    address = scene.start("shop", "/healthz")
    page = await scene.phone().get(address + "&lang=en")
    assert page.status == 200
    assert "Open this in WeChat" in page.words
    assert address.replace("&", "&amp;") in page.text
    assert "<svg" in page.text


async def test_wecom_is_told_to_use_wechat(scene: Scene) -> None:
    page = await scene.desktop(agent=WECOM).get(scene.start("shop"))
    assert "企业微信不能代替微信登录" in page.words


async def test_a_computer_goes_to_wechats_qr_page_and_by_wish_to_one_of_ours(scene: Scene) -> None:
    browser = scene.desktop(await scene.person())
    page = await browser.get(scene.start("site"))
    assert path_of(page) == "/connect/qrconnect"
    page = await browser.get(scene.start("site", mode="qr", lang="en"))
    assert path_of(page) == "/login/wechat/site"
    assert "frame-src " + scene.world.emulator.url in page.headers["Content-Security-Policy"]
    assert "self_redirect" in page.text
    [full] = [link for link in page.links if "/connect/qrconnect" in link]
    assert parse_qs(urlsplit(full).query)["state"][0] in page.text


async def test_to_reload_the_qr_page_is_no_loop(scene: Scene) -> None:
    browser = scene.desktop(await scene.person())
    for _ in range(4):
        page = await browser.get(scene.start("site"))
        assert path_of(page) == "/connect/qrconnect"


async def test_cancelling_leads_to_a_page_and_from_there_once_more(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop", mode="consent"))
    page = await browser.press("refuse")
    assert (path_of(page), page.status) == ("/login/ended/cancelled", 400)
    assert "code" not in page.query
    assert "没有登录" in page.words
    again = next(link for link in page.links if "/login/wechat/" in link)
    assert parse_qs(urlsplit(again).query)["return_to"] == ["/healthz"]
    await browser.click(again)
    page = await browser.press("allow")
    assert path_of(page) == "/healthz"


async def test_a_language_that_was_asked_for_stays_with_the_login(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    page = await browser.get(scene.start("shop", "", lang="en"))
    assert "You are logged in" in page.words
    await browser.get(scene.start("shop", mode="consent", lang="en", prompt="login"))
    page = await browser.press("refuse")
    assert "Not logged in" in page.words
    again = next(link for link in page.links if "/login/wechat/" in link)
    assert parse_qs(urlsplit(again).query)["lang"] == ["en"]


async def test_a_snapshot_is_explained_and_nobody_is_logged_in(scene: Scene) -> None:
    with scene.wechat(await scene.person()).snapshot() as inside:
        page = await inside.get(scene.start("shop"))
        assert path_of(page) == "/login/ended/snapshot"
        assert "使用完整服务" in page.words
        assert inside.cookie("wxs-shops") is None


async def test_a_browser_without_cookies_is_told_so_after_two_hops(scene: Scene) -> None:
    """The loop counter is a cookie too: a browser that keeps nothing at all stops at the callback."""
    browser = scene.wechat(await scene.person())
    for _ in range(2):
        await browser.get(scene.start("shop"))
        for name in ("wxs-shops", "wxp-shops"):
            browser.jar.remove(name)
    page = await browser.get(scene.start("shop", lang="en"))
    assert page.status == 400
    assert "Cookies are blocked" in page.words


async def test_what_fails_again_and_again_is_not_taken_for_blocked_cookies(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    await scene.world.add_fault("/sns/oauth2/component/access_token", "errcode", errcode=-1, times=None)
    try:
        pages = [path_of(await browser.get(scene.start("shop"))) for _ in range(4)]
    finally:
        await scene.world.control("DELETE", "faults")
    assert pages == ["/login/ended/busy"] * 4
    with scene.wechat(await scene.person()).snapshot() as inside:
        pages = [path_of(await inside.get(scene.start("shop"))) for _ in range(4)]
    assert pages == ["/login/ended/snapshot"] * 4


async def test_a_callback_in_another_browser_gets_a_button_and_no_session(scene: Scene) -> None:
    mallory, victim = scene.wechat(await scene.person("马")), scene.wechat(await scene.person("小明"))
    page = await mallory.get(scene.start("shop"))
    [callback] = [hop for hop in page.hops if "/login/wechat/callback" in hop]
    page = await victim.get(callback)
    assert path_of(page) == "/login/ended/stranger"
    assert "不是在这个浏览器里开始的" in page.words
    assert victim.cookie("wxs-shops") is None
    page = await victim.click(next(link for link in page.links if "/login/wechat/" in link))
    assert path_of(page) == "/healthz"
    [session] = [
        one
        for one in await scene.world.node.store.login.sessions.live("shops", now=scene.world.clock.now())
        if one.openid == await scene.openid(victim.user or "", scene.shop)
    ]
    assert session.app == "shop"


ODD = [
    ("/login/wechat/nobody", "没有这个登录入口", 404),
    ("/login/wechat/%3Cscript%3E", "没有这个登录入口", 404),
    ("/login/wechat/shop?return_to=https%3A%2F%2Fevil.example%2F", "这个返回地址不被允许", 400),
    ("/login/wechat/shop?return_to=%2F%2Fevil.example", "这个返回地址不被允许", 400),
    ("/login/wechat/shop?return_to=javascript%3Aalert(1)", "这个返回地址不被允许", 400),
    ("/login/wechat/shop?mode=loud", "地址里的参数不对", 400),
    ("/login/wechat/shop?mode=silent&mode=qr", "地址里的参数不对", 400),
    ("/login/wechat/shop?prompt=none+login", "地址里的参数不对", 400),
    ("/login/wechat/shop?max_age=-1", "地址里的参数不对", 400),
    ("/login/wechat/shop?return_to=https%3A%2F%2Fshop.example%2F&result=xml", "地址里的参数不对", 400),
    ("/login/wechat/shop?return_to=https%3A%2F%2Fshop.example%2F&state=%00", "地址里的参数不对", 400),
    ("/login/wechat/shop?x=" + "x" * 9000, "地址里的参数不对", 400),
    ("/login/ended/%00", "没有这个登录入口", 404),
    ("/login/ended/bad_return?app=shop&again=//evil.example&back=//evil.example", "返回地址不被允许", 400),
    ("/login/nowhere", "没有这个登录入口", 404),
]


async def test_odd_addresses_get_a_page_and_start_nothing(scene: Scene) -> None:
    before = await started(scene)
    for path, word, status in ODD:
        page = await scene.world.fetch(path, User_Agent=WECHAT)
        assert (page.status, word in page.text) == (status, True), path
        assert not re.search(r'href="[^?"]*(?:evil|javascript)', page.text), path
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert await started(scene) == before


async def test_what_is_wrong_with_an_address_is_told_to_the_operator(scene: Scene) -> None:
    page = await scene.world.fetch("/login/wechat/shop?mode=loud&lang=en", User_Agent=WECHAT)
    assert "The request was not taken: mode is auto, silent, consent, qr or scan" in page.text
    page = await scene.world.fetch("/oidc/shops/authorize?x=" + "x" * 20_000, User_Agent=WECHAT)
    assert "the query is longer than 16384 bytes" in page.text


async def test_neither_a_head_nor_loading_ahead_starts_or_spends_anything(scene: Scene) -> None:
    before = await started(scene)
    for path in ("/login/wechat/shop", "/login/wechat/callback?state=a&code=b"):
        head = await scene.world.fetch(path, "HEAD", User_Agent=WECHAT)
        assert head.status == 204
        assert "set-cookie" not in head.headers
        ahead = await scene.world.fetch(path, User_Agent=WECHAT, Sec_Purpose="prefetch;prerender")
        assert ahead.status == 403
    assert await started(scene) == before


async def test_a_script_is_told_where_to_go_and_never_led_to_wechat(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    answer = await browser.fetch(scene.start("shop"))
    assert answer.status == 401
    assert answer.json == {"error": "login_required", "url": scene.start("shop")}
    await browser.get(scene.start("shop"))
    browser.jar.remove("wxp-shops")
    assert (await browser.fetch(scene.start("shop"))).json["error"] == "reauth_required"
    answer = await browser.fetch(scene.start("nobody"))
    assert (answer.status, answer.json["error"]) == (404, "unknown_app")


async def test_with_nothing_to_be_shown_a_page_of_ours_is_told_too(scene: Scene) -> None:
    page = await scene.desktop().get(scene.start("site", "/healthz?tab=2", prompt="none"))
    assert path_of(page) == "/healthz"
    assert page.query == {"tab": "2", "error": "login_required"}


async def test_bytes_that_no_browser_sends_are_no_trouble(scene: Scene) -> None:
    for path in (
        "/login/wechat/shop?return_to=%ff%fe",
        "/login/wechat/shop?mode=%E0%A4%A",
        "/login/wechat/callback?state=%00&code=%ff",
        "/login/wechat/callback?state=a&state=b&code=c",
        "/login/session?realm=%ff",
        "/login/ended/%ff?app=%ff&again=%00",
        "/login/logout?return_to=%0d%0aSet-Cookie:x=1&realm=shops",
    ):
        answer = await scene.world.fetch(
            path, User_Agent="\xff MicroMessenger", Cookie="wxs-shops=;;=\xff", Accept_Language=";;q=x"
        )
        assert answer.status in (200, 303, 400, 401, 403, 404, 503), path
        assert answer.status != 503 or "/ended/" in path, path
    assert (await scene.world.fetch("/login/wechat/shop", "POST", User_Agent=WECHAT)).status == 405


@pytest.mark.asyncio(loop_scope="function")
async def test_a_flood_from_one_address_is_told_to_wait(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        for _ in range(3 * STRANGERS_PER_ADDRESS):
            answer = await world.fetch("/login/wechat/callback?code=spent", User_Agent=WECHAT)
            if answer.status == 429:
                break
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "spent" not in answer.text


async def test_a_forged_tap_does_not_log_anybody_in_who_has_logged_out(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop"))
    await browser.submit(scene.world.url("/login/logout"), {"realm": "shops"})
    page = await browser.get(scene.start("shop", tap="0" * 32))
    assert path_of(page) == "/login/wechat/shop"
    assert "您已退出登录" in page.words
    page = await browser.click(next(link for link in page.links if "tap=" in link))
    assert path_of(page) == "/healthz"


async def test_wechats_frame_for_a_page_of_ones_own(scene: Scene) -> None:
    browser = scene.desktop(await scene.person())
    answer = await browser.fetch(scene.start("site").replace("/site?", "/site/qr.json?"))
    assert answer.status == 200
    told = answer.json
    assert (told["appid"], told["scope"], told["self_redirect"]) == (scene.site.appid, "snsapi_login", False)
    assert told["script"].endswith("/connect/zh_CN/htmledition/js/wxLogin.js")
    assert (told["stylelite"], told["fast_login"]) == (1, 1)
    assert browser.cookie("wxa") is not None
    # Whoever wants to choose is shown a code, and not the account of the WeChat on this computer.
    choosing = {"prompt": "select_account"}
    answer = await browser.fetch(scene.start("site", **choosing).replace("/site?", "/site/qr.json?"))
    assert (answer.json["stylelite"], answer.json["fast_login"]) == (1, 0)
    # The frame speaks the page's language; WeChat's script writes Chinese unless it is told English.
    assert "lang" not in told
    page = await browser.get(scene.start("site", mode="qr", lang="en"))
    assert '"lang": "en"' in unescape(page.text)
    page = await browser.get(scene.start("site", mode="qr", **choosing))
    assert '"fast_login": 0' in unescape(page.text)
    answer = await browser.fetch(scene.start("shop").replace("/shop?", "/shop/qr.json?"))
    assert answer.status == 400
