"""Whose session it is: whoever logs in where another session was ends it, and who is forgotten has none."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.login.journey import callback_of, cookies_of, headers, scanned, start
from tests.login.scene import Scene
from tests.pushing import metric
from tests.server.login.test_callbacks import leads_to, sessions
from tests.store.login_rows import ACCESS
from wxgate.login.records import Created, Session
from wxgate.server.login.csrf import TOKEN
from wxgate.testing.browser import DESKTOP, WECHAT


async def log_in(scene: Scene, person: str, cookies: dict[str, str] | None = None) -> dict[str, str]:
    """Scan as somebody and come back; return what the browser has then."""
    callback = await scanned(scene, person, cookies=cookies or {}, prompt="login")  # type: ignore[arg-type]
    answer = await callback.send(scene)
    assert leads_to(answer, "/healthz")
    return callback.cookies | cookies_of(answer)


async def give_token(scene: Scene, session: Session) -> str:
    """Let an application have a token of a session."""
    now = scene.world.clock.now()
    token = f"token of {session.sid}"
    grant = {"token_hash": token, "realm": session.realm, "sub": session.sub, "sid": session.sid}
    lives = {"issued_at": now, "expires_at": now + timedelta(days=30)}
    given = {name: getattr(ACCESS, name) for name in ("kind", "family", "scope")}
    grants = scene.world.node.store.login.grants
    await grants.put([type(ACCESS)(client=scene.client.id, **grant, **lives, **given)])
    return token


async def is_revoked(scene: Scene, token: str) -> bool:
    """Tell whether a token is of no worth any more."""
    grant = await scene.world.node.store.login.grants.load(token)
    assert grant is not None
    return grant.revoked_at is not None


async def test_another_person_ends_a_session_that_nobody_used_for_long(scene: Scene) -> None:
    cookies = await log_in(scene, await scene.person("甲"))
    [old] = await sessions(scene)
    token = await give_token(scene, old)
    await scene.world.advance(timedelta(days=8))
    await log_in(scene, await scene.person("乙"), cookies)
    [new] = await sessions(scene)
    assert new.sid != old.sid
    assert await is_revoked(scene, token)


async def test_two_tabs_that_log_in_from_one_session_leave_one(scene: Scene) -> None:
    """The `sid` that applications know lives on, and somebody else at the second tab ends it."""
    person = await scene.person("甲")
    cookies = await log_in(scene, person)
    [old] = await sessions(scene)
    token = await give_token(scene, old)
    for _ in range(2):
        await log_in(scene, person, cookies)
    [last] = await sessions(scene)
    assert last.sid == old.sid
    assert last.id_hash != old.id_hash
    assert not await is_revoked(scene, token)

    await log_in(scene, await scene.person("乙"), cookies)
    [other] = await sessions(scene)
    assert other.sub != old.sub
    assert await is_revoked(scene, token)


async def test_a_unionid_that_comes_later_reaches_the_session_there_is(scene: Scene) -> None:
    """The account was bound to an open-platform account meanwhile: the next silent hop tells."""
    browser = scene.wechat(await scene.person())
    await browser.get(scene.start("shop"))
    [before] = await sessions(scene)
    assert before.unionid is None
    await scene.world.control("POST", "switches", {"unionid_in_base": True})
    browser.kill_wechat()
    await browser.get(scene.start("shop"))
    [session] = await sessions(scene)
    assert session.id_hash == before.id_hash
    assert session.unionid


@pytest.mark.parametrize("before", [True, False])
async def test_who_is_forgotten_while_logging_in_gets_an_answer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Before the session is kept the person is somebody new; after it the application is told of no one."""
    login, forgotten = scene.world.node.login, list[str]()
    create = login.store.sessions.create

    async def forget(sub: str) -> None:
        if not forgotten:
            forgotten.append(sub)
            await login.subjects.forget("shops", sub)

    async def meanwhile(session: Session, *, instead_of: str | None = None) -> Created | None:
        if before:
            await forget(session.sub)
        created = await create(session, instead_of=instead_of)
        if not before:
            await forget(session.sub)
        return created

    monkeypatch.setattr(login.store.sessions, "create", meanwhile)
    address = {"return_to": "https://shop.example/in", "result": "signed"}
    answer = await (await callback_of(scene, await scene.person(), **address)).send(scene)
    assert answer.status == 303
    told = parse_qs(urlsplit(answer.location).query)
    if before:
        assert set(told) == {"wx_result"}
        [session] = await sessions(scene)
        assert session.sub not in forgotten
    else:
        assert told["error"] == ["temporarily_unavailable"]
        assert await sessions(scene) == []


async def test_a_session_of_nobody_leads_to_a_login(scene: Scene) -> None:
    """What a restored backup leaves behind: the door and /login/session say the same of it."""
    callback = await callback_of(scene, await scene.person())
    cookies = callback.cookies | cookies_of(await callback.send(scene))
    async with scene.world.node.store.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM login_subjects")
        await connection.exec_driver_sql("DELETE FROM login_identities")
    told = await scene.world.fetch("/login/session?realm=shops", **headers(WECHAT, cookies))
    assert told.status == 401
    answer, _ = await start(scene, cookies=cookies)
    assert leads_to(answer, "/connect/oauth2/authorize")


@pytest.mark.parametrize("path", ["/login/logout?realm=shops", "/oidc/shops/logout?client_id={client}"])
async def test_a_logout_without_a_session_keeps_the_browser_logged_out(scene: Scene, path: str) -> None:
    """Whoever asks to be logged out has said so, also where the session has ended elsewhere."""
    callback = await callback_of(scene, await scene.person())
    cookies = callback.cookies | cookies_of(await callback.send(scene))
    [session] = await sessions(scene)
    await scene.world.node.login.end(session, "revoked")
    gone = await scene.world.fetch(path.format(client=scene.client.id), **headers(WECHAT, cookies))
    # The page may give a key as well, for its button to log in again; a session it does not.
    assert cookies_of(gone).keys() - {"wxa"} == {"wxo-shops"}
    answer, _ = await start(scene, cookies=cookies | cookies_of(gone))
    assert answer.status == 200
    assert "wxo-shops" not in cookies_of(answer)


async def test_a_logout_is_counted_once(scene: Scene) -> None:
    for number, path in enumerate(("/login/logout?realm=shops", "/oidc/shops/logout"), start=1):
        cookies = await log_in(scene, await scene.person())
        shown = await scene.world.fetch(path, **headers(DESKTOP, cookies))
        assert shown.status == 200, shown.text
        token = shown.text.split(f'name="{TOKEN}" value="')[1].split('"')[0]
        origin = {"Origin": scene.world.gateway_url, "Sec-Fetch-Site": "same-origin"}
        shows = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        async with scene.world.http.post(
            scene.world.url(path), data={TOKEN: token}, headers=origin | shows, allow_redirects=False
        ) as done:
            assert done.status == 303
        counted = await metric(scene.world, "wxgate_login_sessions_total", realm="shops", event="ended")
        assert counted == number
