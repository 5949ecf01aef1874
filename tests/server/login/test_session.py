"""The session as pages see it, and logging out so that it lasts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.harness import Harness
from tests.login.scene import Scene, set_scene
from tests.pushing import metric
from wxgate.testing.browser import Browser, WeChatBrowser
from wxgate.testing.pages import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One world for the whole file: every test brings people of its own, so none sees another's."""
    async with Harness(tmp_path_factory.mktemp("scene")) as world:
        yield await set_scene(world)


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


async def logged_in(scene: Scene, app: str = "shop") -> WeChatBrowser:
    """Log somebody in, in WeChat."""
    browser = scene.wechat(await scene.person())
    assert (await browser.get(scene.start(app))).status == 200
    return browser


async def session(scene: Scene, browser: Browser, query: str = "realm=shops") -> Page:
    return await browser.fetch(scene.world.url(f"/login/session?{query}"))


async def endings(scene: Scene) -> float:
    """Count the sessions that somebody ended."""
    return await metric(scene.world, "wxgate_login_sessions_total", realm="shops", event="ended")


async def test_a_page_learns_who_is_logged_in_and_no_name_of_wechats(scene: Scene) -> None:
    browser = await logged_in(scene)
    told = await session(scene, browser)
    assert told.status == 200
    assert told.json["sub"].startswith("u_")
    assert told.json["acr"] == "urn:wxgw:silent"
    assert told.json["amr"] == ["wechat", "silent"]
    assert not [name for name in told.json if name.startswith("wechat_")]
    assert told.headers["Cache-Control"] == "no-store"


async def test_nobody_is_logged_in_until_a_page_is_opened(scene: Scene) -> None:
    told = await session(scene, scene.desktop(), "app=shop&return_to=/me")
    assert told.status == 401
    assert told.json == {
        "error": "login_required",
        "url": scene.start("shop", "/me"),
    }


async def test_without_presence_a_page_in_wechat_is_told_to_ask_again(scene: Scene) -> None:
    browser = await logged_in(scene)
    before = (await session(scene, browser)).json["sub"]
    browser.kill_wechat()
    told = await session(scene, browser)
    assert (told.status, told.json["error"]) == (401, "reauth_required")
    await browser.get(told.json["url"])
    assert (await session(scene, browser)).json["sub"] == before


async def test_an_ordinary_browser_needs_no_presence(scene: Scene) -> None:
    browser = await logged_in(scene)
    ordinary = scene.desktop(jar=browser.jar)
    browser.jar.remove("wxp-shops")
    assert (await session(scene, ordinary)).status == 200


async def test_only_pages_of_the_realms_own_sites_may_read_the_session(scene: Scene) -> None:
    browser = await logged_in(scene)
    url = scene.world.url("/login/session?realm=shops")
    for origin, told in (("https://shop.example", True), ("https://evil.example", False), ("null", False)):
        answer = await browser.fetch(url, Origin=origin)
        assert ("Access-Control-Allow-Origin" in answer.headers) is told, origin
        assert answer.headers["Vary"] == "Origin"


async def test_what_names_no_realm_is_refused_in_words(scene: Scene) -> None:
    browser = scene.desktop()
    assert (await session(scene, browser, "")).json["error"] == "bad_request"
    assert (await session(scene, browser, "realm=none")).json["error"] == "unknown_app"
    assert (await session(scene, browser, "realm=%00")).status == 400


async def test_a_link_to_logout_asks_first(scene: Scene) -> None:
    browser = await logged_in(scene)
    page = await browser.get(scene.world.url("/login/logout?return_to=https://shop.example/bye&lang=en"))
    assert "Log out?" in page.words
    assert "form-action 'self' https://shop.example;" in page.headers["Content-Security-Policy"]
    assert (await session(scene, browser)).status == 200
    assert dict(page.form.fields)["return_to"] == "https://shop.example/bye"


async def test_logout_stays_out_until_somebody_taps(scene: Scene) -> None:
    ended = await endings(scene)
    browser = await logged_in(scene)
    await browser.get(scene.world.url("/login/logout"))
    page = await browser.press()
    assert path_of(page) == "/login/logged-out"
    assert (await session(scene, browser)).status == 401
    page = await browser.get(scene.start("shop"))
    assert path_of(page) == "/login/wechat/shop"
    assert not page.came_by("/connect/oauth2/authorize")
    page = await browser.click(next(link for link in page.links if "tap=" in link))
    assert path_of(page) == "/healthz"
    assert browser.cookie("wxo-shops") is None
    page = await browser.get(scene.start("shop"))
    assert path_of(page) == "/healthz"
    assert await endings(scene) == ended + 1


async def test_who_has_logged_out_may_log_in_again_by_a_button(scene: Scene) -> None:
    browser = await logged_in(scene)
    await browser.get(scene.world.url("/login/logout?realm=shops&lang=en"))
    page = await browser.press()
    [button] = [link for link in page.links if "tap=" in link]
    page = await browser.click(button)
    assert path_of(page) == "/login/done"
    assert (await session(scene, browser)).status == 200
    await browser.get(scene.world.url("/login/logout?realm=shops"))
    await browser.press()
    # Where the page to go back to is known, the button leads there.
    page = await browser.get(scene.world.url("/login/logout?realm=shops&return_to=/healthz"))
    [button] = [link for link in page.links if "tap=" in link]
    assert path_of(await browser.click(button)) == "/healthz"
    # Outside WeChat a phone cannot log in, so there is no button.
    page = await scene.phone().get(scene.world.url("/login/logged-out?realm=shops"))
    assert "tap=" not in page.text


async def test_all_ends_the_same_person_elsewhere_and_nobody_else(scene: Scene) -> None:
    person = await scene.person()
    first, second, other = scene.wechat(person), scene.wechat(person), await logged_in(scene)
    for browser in (first, second):
        await browser.get(scene.start("shop"))
    page = await first.get(scene.world.url("/login/logout?all=1"))
    assert ("all", "1") in page.form.fields
    answer = await first.fetch(scene.world.url("/login/logout?all=1&realm=shops"), "POST")
    assert answer.json == {"logged_out": True, "ended": 2}
    assert (await session(scene, second)).json["error"] == "login_required"
    assert (await session(scene, other)).status == 200


async def test_a_form_of_another_site_logs_nobody_out(scene: Scene) -> None:
    browser = await logged_in(scene)
    url = scene.world.url("/login/logout")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "none"},
    ):
        answer = await browser.fetch(url, "POST", data={"realm": "shops"}, **headers)
        assert (answer.status, answer.json) == (403, {"error": "not_from_here"}), headers
    assert (await session(scene, browser)).status == 200
    answer = await browser.fetch(url, "POST", data={"realm": "shops"}, Origin="https://shop.example")
    assert answer.json["ended"] == 1


async def test_where_a_browser_tells_nothing_of_itself_the_forms_token_counts(scene: Scene) -> None:
    browser = await logged_in(scene)
    page = await browser.get(scene.world.url("/login/logout"))
    fields, url = dict(page.form.fields), page.form.action
    silent = {"Origin": "null", "Sec-Fetch-Site": "none"}
    wrong = await browser.fetch(url, "POST", data=fields | {"csrf": "0" * 64}, **silent)
    assert wrong.status == 403
    assert (await browser.fetch(url, "POST", data=fields, **silent)).json["ended"] == 1


async def test_a_logout_never_leads_to_a_site_that_is_not_on_the_list(scene: Scene) -> None:
    browser = await logged_in(scene)
    page = await browser.get(scene.world.url("/login/logout?return_to=https://evil.example/"))
    assert "evil.example" not in page.text.split("<footer>")[0]
    page = await browser.submit(
        scene.world.url("/login/logout"), {"realm": "shops", "return_to": "https://evil.example/"}
    )
    assert path_of(page) == "/login/logged-out"


async def test_a_session_ends_by_itself_and_the_page_is_told(scene: Scene) -> None:
    browser = await logged_in(scene)
    await scene.world.advance(timedelta(days=8))
    assert (await session(scene, browser)).json["error"] == "login_required"
    await scene.world.push_ticket()
