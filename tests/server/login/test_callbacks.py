"""What comes back from WeChat: once, twice, fifty times, too late, and when half of it is lost (P5, P12)."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

import pytest

from tests.cast import another_node
from tests.harness import Fetched, Harness
from tests.login.journey import Callback, at_wechat, callback_of, cookies_of, scanned, start
from tests.login.scene import Scene, set_scene
from wxgate.events.records import EventQuery
from wxgate.login.attempts import LEASE, LIFETIME, MOST_REPLAYS, OUTCOME_KEPT
from wxgate.login.news import APP_UNAVAILABLE
from wxgate.login.records import Session
from wxgate.secret import LoginState, fingerprint
from wxgate.server.login.starting import STRANGERS_PER_ADDRESS
from wxgate.server.node import Node
from wxgate.testing.browser import WECHAT

TOKENS = {"shop": "/sns/oauth2/component/access_token", "own": "/sns/oauth2/access_token"}


async def sessions(scene: Scene) -> list[Session]:
    """List the live sessions of the realm."""
    store = scene.world.node.store.login.sessions
    return list(await store.live("shops", now=scene.world.clock.now()))


async def exchanges(scene: Scene, app: str = "shop") -> int:
    """Count the codes that were sent to WeChat for an app."""
    return len(await scene.world.calls(TOKENS[app]))


def why(answer: Fetched) -> str:
    """Read from a redirect to the page of an end which one it is."""
    parts = urlsplit(answer.location)
    assert parts.path.startswith("/login/ended/"), answer.location
    return parts.path.removeprefix("/login/ended/")


def leads_to(answer: Fetched, path: str) -> bool:
    """Tell whether an answer is a redirect to this path."""
    return answer.status == 303 and urlsplit(answer.location).path == path


def be_patient(node: Node) -> None:
    """Let second callbacks wait as long as a slow machine may take."""
    node.login.door.returning.wait_seconds = 60


async def test_fifty_callbacks_at_two_nodes_are_one_exchange_and_fifty_equal_answers(
    tmp_path: Path, database_url: str
) -> None:
    async with Harness(tmp_path, database_url=database_url) as world:
        scene = await set_scene(world)
        person = await scene.person()
        async with another_node(world) as (other, address):
            be_patient(world.node)
            be_patient(other)
            callback = await callback_of(scene, person)
            answers = await asyncio.gather(
                *(callback.send(scene, base=address if number % 2 else "") for number in range(50))
            )
        assert await exchanges(scene) == 1
        assert {(each.status, each.location) for each in answers} == {(303, world.url("/healthz#"))}
        assert len({tuple(sorted(cookies_of(each).items())) for each in answers}) == 1
        assert len(await sessions(scene)) == 1


async def test_wechat_calls_back_twice_with_two_codes_and_one_state(scene: Scene) -> None:
    await scene.world.control("POST", "switches", {"double_callback": True})
    browser = scene.wechat(await scene.person())
    page = await browser.get(scene.start("shop"))
    assert browser.doubled is not None
    for each in (page, browser.doubled):
        assert each.status == 200
        assert urlsplit(each.url).path == "/healthz"
    assert len(await sessions(scene)) == 1


async def test_back_and_reload_lead_to_where_the_login_led(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person(), return_to="/readyz?x=1")
    first = await callback.send(scene)
    again = await callback.send(scene, cookies=callback.cookies | cookies_of(first))
    assert again.location == first.location == scene.world.url("/readyz?x=1#")
    await scene.world.advance(OUTCOME_KEPT)
    late = await callback.send(scene, cookies=callback.cookies | cookies_of(first))
    assert late.location == first.location
    assert await exchanges(scene) == 1
    assert len(await sessions(scene)) == 1


async def test_whoever_comes_back_again_and_again_gets_five_codes_and_no_more(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person(), return_to="https://shop.example/back")
    first = await callback.send(scene)
    again = [(await callback.send(scene)).location for _ in range(MOST_REPLAYS + 3)]
    assert len({first.location, *again}) == 1 + MOST_REPLAYS
    assert again[-1] == first.location
    await scene.world.advance(OUTCOME_KEPT)
    late = await callback.send(scene, cookies=callback.cookies | cookies_of(first))
    assert dict(parse_qsl(urlsplit(late.location).query))["error_description"] == "wechat_code_expired"


async def test_an_address_of_many_strangers_is_closed_to_strangers_alone(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    url = scene.world.url("/login/wechat/callback?code=x&state=")
    asked = [Callback(f"{url}{number:032d}", {}).send(scene) for number in range(3 * STRANGERS_PER_ADDRESS)]
    answers = await asyncio.gather(*asked)
    assert {each.status for each in answers} == {303, 429}
    assert leads_to(await callback.send(scene), "/healthz")


async def test_back_after_the_session_is_gone_starts_again_once(scene: Scene) -> None:
    person = await scene.person()
    callback = await callback_of(scene, person)
    first = await callback.send(scene)
    [session] = await sessions(scene)
    await scene.world.node.store.login.sessions.end(
        session.id_hash, reason="revoked", now=scene.world.clock.now()
    )
    again = await callback.send(scene, cookies=callback.cookies | cookies_of(first))
    assert leads_to(again, "/connect/oauth2/authorize")
    assert "wxs-shops" not in cookies_of(again)
    done = await Callback(await at_wechat(scene, person, again.location), callback.cookies).send(scene)
    assert leads_to(done, "/healthz")


async def test_who_has_logged_out_is_not_logged_in_again_by_going_back(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    await callback.send(scene)
    [session] = await sessions(scene)
    await scene.world.node.store.login.sessions.end(
        session.id_hash, reason="logged_out", now=scene.world.clock.now()
    )
    again = await callback.send(scene, cookies=callback.cookies | {"wxo-shops": "1"})
    assert why(again) == "logged_out"
    assert "wxs-shops" not in cookies_of(again)


@pytest.mark.parametrize(("app", "refusal"), [("shop", "state_only"), ("own", "authdeny")])
async def test_who_says_no_gets_a_page_and_may_try_again(scene: Scene, app: str, refusal: str) -> None:
    await scene.world.control("POST", "switches", {"refusal": refusal})
    browser = scene.wechat(await scene.person())
    for _ in range(3):
        await browser.get(scene.start(app, mode="consent"))
        page = await browser.press("refuse")
        assert urlsplit(page.url).path == "/login/ended/cancelled"
    assert await exchanges(scene, app) == 0
    assert await sessions(scene) == []
    await browser.get(scene.start(app, mode="consent"))
    page = await browser.press("allow")
    assert urlsplit(page.url).path == "/healthz"


async def test_a_snapshot_page_logs_nobody_in_and_writes_nothing(scene: Scene) -> None:
    for real_openid in (False, True):
        await scene.world.control("POST", "switches", {"snapshot_with_real_openid": real_openid})
        with scene.wechat(await scene.person()).snapshot() as browser:
            page = await browser.get(scene.start("shop"))
            assert browser.cookie("wxs-shops") is None
            assert browser.cookie("wxp-shops") is None
        assert urlsplit(page.url).path == "/login/ended/snapshot"
    assert await sessions(scene) == []
    assert await scene.world.node.store.login.identities.subjects("shops") == []


@pytest.mark.parametrize(("app", "errcode"), [("shop", 40029), ("own", 40163)])
async def test_a_code_that_is_no_good_starts_again_once_and_then_ends_on_a_page(
    scene: Scene, app: str, errcode: int
) -> None:
    await scene.world.add_fault(TOKENS[app], "errcode", errcode=errcode)
    browser = scene.wechat(await scene.person())
    page = await browser.get(scene.start(app))
    assert urlsplit(page.url).path == "/healthz"
    assert browser.visits("/connect/oauth2/authorize") == 2
    await scene.world.add_fault(TOKENS[app], "errcode", errcode=errcode, times=2)
    page = await scene.wechat(await scene.person()).get(scene.start(app))
    assert urlsplit(page.url).path == "/login/ended/expired_code"


async def test_an_answer_that_is_lost_starts_again_and_no_code_is_sent_twice(scene: Scene) -> None:
    for stage in ("before", "after", "middle"):
        await scene.world.add_fault(TOKENS["shop"], "cut", stage=stage)
        page = await scene.wechat(await scene.person()).get(scene.start("shop"))
        assert urlsplit(page.url).path == "/healthz"
    codes = [call["query"]["code"] for call in await scene.world.calls(TOKENS["shop"])]
    assert len(codes) == len(set(codes)) == 6


async def test_whoever_comes_after_the_holder_has_died_starts_again(scene: Scene) -> None:
    person = await scene.person()
    callback = await callback_of(scene, person)
    clock = scene.world.clock
    claimed = await scene.world.node.store.login.attempts.claim(
        fingerprint(LoginState(callback.query["state"])),
        holder="a node that was killed",
        now=clock.now(),
        lease_until=clock.now() + LEASE,
    )
    assert claimed
    scene.world.node.login.door.returning.wait_seconds = 0.1
    early = await callback.send(scene)
    await scene.world.advance(LEASE)
    late = await callback.send(scene)
    assert await exchanges(scene) == 0
    for answer in (early, late):
        assert leads_to(answer, "/connect/oauth2/authorize")
        following = Callback(await at_wechat(scene, person, answer.location), callback.cookies)
        assert leads_to(await following.send(scene), "/healthz")


async def test_a_rejected_component_token_is_renewed_and_the_code_replayed_once(scene: Scene) -> None:
    await scene.world.add_fault(TOKENS["shop"], "errcode", errcode=40001)
    browser = scene.wechat(await scene.person())
    page = await browser.get(scene.start("shop"))
    assert urlsplit(page.url).path == "/healthz"
    assert browser.visits("/connect/oauth2/authorize") == 1
    assert await exchanges(scene) == 2


async def test_what_wechat_refuses_ends_on_the_page_for_it(scene: Scene) -> None:
    words = {
        -1: "busy",
        45011: "busy",
        48001: "configuration",
        50002: "restricted",
        61003: "app_unavailable",
    }
    for errcode, word in words.items():
        await scene.world.add_fault(TOKENS["shop"], "errcode", errcode=errcode)
        browser = scene.wechat(await scene.person())
        page = await browser.get(scene.start("shop"))
        assert urlsplit(page.url).path == f"/login/ended/{word}"
        assert browser.visits("/connect/oauth2/authorize") == 1
    assert await sessions(scene) == []


async def test_an_account_that_took_its_authorization_back_is_named(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    await scene.world.act("unauthorize", platform=scene.world.platform.appid, appid=scene.shop.appid)
    answer = await callback.send(scene)
    assert why(answer) == "app_unavailable"
    assert parse_qs(urlsplit(answer.location).query)["app"] == ["shop"]
    [told] = await scene.world.node.store.event_log.find_events(EventQuery(names=(APP_UNAVAILABLE,)))
    assert (told.appid, told.fields["app"]) == (scene.shop.appid, "shop")


async def test_another_browser_gets_nothing_of_an_attempt(scene: Scene) -> None:
    """Login CSRF: an attacker's callback, opened by a victim, logs nobody in (P1)."""
    callback = await callback_of(scene, await scene.person())
    for cookies in ({}, {"wxa": "A" * 43}):
        answer = await callback.send(scene, cookies=cookies)
        assert why(answer) == "stranger"
        assert cookies_of(answer) == {}
    assert await exchanges(scene) == 0
    assert leads_to(await callback.send(scene), "/healthz")


async def test_a_callback_for_another_account_is_not_taken(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    appid = scene.shop.appid
    for changed in (
        callback.url.replace(f"&appid={appid}", ""),
        callback.url.replace(appid, scene.own.appid),
    ):
        assert changed != callback.url
        assert why(await Callback(changed, callback.cookies).send(scene)) == "wrong_account"
    assert await exchanges(scene) == 0
    assert leads_to(await callback.send(scene), "/healthz")


async def test_a_callback_that_nobody_asked_for_ends_on_a_page(scene: Scene) -> None:
    for query in ("", "?state=", "?state=unknown&code=x", "?state=%00&code=%00", "?code=x"):
        answer = await scene.world.fetch(f"/login/wechat/callback{query}")
        assert why(answer) == "unknown"


async def test_silence_does_not_pass_for_consent(scene: Scene) -> None:
    """Whoever holds the phone can change the link; what was granted is read from WeChat's own answer."""
    person = await scene.person()
    answer, cookies = await start(scene, mode="consent")
    for _ in range(2):
        link = answer.location.replace("snsapi_userinfo", "snsapi_base")
        answer = await Callback(await at_wechat(scene, person, link), cookies).send(scene)
    assert why(answer) == "expired_code"
    assert await sessions(scene) == []


async def test_the_first_two_tabs_of_a_browser_both_log_in(scene: Scene) -> None:
    person = await scene.person()
    one, first = await start(scene)
    two, second = await start(scene)
    cookies = first | second
    assert first["wxa"] != second["wxa"] == cookies["wxa"]
    for answer in (one, two):
        callback = Callback(await at_wechat(scene, person, answer.location), cookies)
        assert leads_to(await callback.send(scene), "/healthz")
    later = await callback_of(scene, person, cookies={"wxa": cookies["wxa"]})
    assert later.cookies == {"wxa": cookies["wxa"], "wxl": "1"}


async def test_a_client_whose_visitor_lost_the_key_is_linked_to_and_told_nothing(scene: Scene) -> None:
    asked = {
        "response_type": "code",
        "client_id": scene.client.id,
        "redirect_uri": scene.client.redirect_uris[0],
        "scope": "openid",
        "state": "of-the-client-alone",
        "nonce": "of-the-client-too",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
    }
    link = f"/oidc/shops/authorize?{urlencode(asked)}"
    answer = await scene.world.fetch(link, User_Agent=WECHAT, Sec_Fetch_Mode="navigate")
    back = await Callback(await at_wechat(scene, await scene.person(), answer.location), {}).send(scene)
    assert why(back) == "stranger"
    assert not {asked["state"], asked["nonce"], "a" * 43} & set(re.split("[=&#]", unquote(back.location)))
    page = await scene.world.fetch(back.location)
    assert '<a href="https://shop.example" rel="noreferrer">' in page.text
    # Nobody else's site gets a link by being named.
    for other in ("https://evil.example", "https://shop.example.evil.example", "javascript:1"):
        bent = back.location.replace(quote("https://shop.example", safe=""), quote(other, safe=""))
        assert bent != back.location
        assert "noreferrer" not in (await scene.world.fetch(bent)).text


async def test_two_tabs_log_in_at_the_same_time(scene: Scene) -> None:
    person = await scene.person()
    first = await callback_of(scene, person, return_to="/healthz")
    second = await callback_of(scene, person, return_to="/readyz", cookies=first.cookies)
    one = await first.send(scene, cookies=second.cookies)
    other = await second.send(scene, cookies=second.cookies | cookies_of(one))
    assert leads_to(one, "/healthz")
    assert leads_to(other, "/readyz")
    assert len(await sessions(scene)) == 1


async def test_a_scan_on_a_computer_logs_in_with_the_website_application(scene: Scene) -> None:
    person = await scene.person("小明")
    callback = await scanned(scene, person, "shop")
    assert leads_to(await callback.send(scene), "/healthz")
    [session] = await sessions(scene)
    assert (session.app, session.appid, session.mode) == ("site", scene.site.appid, "qr")
    [subject] = await scene.world.node.store.login.identities.subjects("shops")
    assert subject.profile.nickname == "小明"


async def test_a_person_is_the_same_by_every_app_that_tells_the_unionid(scene: Scene) -> None:
    person = await scene.person()
    await (await scanned(scene, person)).send(scene)
    browser = scene.wechat(person)
    await browser.get(scene.start("shop", mode="consent"))
    await browser.press("allow")
    await browser.get(scene.start("own"))
    assert len(await scene.world.node.store.login.identities.subjects("shops")) == 2
    await browser.get(scene.start("own", mode="consent"))
    await browser.press("allow")
    [conflict] = await scene.world.node.store.login.identities.conflicts("shops")
    assert conflict.name.kind == "unionid"


async def test_an_older_session_is_not_the_fresh_proof_that_was_asked_for(scene: Scene) -> None:
    """The holder died; the session that the browser has is from before, so WeChat is asked again."""
    person = await scene.person()
    first = await callback_of(scene, person)
    cookies = first.cookies | cookies_of(await first.send(scene))
    await scene.world.advance(timedelta(minutes=1))
    again = await callback_of(scene, person, cookies=cookies, prompt="login")
    await scene.world.advance(LIFETIME)
    answer = await again.send(scene, cookies=cookies)
    assert leads_to(answer, "/connect/oauth2/authorize")


async def test_an_old_consent_and_a_new_silent_proof_are_no_new_consent(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop", mode="consent"))
    await browser.press("allow")
    await scene.world.advance(timedelta(minutes=1))
    asking = await browser.get(scene.start("shop", mode="consent", prompt="login"))
    asked = dict(parse_qsl(urlsplit(asking.url).query))
    await browser.tab().get(scene.start("shop", mode="silent", prompt="login"))
    await scene.world.advance(LIFETIME)
    page = await browser.get(scene.world.url(f"/login/wechat/callback?state={asked['state']}"))
    assert page.came_by("/connect/oauth2/authorize")


async def test_the_time_that_a_login_may_take_has_an_end(scene: Scene) -> None:
    person = await scene.person()
    callback = await callback_of(scene, person)
    await scene.world.advance(timedelta(minutes=11))
    answer = await callback.send(scene)
    assert leads_to(answer, "/connect/oauth2/authorize")
    assert await exchanges(scene) == 0
