"""The browser model: what it keeps, what it tells, and what becomes of it when people do what people do."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from wxgate.emulator.running import RunningEmulator
from wxgate.testing.browser import Browser, TooManyRedirects, WeChatBrowser
from wxgate.testing.cookies import HAPPENINGS, Happening, Jar, lost, survivors

SITE = "http://gateway.example/login"


class Site:
    """A site that sets cookies, leads elsewhere and says what it was sent."""

    def __init__(self) -> None:
        self.callbacks: list[dict[str, str]] = []

    async def start(self) -> str:
        """Serve on a free port; return the address."""
        app = web.Application()
        app.router.add_get("/set", self._set)
        app.router.add_get("/go", self._go)
        app.router.add_get("/form", self._form)
        app.router.add_get("/callback", self._callback)
        app.router.add_route("*", "/{path:.*}", self._tell)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _set(self, request: web.Request) -> web.Response:
        response = web.Response(text="set")
        response.headers.add("Set-Cookie", "wxs=1; Max-Age=60; Path=/; HttpOnly; SameSite=Lax")
        response.headers.add("Set-Cookie", "__Host-wxp=2; Path=/; Secure; HttpOnly; SameSite=Lax")
        response.headers.add("Set-Cookie", "strict=3; Path=/; SameSite=Strict")
        response.headers.add("Set-Cookie", "__Host-bad=4; Path=/")
        return response

    async def _go(self, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther(URL(request.query["to"], encoded=True))

    async def _form(self, request: web.Request) -> web.Response:
        text = """<p>Who?</p><form method="post" action="/tell?x=1"><input type="hidden" name="id" value="7">
        <input name="name" value="小明"><input type="checkbox" name="no"><select name="s"><option value="a">
        <option value="b" selected></select><button name="decision" value="yes">Yes</button>
        <button name="decision" value="no">No</button></form>
        <a href="/tell">on</a><script>x = "<p>"</script>"""
        policy = {"Referrer-Policy": request.query.get("policy", "")}
        return web.Response(text=text, content_type="text/html", headers=policy)

    async def _callback(self, request: web.Request) -> web.Response:
        self.callbacks.append(dict(request.query))
        return web.Response(text=request.query["code"])

    async def _tell(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"method": request.method, "headers": dict(request.headers), "body": await request.text()}
        )


@pytest.fixture
def site() -> Site:
    """A site that is not served yet."""
    return Site()


@pytest.fixture
async def url(site: Site) -> AsyncIterator[str]:
    """The address of the site."""
    yield await site.start()
    await site.runner.cleanup()


@pytest.mark.parametrize("happening", Happening)
def test_what_happens_to_cookies_is_the_table(happening: Happening) -> None:
    kept = {Happening.MAIN_SCREEN, Happening.HOME_SCREEN}
    wiped = {Happening.LEAVE_SNAPSHOT}

    assert lost(happening, session=True) is (happening not in kept)
    assert lost(happening, session=False) is (happening in wiped)
    assert lost(happening, session=False, clear_cookies=True) is (
        happening in wiped | {Happening.SWITCH_ACCOUNT}
    )
    assert set(HAPPENINGS) == set(Happening)


@pytest.mark.parametrize(
    ("happen", "kept"),
    [
        (WeChatBrowser.main_screen, {"wxs", "__Host-wxp"}),
        (WeChatBrowser.home_screen, {"wxs", "__Host-wxp"}),
        (WeChatBrowser.kill_wechat, {"wxs"}),
        (WeChatBrowser.low_memory, {"wxs"}),
        (WeChatBrowser.quit, {"wxs"}),
        (lambda browser: browser.switch_account("b"), {"wxs"}),
        (lambda browser: browser.switch_account("b", clear_cookies=True), set()),
    ],
)
async def test_a_browser_loses_what_the_table_says(
    url: str, happen: Callable[[WeChatBrowser], None], kept: set[str]
) -> None:
    browser = WeChatBrowser("a")
    await browser.get(f"{url}/set")
    happen(browser)

    assert {each.name for each in browser.jar.all()} - {"strict"} == kept


def test_cookies_of_playwright_are_lost_by_the_same_table() -> None:
    cookies = [{"name": "wxs", "expires": 1_800_000_000.0}, {"name": "wxp", "expires": -1}]

    assert survivors(cookies, Happening.KILL_WECHAT) == cookies[:1]
    assert survivors(cookies, Happening.SWITCH_ACCOUNT, clear_cookies=True) == []
    assert survivors(cookies, Happening.HOME_SCREEN) == cookies


async def test_a_snapshot_page_has_cookies_of_its_own_that_are_wiped(url: str) -> None:
    browser = WeChatBrowser("a")
    await browser.get(f"{url}/set")
    browser.jar.remove("wxs")
    with browser.snapshot() as inside:
        assert "Cookie" not in (await inside.get(f"{url}/tell")).json["headers"]
        await inside.get(f"{url}/set")
        assert inside.cookie("wxs")

    assert inside.jar.all() == []
    assert not browser.cookie("wxs")
    assert browser.cookie("__Host-wxp")


def test_a_cookie_lives_as_long_and_goes_as_far_as_it_says() -> None:
    now = [1_000.0]
    jar = Jar(lambda: now[0])
    refused = jar.set(
        SITE,
        [
            "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "b=1; Path=/elsewhere",
            "c=1; Domain=example; Path=/",
            "d=1; Domain=evil.example",
            "e=1; Secure",
            "f=1; SameSite=None",
            "g=1; Max-Age=0",
            "h=1; Path=/; SameSite=Strict",
        ],
    )

    assert [each[0] for each in refused] == ["d", "e", "f"]
    assert jar.header("http://gateway.example/login/x").split("; ") == ["a=1", "c=1", "h=1"]
    assert jar.header("http://gateway.example/login", cross_site=True) == "a=1; c=1"
    assert jar.header("http://gateway.example/login", cross_site=True, safe_navigation=False) == ""
    assert jar.header("http://other.example/login") == "c=1"
    now[0] += 60
    assert "a=1" not in jar.header(SITE)
    jar.set("http://127.0.0.1/", ["i=1; Secure"])
    assert jar.header("http://127.0.0.1/") == "i=1"


async def test_a_navigation_can_be_told_from_a_scripts_call(url: str) -> None:
    browser = Browser()
    page = await browser.get(f"{url}/form")

    async def headers(sent: Any) -> dict[str, str]:
        return dict((await sent).json["headers"])

    call = await headers(browser.fetch("/tell", "POST", json={"a": 1}))
    assert browser.page is page
    typed = await headers(Browser().get(f"{url}/tell"))
    clicked = await headers(browser.click("/tell"))

    def fetched(told: dict[str, str]) -> list[str]:
        return [told.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode", "Dest")]

    assert fetched(typed) == ["none", "navigate", "document"]
    assert fetched(clicked) == ["same-origin", "navigate", "document"]
    assert fetched(call) == ["same-origin", "cors", "empty"]
    assert (call["Origin"], call["Content-Type"]) == (url, "application/json")
    assert clicked["Referer"] == f"{url}/form"
    assert not {"Origin", "Referer"} & set(typed)
    assert "text/html" in typed["Accept"]


async def test_another_site_gets_no_strict_cookie_and_is_told_so(url: str) -> None:
    browser = Browser()
    there = url.replace("127.0.0.1", "shop.localhost")
    await browser.get(f"{url}/set")
    await browser.get(f"{there}/form")
    came = (await browser.click(f"{url}/tell")).json["headers"]
    await browser.get(f"{there}/form")
    posted = (await browser.submit(f"{url}/tell", {"a": "1"})).json["headers"]

    assert came["Cookie"] == "wxs=1; __Host-wxp=2"
    assert came["Sec-Fetch-Site"] == "cross-site"
    assert came["Referer"] == f"{there}/"
    assert "Cookie" not in posted
    assert posted["Origin"] == there


async def test_a_form_is_sent_as_it_stands_with_the_button_that_is_pressed(url: str) -> None:
    browser = Browser()
    page = await browser.get(f"{url}/form?policy=no-referrer")
    told = (await browser.press("no", name="小红")).json

    assert page.words == "Who? Yes No on"
    assert page.links == [f"{url}/tell"]
    assert told["method"] == "POST"
    assert told["body"] == "id=7&s=b&name=%E5%B0%8F%E7%BA%A2&decision=no"
    assert told["headers"]["Origin"] == "null"  # what a page without referrers makes of it
    with pytest.raises(AssertionError, match="there is no button 'maybe'"):
        await browser.press("maybe", form=page.form)


async def test_redirects_are_followed_by_hand_and_not_for_ever(url: str) -> None:
    browser = Browser()
    page = await browser.get(f"{url}/go?to=/tell%3Fcode%3D1")
    assert page.hops == (f"{url}/go?to=/tell%3Fcode%3D1", f"{url}/tell?code=1")
    assert page.came_by("/go")
    assert page.query == {"code": "1"}
    assert browser.visits("/go") == 1
    with pytest.raises(TooManyRedirects):
        await browser.get(f"{url}/go?to=" + f"{url}/go?to=" * 25)


async def test_wechats_client_calls_the_callback_twice(url: str, site: Site) -> None:
    async with RunningEmulator() as emulator:
        world = emulator.world
        world.switches.change({"double_callback": True, "require_fragment": True})
        shop, _ = world.put_account({}), world.put_user({"id": "a"})
        world.put_user({"id": "b"})
        back = f"{url}/callback".replace(":", "%3A").replace("/", "%2F")
        link = (
            f"{emulator.url}/connect/oauth2/authorize?appid={shop.appid}&redirect_uri={back}"
            "&response_type=code&scope=snsapi_base&state=s#wechat_redirect"
        )
        browser = WeChatBrowser("a", emulator.url)
        page = await browser.get(link)
        codes = await emulator.control("GET", "codes", None, state="s")
        refused = await browser.get(link.replace("#wechat_redirect", ""))

    assert {each["code"] for each in site.callbacks} == {each["code"] for each in codes}
    assert {each["user"] for each in codes} == {"a"}
    assert browser.doubled
    assert [browser.doubled.text, page.text] == [each["code"] for each in codes]
    assert "#wechat_redirect" in refused.words
