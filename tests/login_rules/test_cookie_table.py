"""What WeChat does to cookies, row by row, and what each costs: a redirect at most, never the wrong person.

The first part is the table of what happens to people, the second what a request then gets, the third what
holds beside both.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from starlette.responses import Response

from tests.login.scene import REALM, Scene
from tests.login_rules.visits import WHO, another_realm, by_code, later, live, path_of, session_of, visit
from tests.pushing import metric
from tests.server.oidc.party import join
from wxgate.login.values import make_browser_key, make_presence, make_session_id
from wxgate.login.visits import Cookies
from wxgate.server.login.cookies import CookieJar
from wxgate.testing.browser import WECHAT, WECHAT_ANDROID, WECHAT_WINDOWS, WeChatBrowser

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def logged_in(scene: Scene, nickname: str = "小明") -> tuple[WeChatBrowser, str]:
    """Log somebody new in, in WeChat; return the browser and whom it shows."""
    browser = scene.wechat(await scene.person(nickname))
    first = await visit(scene, browser)
    assert first.asked == 1
    return browser, first.sub


# What happens to people


@pytest.mark.parametrize("screen", ["main_screen", "home_screen"])
async def test_going_to_another_screen_keeps_everything_and_costs_nothing(scene: Scene, screen: str) -> None:
    browser, sub = await logged_in(scene)
    getattr(browser, screen)()

    again = await visit(scene, browser)

    assert (again.asked, again.sub) == (0, sub)


async def test_killing_wechat_loses_presence_and_costs_one_invisible_redirect(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    before, presence = await session_of(scene, browser), browser.cookie("wxp-shops")
    browser.kill_wechat()
    assert browser.cookie("wxp-shops") is None

    again = await visit(scene, browser)

    assert (again.asked, again.sub) == (1, sub)
    assert path_of(again.page) == "/login/session"
    after = await session_of(scene, browser)
    assert before is not None
    assert after is not None
    assert after.id_hash == before.id_hash
    assert browser.cookie("wxp-shops") not in (None, presence)
    assert (await visit(scene, browser)).asked == 0


@pytest.mark.parametrize("clear", [False, True], ids=["cookies kept", "cookies cleared"])
async def test_an_account_switch_never_shows_the_wrong_person(scene: Scene, clear: bool) -> None:
    browser, first = await logged_in(scene, "小明")
    old = await session_of(scene, browser)
    browser.switch_account(await scene.person("小红"), clear_cookies=clear)

    # Before any page is opened, a script that still runs is told nothing of the first person.
    script = await browser.fetch(scene.world.url(WHO + REALM))
    assert script.status == 401
    assert first not in script.text
    again = await visit(scene, browser)

    assert again.asked == 1
    assert again.sub != first
    new = await session_of(scene, browser)
    assert old is not None
    assert new is not None
    assert (new.id_hash != old.id_hash, new.sid != old.sid) == (True, True)
    old = await scene.world.node.store.login.sessions.load(old.id_hash)
    assert old is not None
    # Where the phone has cleared the cookies nobody can tell which session it was: it expires.
    assert (old.ended_at is None) is clear


async def test_a_switch_there_and_back_ends_with_the_first_person(scene: Scene) -> None:
    first_user = await scene.person("小明")
    browser = scene.wechat(first_user)
    first = (await visit(scene, browser)).sub
    browser.switch_account(await scene.person("小红"))
    assert (await visit(scene, browser)).sub != first
    browser.switch_account(first_user)
    assert (await visit(scene, browser)).sub == first


async def test_a_switch_that_leaves_the_presence_is_noticed_after_recheck_after(scene: Scene) -> None:
    """Should session cookies survive a switch somewhere, the wrong person is shown for so long at most."""
    browser, first = await logged_in(scene)
    browser.user = await scene.person("小红")
    assert (await visit(scene, browser)).sub == first
    await later(scene, scene.realm.limits.recheck_after)

    again = await visit(scene, browser)

    assert again.asked == 1
    assert again.sub != first


async def test_low_memory_costs_one_invisible_redirect(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    browser.low_memory()

    again = await visit(scene, browser)

    assert (again.asked, again.sub) == (1, sub)


async def test_low_memory_on_the_way_to_wechat_asks_for_a_tap_and_then_ends_well(scene: Scene) -> None:
    """The browser's key is a session cookie too: without it a callback is a stranger's."""
    browser = scene.wechat(await scene.person())
    begun = await scene.world.fetch(scene.start("shop", WHO + REALM), User_Agent=WECHAT)
    page = await browser.get(begun.location)
    assert path_of(page) == "/login/ended/stranger"
    assert browser.cookie("wxs-shops") is None
    page = await browser.click(next(link for link in page.links if "tap=" in link))
    assert page.json["sub"].startswith("u_")


async def test_a_snapshot_page_has_a_store_of_its_own_and_nobody_is_logged_in_there(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    before = await live(scene)
    with browser.snapshot() as inside:
        page = (await visit(scene, inside)).page
        assert path_of(page) == "/login/ended/snapshot"
        assert inside.cookie("wxs-shops") is None
        assert inside.cookie("wxp-shops") is None
        assert (await inside.fetch(scene.world.url(WHO + REALM))).status == 401
    assert await live(scene) == before
    again = await visit(scene, browser)
    assert (again.asked, again.sub) == (0, sub)


async def test_quitting_an_ordinary_browser_loses_presence_and_costs_nothing(scene: Scene) -> None:
    browser = scene.desktop()
    sub = (await by_code(scene, browser, await scene.person())).json["sub"]
    browser.quit()
    assert browser.cookie("wxp-shops") is None

    again = await visit(scene, browser, "site")

    assert (again.sub, len(again.page.hops)) == (sub, 2)
    await later(scene, scene.realm.limits.recheck_after * 2)
    assert (await visit(scene, browser, "site")).sub == sub


async def test_a_page_of_another_site_sends_no_cookie_and_is_told_of_nobody(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    await browser.get(scene.world.url("/healthz").replace("127.0.0.1", "shop.localhost"))
    told = await browser.fetch(scene.world.url(WHO + REALM))
    assert told.status == 401
    assert sub not in told.text


async def test_a_frame_in_another_page_is_never_led_to_wechat(scene: Scene) -> None:
    browser, _ = await logged_in(scene)
    for kind in ("iframe", "frame", "embed", "object"):
        page = await browser.fetch(
            scene.start("shop"), Sec_Fetch_Mode="navigate", Sec_Fetch_Dest=kind, Sec_Fetch_Site="cross-site"
        )
        assert not page.came_by("/connect/oauth2/authorize"), kind
    framed = await scene.world.fetch(scene.start("shop"), User_Agent=WECHAT, Sec_Fetch_Dest="iframe")
    assert framed.status == 401
    page = await browser.get(scene.world.url("/login/logout"))
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_an_image_that_is_saved_by_a_long_press_comes_without_cookies_and_starts_nothing(
    scene: Scene,
) -> None:
    started = await metric(scene.world, "wxgate_login_pages_total", page="start", result="left")
    image = {"User_Agent": WECHAT, "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
    for path in (scene.start("shop"), scene.world.url(WHO + REALM)):
        answer = await scene.world.fetch(path, **image)
        assert (answer.status, "set-cookie" in answer.headers) == (401, False)
    assert await metric(scene.world, "wxgate_login_pages_total", page="start", result="left") == started


# What a request gets


@pytest.mark.parametrize("agent", [WECHAT, WECHAT_ANDROID, WECHAT_WINDOWS], ids=["ios", "android", "windows"])
async def test_in_wechat_the_presence_counts_whatever_the_device(scene: Scene, agent: str) -> None:
    browser = scene.wechat(await scene.person(), agent=agent)
    sub = (await visit(scene, browser)).sub
    assert (await visit(scene, browser)).asked == 0
    browser.kill_wechat()
    again = await visit(scene, browser)
    assert (again.asked, again.sub) == (1, sub)


async def test_a_presence_that_is_not_the_sessions_own_counts_as_missing(scene: Scene) -> None:
    (browser, sub), (other, _) = await logged_in(scene), await logged_in(scene)
    mine, theirs = browser.cookie("wxp-shops"), other.cookie("wxp-shops")
    assert mine is not None
    assert theirs is not None
    for value in (theirs.value, "A" * len(mine.value), mine.value[:-1], "", "ü" * 22):
        browser.jar.put(replace(mine, value=value))
        assert (await browser.fetch(scene.world.url(WHO + REALM))).status == 401, value
    browser.jar.put(theirs)
    again = await visit(scene, browser)
    assert (again.asked, again.sub) == (1, sub)


async def test_a_session_that_is_gone_or_expired_is_asked_for_silently(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    browser.jar.remove("wxs-shops")
    again = await visit(scene, browser)
    assert (again.asked, again.sub) == (1, sub)
    await later(scene, scene.realm.limits.idle + timedelta(minutes=1))
    again = await visit(scene, browser)
    assert (again.asked, again.sub) == (1, sub)
    assert again.page.status == 200


async def test_a_realm_that_is_not_silent_shows_a_button_first(scene: Scene) -> None:
    await another_realm(scene, "quiet", silent=False)
    browser = scene.wechat(await scene.person())
    seen = await visit(scene, browser, "quiet", realm="quiet")
    assert (seen.asked, path_of(seen.page)) == (0, "/login/wechat/quiet")
    page = await browser.click(next(link for link in seen.page.links if "tap=" in link))
    assert page.json["realm"] == "quiet"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_script_or_form_without_presence_gets_401_and_is_never_redirected(
    scene: Scene, method: str
) -> None:
    browser, _ = await logged_in(scene)
    browser.kill_wechat()
    await browser.get(scene.world.url("/healthz"))
    told = await browser.fetch(scene.world.url(WHO + REALM))
    assert (told.status, told.json["error"]) == (401, "reauth_required")
    assert path_of(told.json["url"]) == "/login/wechat/shop"
    marked = {"X_Requested_With": "XMLHttpRequest"} if method == "GET" else {}
    answer = await browser.fetch(scene.start("shop"), method, **marked)
    assert not answer.came_by("/connect/oauth2/authorize")
    assert answer.status == (401 if method == "GET" else 405)
    # The page goes there as a whole, and is back in one redirect.
    page = await browser.get(told.json["url"])
    assert page.came_by("/connect/oauth2/authorize")
    assert (await browser.fetch(scene.world.url(WHO + REALM))).status == 200


async def test_a_request_that_says_nothing_of_itself_counts_as_a_page(scene: Scene) -> None:
    """Old engines send no Sec-Fetch-*; WeChat on Android names its package in X-Requested-With."""
    answer = await scene.world.fetch(
        scene.start("shop"), User_Agent=WECHAT_ANDROID, X_Requested_With="com.tencent.mm"
    )
    assert answer.status == 303
    assert path_of(answer.location) == "/connect/oauth2/authorize"


# What holds beside


async def test_a_mini_programs_web_view_is_asked_like_wechat(scene: Scene) -> None:
    browser = scene.wechat(await scene.person(), agent=f"{WECHAT} miniProgram/wx0123456789abcdef")
    assert (await visit(scene, browser)).asked == 1
    browser.kill_wechat()
    assert (await visit(scene, browser)).asked == 1


async def test_a_session_whose_last_proof_is_old_is_proved_again_silently(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    before = await session_of(scene, browser)
    await later(scene, scene.realm.limits.recheck_after - timedelta(minutes=1))
    assert (await visit(scene, browser)).asked == 0
    await later(scene, timedelta(minutes=2))
    told = await browser.fetch(scene.world.url(WHO + REALM))
    assert (told.status, told.json["error"]) == (401, "reauth_required")
    again = await visit(scene, browser)
    after = await session_of(scene, browser)
    assert (again.asked, again.sub) == (1, sub)
    assert before is not None
    assert after is not None
    assert after.sid == before.sid


async def test_a_sensitive_action_can_ask_for_a_proof_of_the_last_five_minutes(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    assert (await visit(scene, browser, max_age="300")).asked == 0
    await later(scene, timedelta(minutes=6))
    assert (await visit(scene, browser)).asked == 0
    again = await visit(scene, browser, max_age="300")
    assert (again.asked, again.sub) == (1, sub)


async def test_where_no_session_cookie_stays_two_hops_end_on_a_page_and_no_loop(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    asked = 0
    for _ in range(4):
        seen = await visit(scene, browser)
        asked += seen.asked
        for name in ("wxs-shops", "wxp-shops"):
            browser.jar.remove(name)
    assert asked == 2
    assert seen.page.status == 400
    assert "Cookie" in seen.page.words
    await later(scene, timedelta(seconds=61))
    assert (await visit(scene, browser)).asked == 1


async def test_where_no_cookie_stays_at_all_the_callback_stops_it(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    browser.jar.set = lambda url, lines: None  # type: ignore[method-assign]
    seen = await visit(scene, browser)
    assert (seen.asked, path_of(seen.page)) == (1, "/login/ended/stranger")


async def test_who_has_logged_out_stays_out_until_a_tap_or_a_new_process(scene: Scene) -> None:
    browser, sub = await logged_in(scene)
    assert (
        path_of(await browser.submit(scene.world.url("/login/logout"), {"realm": REALM}))
        == "/login/logged-out"
    )
    for _ in range(2):
        seen = await visit(scene, browser)
        assert (seen.asked, path_of(seen.page)) == (0, "/login/wechat/shop")
    page = await browser.click(next(link for link in seen.page.links if "tap=" in link))
    assert page.json["sub"] == sub
    assert browser.cookie("wxo-shops") is None


async def test_two_people_on_one_gateway_have_a_session_in_each_realm(scene: Scene) -> None:
    await another_realm(scene, "bakery")
    browser, sub = await logged_in(scene)
    there = await visit(scene, browser, "bakery", realm="bakery")
    assert there.asked == 1
    assert there.sub != sub
    assert (await visit(scene, browser)).asked == 0
    await browser.submit(scene.world.url("/login/logout"), {"realm": "bakery"})
    assert (await visit(scene, browser)).asked == 0


async def test_an_application_elsewhere_asks_with_prompt_none_and_compares_the_sub(scene: Scene) -> None:
    """Its own presence dies in the same moment as ours; one silent hop later it knows who is there now."""
    party = await join(scene)
    person = await scene.person("小明")
    browser = scene.wechat(person)
    first = (await party.log_in(browser)).claims
    browser.kill_wechat()
    same = await party.log_in(browser, prompt="none")
    assert same.page.came_by("/connect/oauth2/authorize")
    assert (same.claims["sub"], same.claims["sid"]) == (first["sub"], first["sid"])
    browser.switch_account(await scene.person("小红"))
    other = (await party.log_in(browser, prompt="none")).claims
    assert other["sub"] != first["sub"]
    assert other["sid"] != first["sid"]


async def test_the_cookies_are_host_only_and_closed_to_scripts() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    response = Response()
    whole = Cookies(
        realm=REALM,
        session=make_session_id(bytes),
        session_until=now + timedelta(days=30),
        presence=make_presence(bytes),
        browser_key=make_browser_key(bytes),
        loops=1,
        logged_out=True,
    )
    CookieJar("https://gw.example").write(response, whole, now)
    lines = {line.partition("=")[0]: line for line in response.headers.getlist("set-cookie")}
    assert set(lines) == {
        "__Host-wxs-shops",
        "__Host-wxp-shops",
        "__Host-wxo-shops",
        "__Host-wxa",
        "__Host-wxl",
    }
    for name, line in lines.items():
        attributes = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes, name
        assert not [part for part in attributes if part.startswith("domain")], name
    assert f"Max-Age={30 * 24 * 3600}" in lines["__Host-wxs-shops"]
    assert "Max-Age=60" in lines["__Host-wxl"]
    for name in ("__Host-wxp-shops", "__Host-wxo-shops", "__Host-wxa"):
        assert "max-age" not in lines[name].lower(), name
        assert "expires" not in lines[name].lower(), name
