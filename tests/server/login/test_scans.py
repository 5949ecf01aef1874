"""A login by scanning, over HTTP: screen, chat and phone, and everybody who tries to get between them."""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from sqlalchemy import text

from tests.cast import another_node, until
from tests.harness import Harness
from tests.login.scanning import Screen, chat_link, scan, show
from tests.login.scene import REALM, Scene, set_scene
from wxgate.login.attempts import LEASE, MOST_REPLAYS
from wxgate.login.records import Acr, Mode, ScanState, Session
from wxgate.login.scans import LIVES
from wxgate.server.login import scans
from wxgate.server.login.scan_parts import PATH, make_spent
from wxgate.testing.browser import Page, WeChatBrowser


async def to_the_question(scene: Scene, app: str = "shop") -> tuple[Screen, WeChatBrowser, Page]:
    """Show a code, scan it, and open the link of the chat; return screen, phone and its page."""
    official = getattr(scene, app)
    person = await scene.person(follows=[official.appid])
    screen = await show(scene, app=app)
    await scan(scene, person, official)
    phone = scene.wechat(person)
    return screen, phone, await phone.get(await chat_link(scene, person, official))


async def sessions(scene: Scene) -> list[Session]:
    """List who is logged in by scanning."""
    live = await scene.world.node.store.login.sessions.live(REALM, now=scene.world.clock.now())
    return [each for each in live if each.mode is Mode.SCAN]


@pytest.mark.parametrize("app", ["shop", "own"])
async def test_who_confirms_on_the_phone_is_logged_in_at_the_screen(scene: Scene, app: str) -> None:
    screen, phone, question = await to_the_question(scene, app)
    assert await screen.state() == "scanned"
    assert f"<b>{screen.number}</b>" in question.text
    assert "晨光" in question.text
    assert "Chrome · Windows" in question.text
    said = await phone.press("confirm")
    assert "已确认" in said.text
    assert await screen.state() == "confirmed"
    answer = await screen.redeem()
    assert answer.json == {"location": scene.world.url("/healthz")}
    [session] = await sessions(scene)
    assert (session.acr, session.app) == (Acr.SCAN, app)
    assert session.openid == await scene.openid(str(phone.user), getattr(scene, app))
    again = await screen.browser.get(scene.start(app, mode="scan"))
    assert again.url == scene.world.url("/healthz")


async def test_a_desktop_without_a_website_application_is_shown_a_code(scene: Scene) -> None:
    await scene.world.node.store.login.realms.remove_app("site")
    page = await scene.desktop().get(scene.start("shop"))
    assert '<div id="scan"' in page.text
    assert "img-src" not in page.headers["Content-Security-Policy"]


async def test_strangers_do_not_use_up_the_codes_that_an_account_has_for_a_day(scene: Scene) -> None:
    scene.world.node.login.scanning.spent = make_spent(1)
    await show(scene)
    made = len(await scene.world.calls(PATH))
    browser = scene.desktop()
    page = await browser.get(scene.start("shop", mode="scan"))
    assert (page.status, '<div id="scan"' in page.text) == (200, False)
    assert len(await scene.world.calls(PATH)) == made
    # What it tells people to open leads on in WeChat.
    address = re.findall(r"http://[^\"<]+/login/wechat/shop[^\"<]*", page.text)[0]
    inside = await scene.wechat(await scene.person()).get(unescape(address))
    assert inside.url == scene.world.url("/healthz#")


async def test_who_refuses_on_the_phone_lets_nobody_in(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    said = await phone.press("refuse")
    assert "已拒绝" in said.text
    assert await screen.state() == "refused"
    assert (await screen.redeem()).status == 409
    assert await sessions(scene) == []
    assert (await phone.reload()).status == 200


async def test_a_link_that_was_passed_on_is_of_no_use_to_anybody_else(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    other = scene.wechat(await scene.person())
    page = await other.get(phone.page.url if phone.page else "")
    assert page.status == 403
    assert f"<b>{screen.number}</b>" not in page.text
    assert await screen.state() == "scanned"
    outside = await scene.desktop().get(phone.page.url if phone.page else "")
    assert f"<b>{screen.number}</b>" not in outside.text


async def test_nobody_but_the_browser_with_the_code_can_follow_or_redeem_it(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    await phone.press("confirm")
    for stranger in (scene.desktop(), scene.wechat(str(phone.user))):
        await stranger.get(scene.world.url("/login/done"))
        thief = Screen(stranger, screen.page)
        assert await thief.state() == "not_found"
        assert (await thief.redeem()).status == 409
    assert (await screen.redeem()).status == 200


async def test_however_often_it_is_redeemed_there_is_one_session(tmp_path: Path, database_url: str) -> None:
    async with Harness(tmp_path, database_url=database_url) as world:
        scene = await set_scene(world)
        screen, phone, _ = await to_the_question(scene)
        await phone.press("confirm")
        answers = await asyncio.gather(*(screen.redeem() for _ in range(20)))
        assert [answer.status for answer in answers] == [200] * 20
        # Max-Age may differ by the second that has passed.
        assert len({answer.headers["Set-Cookie"].partition(";")[0] for answer in answers}) == 1
        assert len(await sessions(scene)) == 1
        await world.advance(timedelta(seconds=61))
        assert (await screen.redeem()).status == 409


async def test_who_has_confirmed_gets_in_although_the_database_failed_meanwhile(
    tmp_path: Path, database_url: str
) -> None:
    async with Harness(tmp_path, database_url=database_url) as world:
        scene = await set_scene(world)
        screen, phone, _ = await to_the_question(scene)
        await phone.press("confirm")

        async def rename(before: str, after: str) -> None:
            async with world.node.store.database.write() as connection:
                await connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

        await rename("login_sessions", "away")
        assert (await screen.redeem()).status == 503
        assert await screen.state() == "confirmed"
        await rename("away", "login_sessions")
        await world.advance(LEASE)
        answer = await screen.redeem()
        assert answer.json == {"location": world.url("/healthz")}
        assert await screen.state() == "redeemed"
        assert (await screen.redeem()).json == answer.json
        assert len(await sessions(scene)) == 1


async def test_a_code_is_good_for_five_minutes(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    await scene.world.advance(LIVES)
    assert await screen.state() == "expired"
    over = await phone.press("confirm")
    assert over.status == 410
    assert (await screen.redeem()).status == 409
    assert await sessions(scene) == []


async def test_a_form_that_is_not_ours_confirms_nothing(scene: Scene) -> None:
    screen, phone, question = await to_the_question(scene)
    token = dict(question.form.fields)["csrf"]
    for fields, headers in (
        ({"answer": "confirm"}, {}),
        ({"answer": "confirm", "csrf": "f" * 64}, {}),
        ({"answer": "both", "csrf": token}, {}),
        ({"answer": "confirm", "csrf": token}, {"Origin": "https://evil.example"}),
    ):
        said = await phone.fetch(question.url, "POST", data=fields, **headers)
        assert said.status == 403, fields
    assert await screen.state() == "scanned"
    other = await scene.desktop().fetch(question.url, "POST", data={"answer": "confirm", "csrf": token})
    assert other.status == 403
    assert await screen.state() == "scanned"


async def test_a_phone_that_lost_its_cookies_is_asked_again(scene: Scene) -> None:
    _, phone, question = await to_the_question(scene)
    form = question.form
    phone.kill_wechat()
    await phone.get(scene.world.url("/healthz"))
    again = await phone.submit(question.url, [*form.fields, ("answer", "confirm")])
    assert again.came_by("/connect/oauth2/authorize")
    assert "已确认" in (await phone.press("confirm")).text


async def test_a_stream_tells_every_change_and_ends(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    stream = asyncio.create_task(
        screen.browser.fetch(f"/login/scan/{screen.id}/events", Accept="text/event-stream")
    )
    await asyncio.sleep(0.05)
    await phone.press("confirm")
    told = await stream
    assert told.headers["Content-Type"].startswith("text/event-stream")
    states = [line for line in told.text.splitlines() if line.startswith("data:")]
    assert states[-1] == 'data: {"state": "confirmed"}'


async def test_a_stream_does_not_hold_a_node_that_stops(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxgate.server.login.scans.STREAM_SECONDS", 3600.0)
    screen = await show(scene)
    events = f"/login/scan/{screen.id}/events"
    async with asyncio.timeout(60):
        stream = asyncio.create_task(screen.browser.fetch(events, Accept="text/event-stream"))
        await asyncio.sleep(0.05)
        scene.world.node.feed.end()
        assert 'data: {"state": "shown"}' in (await stream).text


async def test_a_screen_may_meet_another_node_than_push_and_phone(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    async with another_node(scene.world) as (_, address):
        await phone.press("confirm")
        # Cookies are the host's whatever the port, so both nodes get them, as behind one proxy.
        there = f"{address}/login/scan/{screen.id}"
        told = await screen.browser.fetch(f"{there}/events", Accept="application/json")
        assert told.json == {"state": "confirmed"}
        assert (await screen.browser.fetch(f"{there}/redeem", "POST")).status == 200
    assert len(await sessions(scene)) == 1


async def test_an_address_gets_so_many_codes_and_no_more(scene: Scene) -> None:
    codes = 0
    while (page := await scene.desktop().get(scene.start("shop", mode="scan"))).status == 200:
        codes += 1
    assert 20 <= codes < 100
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0


async def test_no_address_takes_the_streams_of_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "MOST_STREAMS_TOGETHER", 2)
    async with Harness(tmp_path) as world, AsyncExitStack() as streams:
        scene = await set_scene(world)
        shown = [await show(scene) for _ in range(3)]

        async def stream(screen: Screen) -> aiohttp.ClientResponse:
            key = screen.browser.cookie("wxa")
            assert key is not None
            headers = {"Accept": "text/event-stream", "Cookie": f"wxa={key.value}"}
            url = world.url(f"/login/scan/{screen.id}/events")
            answer = await streams.enter_async_context(world.http.get(url, headers=headers))
            # It counts from its first line on.
            assert await answer.content.readline()
            return answer

        first, second, third = [await stream(screen) for screen in shown]
        assert (first.status, second.status, third.status) == (200, 200, 429)
        # Who has no stream asks now and then.
        assert await shown[2].state() == "shown"
        first.close()

        async def has_one() -> bool:
            return (await stream(shown[2])).status == 200

        await until(has_one)


async def test_who_asks_all_the_time_is_asked_to_wait_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "QUESTIONS_EACH", 3)
    async with Harness(tmp_path) as world:
        scene = await set_scene(world)
        one, other = await show(scene), await show(scene)
        events = f"/login/scan/{one.id}/events"
        asked = 0
        while (told := await one.browser.fetch(events, Accept="application/json")).status == 200:
            asked += 1
            assert asked < 30
        assert asked >= 3
        assert told.status == 429
        assert int(told.headers["Retry-After"]) > 0
        assert await other.state() == "shown"


async def test_where_wechat_gives_no_code_a_page_says_so(scene: Scene) -> None:
    await scene.world.add_fault("/cgi-bin/qrcode/create", "errcode", errcode=48001)
    page = await scene.desktop().get(scene.start("shop", mode="scan"))
    assert page.status == 503
    assert 'id="scan"' not in page.text


async def test_what_can_be_no_scan_is_not_found(scene: Scene) -> None:
    phone = scene.wechat(await scene.person())
    for id in ("x", "..%2f", "0" * 22):
        assert (await phone.get(scene.world.url(f"/login/scan/confirm/{id}"))).status == 404
        assert (await phone.fetch(scene.world.url(f"/login/scan/{id}/events"))).status == 404
    redeem = scene.world.url(f"/login/scan/{'0' * 22}/redeem")
    assert (await phone.fetch(redeem, "POST")).status == 409


async def test_nothing_that_could_log_in_is_kept_in_the_clear(scene: Scene) -> None:
    screen, phone, _ = await to_the_question(scene)
    await phone.press("confirm")
    kept = await scene.world.node.store.login.scans.load(screen.id)
    assert kept is not None
    assert kept.state is ScanState.CONFIRMED
    key = screen.browser.cookie("wxa")
    assert key is not None
    assert key.value not in repr(kept)


async def test_a_page_of_the_same_host_may_show_the_code_itself(scene: Scene) -> None:
    browser = scene.desktop()
    await browser.get(scene.world.url("/login/done"))
    start = scene.world.url("/login/scan?app=shop&return_to=/healthz")
    told = (await browser.fetch(start, "POST")).json
    assert told["svg"].startswith("<svg")
    assert told["expires_in"] == 300
    person = await scene.person(follows=[scene.shop.appid])
    await scan(scene, person, scene.shop)
    phone = scene.wechat(person)
    page = await phone.get(await chat_link(scene, person, scene.shop))
    assert told["number"] in page.text
    await phone.press("confirm")
    assert (await browser.fetch(told["events"])).json == {"state": "confirmed"}
    assert (await browser.fetch(told["redeem"], "POST")).json["location"].endswith("/healthz")
    again = (await browser.fetch(start, "POST")).json
    assert again == {"logged_in": True, "location": scene.world.url("/healthz")}
    evil = await browser.fetch(start, "POST", Origin="https://evil.example")
    assert evil.status == 403
    unknown = await browser.fetch(scene.world.url("/login/scan?app=nobody"), "POST")
    assert unknown.status == 404


async def test_an_openid_client_logs_in_by_scanning_where_there_is_no_website_application(
    scene: Scene,
) -> None:
    await scene.world.node.store.login.realms.remove_app("site")
    query = {
        "response_type": "code",
        "client_id": scene.client.id,
        "redirect_uri": "https://shop.example/callback",
        "scope": "openid",
        "state": "s1",
        "login_hint": "app:shop",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    browser = scene.desktop()
    page = await browser.get(scene.world.url(f"/oidc/{REALM}/authorize?{urlencode(query)}"))
    screen = Screen(browser, page)
    person = await scene.person(follows=[scene.shop.appid])
    await scan(scene, person, scene.shop)
    phone = scene.wechat(person)
    question = await phone.get(await chat_link(scene, person, scene.shop))
    assert scene.client.name in question.text
    await phone.press("confirm")
    location = (await screen.redeem()).json["location"]
    assert location.startswith("https://shop.example/callback?code=wxc_")
    # Whoever lost the answer gets another code: a client that saw one twice would take it for a theft.
    again = [(await screen.redeem()).json["location"] for _ in range(MOST_REPLAYS)]
    assert len({location, *again}) == 1 + MOST_REPLAYS
    assert len(await sessions(scene)) == 1
