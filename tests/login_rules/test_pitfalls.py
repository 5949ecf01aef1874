"""The pitfalls of logging in with WeChat, one test each: what others fall into, and that this does not.

What can be seen from outside is seen there: through the gateway over HTTP, with WeChat in a box. Other files
go deeper into most of them.
"""

import asyncio
import io
import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_type_hints
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import structlog

from tests.cast import authorized_account
from tests.login.scanning import Screen, chat_link, last_scene, scan, show
from tests.login.scene import CLIENT_SECRET, LONG_AGO, REALM, Scene
from tests.login_rules.visits import (
    EXCHANGE,
    WHO,
    another_realm,
    by_code,
    call_back,
    exchanges,
    later,
    live,
    path_of,
    session_of,
    trip,
    visit,
)
from tests.pushing import recorded
from tests.server.oidc.party import Refused, answer_of, join
from wxgate.client.sns import SnsApi
from wxgate.login.attempts import Step
from wxgate.login.browsers import Browser as Kind
from wxgate.login.browsers import browser_of
from wxgate.login.finishing import REFUSALS
from wxgate.login.records import App, AppKind, Realm, SessionLimits
from wxgate.logs import configure_logs
from wxgate.secret import AuthorizerToken, ComponentToken, DirectToken, UserToken
from wxgate.server.login.pages import STATUS
from wxgate.testing.browser import DESKTOP, WECHAT, WECHAT_WINDOWS, WECOM

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_p01_a_callback_is_worth_nothing_outside_the_browser_that_began(scene: Scene) -> None:
    attack = await trip(scene, await scene.person("马"), scene.start("shop"))
    other = (await trip(scene, await scene.person(), scene.start("shop"))).cookie
    before = await live(scene)
    for cookie in ("", other, "wxa=" + "A" * 43, f"wxa={attack.state}"):
        answer = await call_back(scene, attack, cookie=cookie)
        assert path_of(answer.location) == "/login/ended/stranger", cookie
        assert "set-cookie" not in answer.headers
    assert await live(scene) == before
    page = await scene.world.fetch(answer.location, User_Agent=WECHAT)
    assert "/login/wechat/shop" in page.text
    # Having been elsewhere in vain has not spent it for its owner.
    assert path_of((await call_back(scene, attack)).location) == "/healthz"


async def test_p02_the_subject_stays_when_a_unionid_appears_and_is_shared_by_what_came_together(
    scene: Scene,
) -> None:
    person = await scene.person()
    browser, desktop = scene.wechat(person), scene.desktop()
    first = (await visit(scene, browser)).sub
    await scene.world.control("POST", "switches", {"unionid_in_base": True})
    try:
        browser.kill_wechat()
        assert (await visit(scene, browser)).sub == first
    finally:
        await scene.world.control("POST", "switches", {"unionid_in_base": False})
    assert (await by_code(scene, desktop, person)).json["sub"] == first
    browser.kill_wechat()
    assert (await visit(scene, browser)).sub == first


async def test_p02_two_subjects_that_meet_are_both_kept_and_told_of(scene: Scene) -> None:
    person = await scene.person()
    browser, desktop = scene.wechat(person), scene.desktop()
    at_shop, at_site = (await visit(scene, browser)).sub, (await by_code(scene, desktop, person)).json["sub"]
    assert at_shop != at_site
    browser.jar.remove("wxs-shops")
    await browser.get(scene.start("shop", WHO + REALM, mode="consent"))
    assert (await browser.press("allow")).json["sub"] == at_shop
    assert (await visit(scene, desktop, "site")).sub == at_site
    conflicts = await scene.world.node.store.login.identities.conflicts(REALM)
    assert {at_shop, at_site} in [{each.kept, each.other} for each in conflicts]


async def test_p03_what_a_client_says_of_openids_and_unionids_is_nothing(scene: Scene) -> None:
    victim = await scene.person()
    await visit(scene, scene.wechat(victim))
    claimed = {"openid": await scene.openid(victim, scene.shop), "unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL"}
    before = await live(scene)
    thief = scene.wechat(await scene.person("马"))
    begun = await scene.world.fetch(scene.start("shop", **claimed), User_Agent=WECHAT)
    assert claimed["openid"] not in begun.location
    state = parse_qs(urlsplit(begun.location).query)["state"][0]
    cookie = begun.headers["set-cookie"].partition(";")[0]
    without_code = urlencode({"state": state, "appid": scene.shop.appid} | claimed)
    answer = await scene.world.fetch(
        f"/login/wechat/callback?{without_code}", User_Agent=WECHAT, Cookie=cookie
    )
    assert path_of(answer.location) == "/login/ended/cancelled"
    assert await live(scene) == before
    told = await thief.fetch(scene.world.url(WHO + REALM) + f"&{urlencode(claimed)}")
    assert told.status == 401


@pytest.mark.parametrize("openid", ["made_up", "real"])
async def test_p04_a_snapshot_is_nobody_and_writes_nothing(scene: Scene, openid: str) -> None:
    browser = scene.wechat(await scene.person("真名"))
    await browser.get(scene.start("shop", WHO + REALM, mode="consent"))
    sub = (await browser.press("allow")).json["sub"]
    identities = scene.world.node.store.login.identities
    before, known = await live(scene), await identities.subject(REALM, sub)
    await scene.world.control("POST", "switches", {"snapshot_with_real_openid": openid == "real"})
    try:
        with browser.snapshot() as inside:
            entry = await visit(scene, inside)
            assert entry.page.hops[1].find("scope=snsapi_base") > 0
            assert path_of(entry.page) == "/login/ended/snapshot"
            assert "使用完整服务" in entry.page.words
            assert inside.cookie("wxs-shops") is None
    finally:
        await scene.world.control("POST", "switches", {"snapshot_with_real_openid": False})
    assert await live(scene) == before
    assert await identities.subject(REALM, sub) == known


async def test_p05_fifty_callbacks_are_one_exchange_and_fifty_equal_answers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may need longer than people are let wait.
    monkeypatch.setattr(scene.world.node.login.door.returning, "wait_seconds", 60)
    begun = await trip(scene, await scene.person(), scene.start("shop", "/healthz?once"))
    redeemed, before = await exchanges(scene), await live(scene)
    answers = await asyncio.gather(*(call_back(scene, begun) for _ in range(50)))
    assert {answer.status for answer in answers} == {303}
    assert {answer.location for answer in answers} == {scene.world.url("/healthz?once#")}
    cookies = {
        tuple(line.partition(";")[0] for line in answer.headers.getall("set-cookie")) for answer in answers
    }
    sessions = {line for lines in cookies for line in lines if line.startswith(("wxs-", "wxp-"))}
    assert len(sessions) == 2
    assert (await exchanges(scene) - redeemed, await live(scene) - before) == (1, 1)
    for answer in answers:
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
            "no-store",
            "no-referrer",
        )


async def test_p05_wechats_own_double_callback_ends_well_twice(scene: Scene) -> None:
    await scene.world.control("POST", "switches", {"double_callback": True})
    try:
        browser = scene.wechat(await scene.person())
        seen = await visit(scene, browser)
    finally:
        await scene.world.control("POST", "switches", {"double_callback": False})
    assert browser.doubled is not None
    assert browser.doubled.json["sub"] == seen.sub
    assert (await visit(scene, browser)).asked == 0


async def test_p05_back_and_reload_end_well_whenever(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    seen = await visit(scene, browser)
    [callback] = [hop for hop in seen.page.hops if "/login/wechat/callback" in hop]
    redeemed = await exchanges(scene)
    assert (await browser.get(callback)).json["sub"] == seen.sub
    await later(scene, timedelta(seconds=61))
    assert (await browser.get(callback)).json["sub"] == seen.sub
    assert await exchanges(scene) == redeemed
    browser.jar.remove("wxs-shops")
    page = await browser.get(callback)
    assert page.came_by("/connect/oauth2/authorize")
    assert page.json["sub"] == seen.sub


async def test_p06_wechats_code_never_leaves_and_ours_is_bound_to_who_asked(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    page = await browser.get(scene.start("shop", "https://evil.example/"))
    assert (page.status, path_of(page)) == (400, "/login/wechat/shop")
    begun = await trip(scene, await scene.person(), scene.start("shop", "https://shop.example/back?x=1"))
    theirs = parse_qs(urlsplit(begun.callback).query)["code"][0]
    location = (await call_back(scene, begun)).location
    assert location.startswith("https://shop.example/back?x=1&wx_code=wxc_")
    assert theirs not in location
    assert begun.state not in location
    code = dict(parse_qsl(urlsplit(location).query))["wx_code"]
    other = replace(
        scene.client, id="wxcl_other00000000000", realm=(await another_realm(scene, "p06"))[0].name
    )
    await scene.world.node.store.login.realms.put_client(other)
    form = {"code": code, "return_to": "https://shop.example/back?x=1"}
    form |= {"client_id": other.id, "client_secret": CLIENT_SECRET.reveal()}
    async with scene.world.http.post(scene.world.url("/login/redeem"), data=form) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_grant")


async def test_p07_who_shows_somebody_elses_code_gets_no_login_by_it(scene: Scene) -> None:
    victim = await scene.person(follows=[scene.shop.appid])
    screen, thief = await show(scene), scene.desktop()
    await thief.get(scene.world.url("/login/done"))
    key = screen.browser.cookie("wxa")
    assert key is not None
    code = await last_scene(scene)
    assert (key.value in code, screen.id in code) == (False, False)
    await scan(scene, victim, scene.shop)
    # Scanning alone has logged nobody in: a person is asked on the phone, and sees what was asked for.
    assert (await screen.redeem()).status == 409
    phone = scene.wechat(victim)
    question = await phone.get(await chat_link(scene, victim, scene.shop))
    assert screen.number in question.text
    assert "Chrome · Windows" in question.text
    # Somebody else with the same link has no say.
    other = scene.wechat(await scene.person())
    assert (await other.get(question.url)).status == 403
    confirming = [*question.form.fields, ("answer", "confirm")]
    assert (await other.submit(question.url, confirming)).status == 403
    assert await screen.state() == "scanned"
    await phone.press("confirm")
    # Nor has a browser that only knows what is on the screen.
    assert (await Screen(thief, screen.page).redeem()).status == 409
    assert (await screen.redeem()).status == 200
    await later(scene, timedelta(seconds=61))
    assert (await screen.redeem()).status == 409
    late = await show(scene)
    await scan(scene, victim, scene.shop)
    await later(scene, timedelta(minutes=5))
    assert (await late.state(), (await late.redeem()).status) == ("expired", 409)


async def test_p08_the_attempt_says_which_app_redeems_and_the_browser_only_chooses_the_entrance(
    scene: Scene,
) -> None:
    person = await scene.person()
    for app in ("shop", "own"):
        begun = await trip(scene, person, scene.start(app))
        # It comes back under another name, as the desktop client does: still the app that was asked for.
        answer = await call_back(scene, begun, agent=DESKTOP)
        assert path_of(answer.location) == "/healthz", app
    openids = [await scene.openid(person, app) for app in (scene.shop, scene.own)]
    sessions = await scene.world.node.store.login.sessions.live(
        REALM, now=scene.world.clock.now(), limit=1000
    )
    assert {each.app for each in sessions if each.openid in openids} == {"shop", "own"}
    kinds = [
        browser_of(agent) for agent in (WECOM, f"{WECHAT} miniProgram/wx1", WECHAT_WINDOWS, WECHAT, DESKTOP)
    ]
    assert kinds == [Kind.WECOM, Kind.MINI_PROGRAM, Kind.WECHAT_DESKTOP, Kind.WECHAT, Kind.OTHER]


async def test_p09_the_state_is_a_key_and_says_nothing(scene: Scene) -> None:
    long = "/healthz?" + "x" * 1500
    states = []
    for back in ("/healthz", long, long):
        begun = await scene.world.fetch(scene.start("shop", back), User_Agent=WECHAT)
        states.append(parse_qs(urlsplit(begun.location).query)["state"][0])
    assert len(set(states)) == 3
    assert all(len(state) == 32 and state.isascii() and state.isalnum() for state in states)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged or printed, as a server that is set to debug writes it."""
    output, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with redirect_stderr(output), redirect_stdout(output):
        configure_logs("debug", "json")
        try:
            yield output
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.reset_defaults()


async def test_p10_no_secret_of_a_login_is_logged(scene: Scene, written: io.StringIO) -> None:
    party, person, desktop = await join(scene), await scene.person(), scene.desktop()
    browser = scene.wechat(person)
    found = await party.log_in(browser, "allow", scope="openid profile wechat")
    await party.userinfo(found.token["access_token"])
    code_page = await by_code(scene, desktop, person)
    failing = await trip(scene, person, scene.start("shop"))
    await scene.world.add_fault(EXCHANGE, "errcode", errcode=48001)
    await call_back(scene, failing)
    lost = await trip(scene, person, scene.start("shop"))
    await scene.world.add_fault(EXCHANGE, "cut")
    await call_back(scene, lost)
    await scene.world.fetch(lost.callback, User_Agent=WECHAT)

    known = {scene.site.secret.reveal() if scene.site.secret else "", CLIENT_SECRET.reveal()}
    known |= {found.token[kind] for kind in ("access_token", "id_token")} | {answer_of(found.page)["code"]}
    known |= {cookie.value for who in (browser, desktop) for cookie in who.jar.all() if len(cookie.value) > 9}
    for url in (failing.callback, lost.callback, *code_page.hops, *found.page.hops):
        query = dict(parse_qsl(urlsplit(url).query))
        known |= {query[name] for name in ("code", "state") if name in query}
    known |= set(scene.world.emulator.world.tokens._by_value)
    text = written.getvalue()
    assert "login.failed" in text
    assert len(known) > 15
    told = [line for line in text.splitlines() if any(len(one) > 9 and one in line for one in known)]
    assert not told


async def test_p11_every_nickname_survives_and_is_only_for_show(scene: Scene) -> None:
    switches = {"nickname_control_character": True, "sns_charset": "iso-8859-1"}
    await scene.world.control("POST", "switches", switches)
    told = []
    try:
        for nickname in ("张三", "café 🌱", "<b>微信用户</b>", "微信用户", "微信用户"):
            browser = scene.wechat(await scene.person(nickname, headimgurl="http://wx.qlogo.cn/mmopen/1/132"))
            await browser.get(scene.start("shop", WHO + REALM, mode="consent"))
            told.append((await browser.press("allow")).json)
    finally:
        await scene.world.control(
            "POST", "switches", {"nickname_control_character": False, "sns_charset": ""}
        )
    assert [each["name"] for each in told] == ["张三", "café 🌱", "<b>微信用户</b>", "微信用户", "微信用户"]
    assert len({each["sub"] for each in told}) == 5
    assert all(each["picture"].startswith("https://") for each in told)


@pytest.mark.parametrize(
    ("errcode", "page"),
    [
        (40029, "expired_code"),
        (40163, "expired_code"),
        (41008, "expired_code"),
        (48001, "configuration"),
        (50002, "restricted"),
        (-1, "busy"),
        (45011, "busy"),
    ],
)
async def test_p12_an_error_with_status_200_is_an_error_and_leads_where_it_should(
    scene: Scene, errcode: int, page: str
) -> None:
    await scene.world.add_fault(EXCHANGE, "errcode", errcode=errcode, times=None)
    try:
        seen = await visit(scene, scene.wechat(await scene.person()))
    finally:
        await scene.world.control("DELETE", "faults")
    assert path_of(seen.page) == f"/login/ended/{page}"
    assert seen.asked == (2 if page == "expired_code" else 1)


async def test_p12_every_end_of_an_attempt_has_a_page_of_its_own(scene: Scene) -> None:
    for word in (*REFUSALS, Step.UNKNOWN, Step.STRANGER, Step.WRONG_ACCOUNT):
        assert word in STATUS, word
        page = await scene.world.fetch(f"/login/ended/{word}?app=shop", User_Agent=WECHAT)
        assert page.status == STATUS[word], word
        assert "登录没有成功" not in page.text, word


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_p12_a_rejected_token_is_renewed_and_the_code_redeemed_with_the_new_one(
    scene: Scene, errcode: int
) -> None:
    await scene.world.add_fault(EXCHANGE, "errcode", errcode=errcode)
    seen = await visit(scene, scene.wechat(await scene.person()))
    assert seen.sub
    assert seen.asked == 1


async def test_p13_on_behalf_the_component_token_redeems_and_no_other_fits(scene: Scene) -> None:
    await visit(scene, scene.wechat(await scene.person()))
    call = (await scene.world.calls(EXCHANGE))[-1]
    assert call["query"]["component_access_token"]
    assert "access_token" not in call["query"]
    assert "secret" not in call["query"]
    assert ComponentToken in get_type_hints(SnsApi.exchange_on_behalf).values()
    assert UserToken in get_type_hints(SnsApi.user_info).values()
    kinds = (ComponentToken, AuthorizerToken, DirectToken, UserToken)
    passing = [(one, other) for one in kinds for other in kinds if issubclass(one, other)]
    assert passing == [(one, one) for one in kinds]


async def test_p14_prompt_none_never_shows_a_page(scene: Scene) -> None:
    party = await join(scene)
    browser = scene.wechat(await scene.person())
    errors = []
    for _ in range(3):
        try:
            await party.log_in(browser, prompt="none")
        except Refused as refused:
            errors.append(refused.error)
        for name in ("wxs-shops", "wxp-shops"):
            browser.jar.remove(name)
    assert errors == ["login_required"]
    for outside in (scene.desktop(), scene.phone(), scene.desktop(agent=WECOM)):
        with pytest.raises(Refused) as refused:
            await party.log_in(outside, prompt="none")
        assert refused.value.error == "login_required"


async def test_p15_a_session_slides_ends_for_good_and_is_new_at_every_login(scene: Scene) -> None:
    usual = SessionLimits()
    assert (usual.idle, usual.absolute) == (timedelta(days=7), timedelta(days=30))
    limits = SessionLimits(timedelta(hours=7), timedelta(hours=30), recheck_after=timedelta(days=9))
    await another_realm(scene, "p15", limits=limits)
    browser = scene.wechat(await scene.person())
    await visit(scene, browser, "p15", realm="p15")
    first = await session_of(scene, browser, "p15")
    for _ in range(4):
        await later(scene, timedelta(hours=6))
        assert (await visit(scene, browser, "p15", realm="p15")).asked == 0
    await later(scene, timedelta(hours=6, minutes=1))
    assert (await visit(scene, browser, "p15", realm="p15")).asked == 1
    second = await session_of(scene, browser, "p15")
    assert first is not None
    assert second is not None
    assert (first.id_hash != second.id_hash, first.sid != second.sid) == (True, True)
    await scene.world.node.login.end(second, "operator")
    assert (await browser.fetch(scene.world.url(f"{WHO}p15"))).status == 401


async def test_p16_a_logout_lasts_and_applications_are_told_so(scene: Scene) -> None:
    party = await join(scene)
    browser = scene.wechat(await scene.person())
    await party.log_in(browser)
    await browser.get(scene.world.url(f"/login/logout?realm={REALM}"))
    assert path_of(await browser.press()) == "/login/logged-out"
    with pytest.raises(Refused) as refused:
        await party.log_in(browser, prompt="none")
    assert refused.value.error == "login_required"
    assert (await visit(scene, browser)).asked == 0


async def test_p17_another_sites_form_ends_nothing(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    sub = (await visit(scene, browser)).sub
    evil = scene.world.url("/healthz").replace("127.0.0.1", "evil.localhost")
    await browser.get(evil)
    assert (await browser.submit(scene.world.url("/login/logout"), {"realm": REALM})).status == 403
    for headers in ({"Origin": evil}, {"Origin": "null", "Sec_Fetch_Site": "none"}):
        answer = await browser.fetch(
            scene.world.url("/login/logout"), "POST", data={"realm": REALM}, **headers
        )
        assert answer.status == 403
    assert (await visit(scene, browser)).sub == sub


async def test_p18_the_details_of_openid_connect_are_strict(scene: Scene) -> None:
    party = await join(scene)
    metadata = party.metadata
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in metadata["id_token_signing_alg_values_supported"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    browser = scene.wechat(await scene.person())
    asked = {
        "response_type": "code",
        "client_id": party.client.id,
        "redirect_uri": party.redirect_uri,
        "scope": "openid",
        "state": "s",
    }
    for change, where in (
        ({"redirect_uri": party.redirect_uri + "/"}, "page"),
        ({"redirect_uri": party.redirect_uri + "?x"}, "page"),
        ({}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x" * 43}, "invalid_request"),
    ):
        page = await browser.get(f"{metadata['authorization_endpoint']}?{urlencode(asked | change)}")
        if where == "page":
            assert page.status == 400
            assert len(page.hops) == 1
        else:
            assert answer_of(page)["error"] == where, change
            assert answer_of(page)["iss"] == metadata["issuer"]


async def test_p19_applications_cannot_join_what_they_know_of_people(scene: Scene) -> None:
    one = await join(scene, id="wxcl_one0000000000000", pairwise=True)
    two = await join(scene, id="wxcl_two0000000000000", pairwise=True)
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("own", mode="consent"))
    await browser.press("allow")
    known = [await party.log_in(browser, scope="openid profile") for party in (one, two)]
    assert known[0].claims["sub"] != known[1].claims["sub"]
    for party, login in zip((one, two), known, strict=True):
        told = await party.userinfo(login.token["access_token"])
        assert told["sub"] == login.claims["sub"]
        assert not [name for name in {*told, *login.claims} if "wechat_" in name or name == "email"]


async def test_p20_a_silent_login_is_not_taken_for_a_strong_one(scene: Scene) -> None:
    party = await join(scene)
    browser = scene.wechat(await scene.person())
    silent = await party.log_in(browser)
    assert silent.claims["acr"] == "urn:wxgw:silent"
    with pytest.raises(AssertionError, match="allow"):
        await party.log_in(browser, acr_values="urn:wxgw:consent")
    assert path_of(browser.page or "") == "/connect/oauth2/authorize"
    told = answer_of(await browser.press("allow"))
    assert told["code"].startswith("wxc_")
    strong = await party.log_in(browser, acr_values="urn:wxgw:consent")
    assert strong.claims["acr"] == "urn:wxgw:consent"
    assert strong.claims["sub"] == silent.claims["sub"]


async def test_p20_a_consent_of_the_one_is_not_the_others(scene: Scene) -> None:
    """Where only the presence is gone people are asked silently; whoever else comes back is asked openly."""
    browser = scene.wechat(await scene.person("小明"))
    consent = scene.start("shop", WHO + REALM, mode="consent")
    await browser.get(consent)
    first = (await browser.press("allow")).json
    browser.kill_wechat()
    assert (await browser.get(consent)).json["acr"] == "urn:wxgw:consent"
    browser.switch_account(await scene.person("小红"))
    page = await browser.get(consent)
    assert path_of(page) == "/connect/oauth2/authorize"
    second = (await browser.press("allow")).json
    assert (second["acr"], second["name"], second["sub"] != first["sub"]) == (
        "urn:wxgw:consent",
        "小红",
        True,
    )
    # Without a page the client is told who it is, and how little that is worth.
    party = await join(scene)
    await party.log_in(browser, acr_values="urn:wxgw:consent", login_hint="app:shop")
    browser.switch_account(await scene.person("小刚"))
    third = await party.log_in(browser, acr_values="urn:wxgw:consent", login_hint="app:shop", prompt="none")
    assert third.claims["acr"] == "urn:wxgw:silent"


async def test_p21_an_account_that_takes_its_authorization_back_is_named_and_told_of(scene: Scene) -> None:
    account = await authorized_account(scene.world, nick_name="已取消的店")
    realms = scene.world.node.store.login.realms
    await realms.put_realm(Realm("p21", "p21", LONG_AGO))
    await realms.put_app(
        App(
            "p21",
            "p21",
            AppKind.OFFICIAL,
            account["appid"],
            scene.world.platform.appid,
            "已取消的店",
            LONG_AGO,
        )
    )
    party = await join(scene, id="wxcl_p210000000000000", realm="p21")
    party.metadata["authorization_endpoint"] = scene.world.url("/oidc/p21/authorize")
    asked = {
        "response_type": "code",
        "client_id": party.client.id,
        "redirect_uri": party.redirect_uri,
        "scope": "openid",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    person = await scene.person()
    page = await trip(scene, person, scene.start("p21"))
    client = await trip(scene, person, f"{party.metadata['authorization_endpoint']}?{urlencode(asked)}")
    await scene.world.act("unauthorize", platform=scene.world.platform.appid, appid=account["appid"])
    ended = await call_back(scene, page)
    assert path_of(ended.location) == "/login/ended/app_unavailable"
    assert "已取消的店" in (await scene.world.fetch(ended.location, User_Agent=WECHAT)).text
    told = parse_qs(urlsplit((await call_back(scene, client)).location).query)
    assert told["error"] == ["temporarily_unavailable"]
    assert "wxgate.login.app_unavailable" in {event.name for event in await recorded(scene.world)}


async def test_p22_neither_host_nor_forwarded_headers_decide_where_people_come_back(scene: Scene) -> None:
    lies = {
        "Host": "evil.example",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_For": "203.0.113.9",
        "Forwarded": "host=evil.example;proto=https;for=203.0.113.9",
    }
    begun = await scene.world.fetch(scene.start("shop"), User_Agent=WECHAT, **lies)
    back = parse_qs(urlsplit(begun.location).query)["redirect_uri"]
    assert back == [scene.world.url("/login/wechat/callback")]
    found = await scene.world.fetch(f"/oidc/{REALM}/.well-known/openid-configuration", **lies)
    assert "evil" not in found.text
    refused = await scene.world.fetch(WHO + REALM, User_Agent=WECHAT, **lies)
    assert "evil" not in refused.text
    honest = await trip(scene, await scene.person(), scene.start("shop"))
    answer = await scene.world.fetch(honest.callback, User_Agent=WECHAT, Cookie=honest.cookie, **lies)
    assert answer.location == scene.world.url("/healthz#")
    sessions = await scene.world.node.store.login.sessions.live(
        REALM, now=scene.world.clock.now(), limit=1000
    )
    assert "203.0.113.9" not in {each.address for each in sessions}


async def test_the_table_in_the_documentation_names_all_of_them_and_nothing_else() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| P(\d+) \|.*\| `(test_p\d\d_\w+)` \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 23))
    for number, test in rows:
        assert test.startswith(f"test_p{int(number):02}_")
        assert test in globals()
