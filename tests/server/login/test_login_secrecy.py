"""An evening of logins, with trouble, at the most talkative level: nothing secret is told or kept (P10)."""

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from tests.harness import Harness
from tests.login.journey import Callback, callback_of, cookies_of, scanned, start
from tests.login.scene import Scene, set_scene
from wxgate.logs import configure_logs


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


async def evening(scene: Scene) -> set[str]:
    """Log in by every way, well and badly; return what nobody may learn."""
    world, secrets = scene.world, set[str]()
    person = await scene.person("小明")

    async def finish(callback: Callback) -> None:
        answer = await callback.send(scene)
        secrets.update(callback.cookies.values(), cookies_of(answer).values())
        secrets.update({callback.query["state"], callback.query["code"]})

    for app in ("shop", "own"):
        path = "/sns/oauth2/component/access_token" if app == "shop" else "/sns/oauth2/access_token"
        for action, errcode in (("errcode", 40163), ("errcode", 40001), ("errcode", 48001), ("cut", -1)):
            await world.add_fault(
                path, action, errcode=errcode, stage="after" if action == "cut" else "before"
            )
            await finish(await callback_of(scene, person, app))
        await finish(await callback_of(scene, person, app))
    await finish(await scanned(scene, person))
    stranger = await callback_of(scene, person)
    await stranger.send(scene, cookies={})
    async with world.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE login_attempts RENAME TO hidden"))
    lost = await stranger.send(scene)
    nowhere, _ = await start(scene)
    assert {lost.status, nowhere.status} <= {502, 503}
    async with world.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO login_attempts"))
    await finish(stranger)
    await world.advance(timedelta(minutes=2))
    for app in (scene.site, scene.own):
        secrets.add(world.emulator.world.accounts[app.appid].secret)
    wechat = world.emulator.world
    secrets |= wechat.tokens._by_value.keys() | wechat.logins._codes.keys()
    secrets |= wechat.logins._by_access.keys() | wechat.logins._by_refresh.keys()
    return {secret for secret in secrets if len(secret) >= 16}


async def test_no_secret_of_a_login_is_told_to_anybody_or_kept(tmp_path: Path, written: io.StringIO) -> None:
    async with Harness(tmp_path) as world:
        scene = await set_scene(world)
        secrets = await evening(scene)
        metrics = (await world.fetch("/metrics")).text
        login = world.node.login
        now = world.clock.now()
        kept = repr(
            [
                login,
                *await login.store.sessions.live("shops", now=now),
                *await login.store.realms.apps(),
                await login.store.attempts.load("x"),
            ]
        )
    log = written.getvalue()
    assert len(secrets) > 30
    for event in ("login.failed", "login.turned_away", "token.rejected"):
        assert event in log
    for told in (log, metrics, kept):
        assert [secret for secret in secrets if secret in told] == []
    # Nothing that a browser, an application or WeChat would take is found in the database either.
    pages = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name.startswith("wxgate.db"))
    assert len(pages) > 100_000
    assert [secret for secret in secrets if secret.encode() in pages] == []
