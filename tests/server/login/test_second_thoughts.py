"""What comes back after somebody thought again: said yes after a no, scanned after another, or logged out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import func, select

from tests.harness import Fetched
from tests.login.journey import Callback, at_wechat, callback_of, cookies_of, headers, start
from tests.login.scene import Scene
from tests.server.login.test_callbacks import TOKENS, exchanges, leads_to, sessions, why
from wxgate.login.attempts import MOST_SUCCESSORS, OUTCOME_KEPT, SAME_CALL
from wxgate.store.login_tables import attempts
from wxgate.testing.browser import DESKTOP, WECHAT


async def logged_in(scene: Scene, person: str) -> dict[str, str]:
    """Log somebody in at a browser of their own; return its cookies."""
    callback = await callback_of(scene, person)
    return callback.cookies | cookies_of(await callback.send(scene))


async def log_out(scene: Scene, cookies: Mapping[str, str], query: str = "") -> dict[str, str]:
    """Log out at a browser; return the cookies that it has then."""
    shown = headers(WECHAT, dict(cookies)) | {"Sec_Fetch_Site": "same-origin"}
    answer = await scene.world.fetch(f"/login/logout{query}", "POST", **shown)
    assert answer.status == 303, answer.text
    kept = {name: value for name, value in cookies.items() if not name.startswith(("wxs", "wxp"))}
    return kept | cookies_of(answer)


async def refused(scene: Scene, callback: Callback) -> Fetched:
    """Come back as WeChat lets people who said no: with the state alone."""
    return await replace(callback, url=f"{callback.url.split('?')[0]}?state={callback.query['state']}").send(
        scene
    )


async def count_attempts(scene: Scene) -> int:
    async with scene.world.node.store.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(attempts))).scalar_one()


async def test_who_logged_out_everywhere_stays_out_at_their_other_phone(scene: Scene) -> None:
    person = await scene.person()
    one, other = await logged_in(scene, person), await logged_in(scene, person)
    await log_out(scene, one, "?all=1&realm=shops")
    assert await sessions(scene) == []
    answer, _ = await start(scene, cookies=other)
    assert answer.status == 200
    assert "tap=" in answer.text
    silent, _ = await start(scene, cookies=other, prompt="none", return_to="/readyz")
    assert dict(parse_qsl(urlsplit(silent.location).query))["error"] == "login_required"
    asked = await start(scene, cookies={"wxa": other["wxa"]})
    assert leads_to(asked[0], "/connect/oauth2/authorize")


async def test_who_an_operator_logged_out_comes_back_by_a_tap(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop"))
    [session] = await sessions(scene)
    await scene.world.node.login.subjects.end(session.sid)
    page = await browser.get(scene.start("shop"))
    assert urlsplit(page.url).path == "/login/wechat/shop"
    assert await sessions(scene) == []
    await browser.click(next(link for link in page.links if "tap=" in link))
    assert len(await sessions(scene)) == 1


async def test_a_silent_hop_under_way_does_not_undo_a_logout(scene: Scene) -> None:
    person = await scene.person()
    cookies = await logged_in(scene, person)
    bare = {name: value for name, value in cookies.items() if not name.startswith("wxp")}
    here, elsewhere = [await callback_of(scene, person, cookies=bare) for _ in range(2)]
    out = await log_out(scene, cookies)
    assert out["wxo-shops"] == "1"
    for callback, shown in ((here, out), (elsewhere, cookies)):
        for _ in range(2):
            answer = await callback.send(scene, cookies=shown)
            assert why(answer) == "logged_out"
            assert cookies_of(answer) == {}
    assert await exchanges(scene) == 1
    assert await sessions(scene) == []


async def test_who_says_no_goes_back_and_says_yes_is_logged_in(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    assert why(await refused(scene, callback)) == "cancelled"
    first = await callback.send(scene)
    assert leads_to(first, "/healthz")
    again = await callback.send(scene)
    assert cookies_of(again) == cookies_of(first)
    assert await exchanges(scene) == 1


async def test_a_new_code_is_tried_once_after_one_that_came_to_nothing(scene: Scene) -> None:
    person = await scene.person()
    answer, cookies = await start(scene)
    await scene.world.add_fault(TOKENS["shop"], "errcode", errcode=45011, stage="before", times=2)
    one, two, three = [Callback(await at_wechat(scene, person, answer.location), cookies) for _ in range(3)]
    for callback in (one, one, two, three):
        assert why(await callback.send(scene)) == "busy"
    assert await exchanges(scene) == 2


async def test_another_person_who_scans_the_same_code_gets_nothing_of_the_first_one(scene: Scene) -> None:
    answer, cookies = await start(scene, "site", agent=DESKTOP)

    async def scan(link: str, nickname: str) -> Callback:
        page = await scene.world.fetch(link, User_Agent=DESKTOP)
        assert page.status == 200
        state = dict(parse_qsl(urlsplit(link).query))["state"]
        person = await scene.person(nickname)
        done = await scene.world.act("confirm_login", state=state, user=person)
        url = f"{scene.world.url('/login/wechat/callback')}?code={done['code']}&state={state}"
        return Callback(url, cookies, DESKTOP)

    first = await (await scan(answer.location, "甲")).send(scene)
    cookies = cookies | cookies_of(first)
    [session] = await sessions(scene)
    for passed in (SAME_CALL, timedelta(seconds=90)):
        await scene.world.advance(passed)
        anew = await (await scan(answer.location, "乙")).send(scene)
        assert leads_to(anew, "/connect/qrconnect")
        assert "wxs-shops" not in cookies_of(anew)
    assert leads_to(await (await scan(anew.location, "乙")).send(scene), "/healthz")
    [now] = await sessions(scene)
    assert now.sub != session.sub


async def test_an_old_callback_does_not_begin_attempts_for_ever(scene: Scene) -> None:
    callback = await callback_of(scene, await scene.person())
    await refused(scene, callback)
    await scene.world.advance(OUTCOME_KEPT)
    before = await count_attempts(scene)
    answers = [await refused(scene, callback) for _ in range(MOST_SUCCESSORS + 5)]
    assert all(leads_to(each, "/connect/oauth2/authorize") for each in answers[:MOST_SUCCESSORS])
    assert {why(each) for each in answers[MOST_SUCCESSORS:]} == {"expired_code"}
    assert await count_attempts(scene) == before + MOST_SUCCESSORS
