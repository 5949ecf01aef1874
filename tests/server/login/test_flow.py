"""Logging in from start to end, with WeChat in a box: in WeChat, on behalf and with an own secret."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.cast import until
from tests.login.journey import callback_of
from tests.login.scene import Scene
from wxgate.login.browsers import Browser
from wxgate.login.records import Acr, Session
from wxgate.login.returning import Returned
from wxgate.login.visits import Visitor
from wxgate.secret import BrowserKey, LoginState, OAuthCode
from wxgate.testing.browser import WeChatBrowser


@pytest.mark.parametrize("app", ["shop", "own"])
async def test_in_wechat_one_address_logs_in_without_a_word(scene: Scene, app: str) -> None:
    person = await scene.person()
    browser = scene.wechat(person)
    page = await browser.get(scene.start(app))
    assert page.status == 200
    assert _path(page.url) == "/healthz"
    assert page.came_by("/connect/oauth2/authorize")
    [session] = await scene.world.node.store.login.sessions.live("shops", now=scene.world.clock.now())
    assert session.app == app
    assert session.openid == await scene.openid(person, getattr(scene, app))
    page = await browser.get(scene.start(app))
    assert not page.came_by("/connect/oauth2/authorize")


@pytest.mark.parametrize("app", ["shop", "own"])
async def test_a_consent_brings_nickname_and_avatar(scene: Scene, app: str) -> None:
    browser = scene.wechat(await scene.person("小明🌱"))
    await browser.get(scene.start(app, mode="consent"))
    page = await browser.press("allow")
    assert _path(page.url) == "/healthz"
    [subject] = await scene.world.node.store.login.identities.subjects("shops")
    assert subject.profile.nickname == "小明🌱"
    assert subject.profile.avatar is not None
    assert subject.profile.avatar.startswith("https://")


async def test_a_killed_wechat_costs_one_invisible_redirect(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop"))
    session, presence = _cookies(browser)
    browser.kill_wechat()
    assert _cookies(browser) == (session, None)
    page = await browser.get(scene.start("shop"))
    assert _path(page.url) == "/healthz"
    assert browser.visits("/connect/oauth2/authorize") == 2
    kept, renewed = _cookies(browser)
    assert kept == session
    assert renewed not in (None, presence)


async def test_another_person_in_the_same_wechat_never_gets_the_first_ones_session(scene: Scene) -> None:
    first, second = await scene.person("小明"), await scene.person("小红")
    browser = scene.wechat(first)
    await browser.get(scene.start("shop"))
    [before] = await _sessions(scene)
    session, _ = _cookies(browser)
    browser.switch_account(second)
    assert _cookies(browser) == (session, None)
    await browser.get(scene.start("shop"))
    [after] = await _sessions(scene)
    assert after.openid == await scene.openid(second, scene.shop)
    assert after.sub != before.sub
    assert _cookies(browser)[0] not in (None, session)
    ended = await scene.world.node.store.login.sessions.load(before.id_hash)
    assert ended is not None
    assert ended.ended_at is not None


async def test_each_app_gets_the_openid_by_which_it_knows_the_person(scene: Scene) -> None:
    person = await scene.person()
    browser = scene.wechat(person)
    for app in (scene.shop, scene.own):
        await browser.get(scene.start(app.name))
        [session] = await _sessions(scene)
        assert (session.app, session.openid) == (app.name, await scene.openid(person, app))


async def test_a_consent_makes_the_session_stronger_and_silence_does_not_make_it_weaker(
    scene: Scene,
) -> None:
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop"))
    [silent] = await _sessions(scene)
    await browser.get(scene.start("shop", mode="consent"))
    await browser.press("allow")
    [consented] = await _sessions(scene)
    browser.kill_wechat()
    await browser.get(scene.start("shop", mode="consent"))
    [proved] = await _sessions(scene)
    assert (silent.acr, consented.acr, proved.acr) == (Acr.SILENT, Acr.CONSENT, Acr.CONSENT)
    assert (silent.sid, consented.sid) == (consented.sid, proved.sid)
    assert silent.id_hash != consented.id_hash == proved.id_hash
    assert proved.started_at == consented.started_at < proved.proved_at


async def test_whoever_hangs_up_in_the_middle_finds_the_outcome_later(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    door = scene.world.node.login.door
    query, key = callback.query, BrowserKey(callback.cookies["wxa"])
    returned = Returned(LoginState(query["state"]), OAuthCode(query["code"]), query["appid"])
    visitor = Visitor(Browser.WECHAT, browser_key=key)
    await scene.world.add_fault("/sns/oauth2/component/access_token", "delay", seconds=0.3)
    request = asyncio.create_task(door.back(returned, visitor))
    await until(lambda: scene.world.calls("/sns/oauth2/component/access_token"))
    request.cancel()
    door.returning.wait_seconds = 60
    answer = await door.back(returned, visitor)
    assert _path(answer.url) == "/healthz"
    assert answer.cookies.session is not None
    assert len(await scene.world.calls("/sns/oauth2/component/access_token")) == 1


def _cookies(browser: WeChatBrowser) -> tuple[str | None, str | None]:
    """Return the browser's session and presence."""
    session, presence = browser.cookie("wxs-shops"), browser.cookie("wxp-shops")
    return session.value if session else None, presence.value if presence else None


async def _sessions(scene: Scene) -> list[Session]:
    store = scene.world.node.store.login.sessions
    return list(await store.live("shops", now=scene.world.clock.now()))


def _path(url: str) -> str:
    return urlsplit(url).path
