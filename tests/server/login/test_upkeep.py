"""Beside the web: mini programs, unionids of followers, moved accounts, and what is told of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cast import authorized_account, until
from tests.harness import Harness
from tests.login.scene import REALM, Scene, set_scene
from wxgate.errors import ConfigError, NotFound
from wxgate.events.records import EventQuery
from wxgate.login.news import CONFLICT
from wxgate.login.openid_import import Result
from wxgate.login.records import Acr, IdentityKind, Mode, Name
from wxgate.login.wechat import Failure, LoginFailed
from wxgate.secret import OAuthCode


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps, whose followers' unionids are filled in."""
    async with Harness(tmp_path) as world:
        scene = await set_scene(world)
        await world.node.login.store.realms.put_realm(
            type(scene.realm)(REALM, "晨光", scene.realm.created_at, unionid_backfill=True)
        )
        yield scene


async def js_code(scene: Scene, person: str) -> OAuthCode:
    """Let somebody call wx.login() in the mini program."""
    made = await scene.world.act("js_code", appid=scene.program.appid, user=person)
    return OAuthCode(made["code"])


async def test_a_mini_programs_code_says_who_it_is_once(scene: Scene) -> None:
    person = await scene.person()
    login = scene.world.node.login
    code = await js_code(scene, person)
    subject, proof = await login.mini_programs.log_in(REALM, None, code)
    assert proof.openid == await scene.openid(person, scene.program)
    assert (proof.mode, proof.acr, bool(proof.unionid)) == (Mode.MINI_PROGRAM, Acr.SILENT, True)
    again, _ = await login.mini_programs.log_in(REALM, "program", await js_code(scene, person))
    assert again.sub == subject.sub
    with pytest.raises(LoginFailed) as used:
        await login.mini_programs.log_in(REALM, scene.program.appid, code)
    assert used.value.failure is Failure.EXPIRED_CODE
    assert code.reveal() not in str(used.value)


async def test_only_a_mini_program_of_the_realm_logs_in_by_such_a_code(scene: Scene) -> None:
    login = scene.world.node.login
    for realm, app in (("elsewhere", None), (REALM, "shop"), (REALM, "nobody")):
        with pytest.raises(NotFound):
            await login.mini_programs.log_in(realm, app, OAuthCode("a-code"))
    twin = type(scene.program)(
        "twin", REALM, scene.program.kind, "wx-twin", "direct", "Twin", scene.realm.created_at
    )
    await login.store.realms.put_app(twin)
    with pytest.raises(ConfigError, match="say which"):
        await login.mini_programs.log_in(REALM, None, OAuthCode("a-code"))


async def test_who_logs_in_by_account_and_mini_program_is_one_person_once_the_unionid_is_filled_in(
    scene: Scene,
) -> None:
    person = await scene.person(follows=[scene.shop.appid])
    login = scene.world.node.login
    await scene.wechat(person).get(scene.start("shop"))
    await login.backfill.settle()
    [subject] = await login.store.identities.subjects(REALM)
    kinds = [each.name.kind for each in await login.store.identities.names(REALM, subject.sub)]
    assert sorted(kinds) == [IdentityKind.OPENID, IdentityKind.UNIONID]
    in_program, _ = await login.mini_programs.log_in(REALM, None, await js_code(scene, person))
    assert in_program.sub == subject.sub


async def test_who_has_no_unionid_logs_in_all_the_same(scene: Scene) -> None:
    login = scene.world.node.login
    await scene.world.control("POST", "accounts", {"appid": scene.shop.appid, "open_account": ""})
    page = await scene.wechat(await scene.person()).get(scene.start("shop"))
    await login.backfill.settle()
    assert page.status == 200
    [subject] = await login.store.identities.subjects(REALM)
    [name] = await login.store.identities.names(REALM, subject.sub)
    assert name.name.kind is IdentityKind.OPENID


async def test_a_conflict_is_an_event_for_applications(scene: Scene) -> None:
    login, person = scene.world.node.login, await scene.person()
    in_program, _ = await login.mini_programs.log_in(REALM, None, await js_code(scene, person))
    browser = scene.wechat(person)
    await browser.get(scene.start("shop"))
    await browser.get(scene.start("shop", mode="consent"))
    await browser.press("allow")
    [conflict] = await login.store.identities.conflicts(REALM)
    assert conflict.other == in_program.sub
    [event] = await scene.world.node.store.event_log.find_events(EventQuery(names=(CONFLICT,)))
    assert event.fields["kept"] == conflict.kept
    assert event.fields["other"] == conflict.other

    async def handled() -> bool:
        await scene.world.node.runner.tick()
        [again] = await scene.world.node.store.event_log.find_events(EventQuery(names=(CONFLICT,)))
        return again.handled_at is not None

    await until(handled)


async def test_people_keep_their_sub_when_an_account_moves(scene: Scene) -> None:
    login = scene.world.node.login
    people = [await scene.person(follows=[scene.shop.appid]) for _ in range(3)]
    for person in people:
        await scene.wechat(person).get(scene.start("shop"))
    target = await authorized_account(scene.world, nick_name="晨光新店")
    moved = (await scene.world.act("move_account", appid=scene.shop.appid, to_appid=target["appid"]))[
        "openids"
    ]
    steps = [each async for each in login.openids.by_wechat(REALM, scene.shop.appid, target["appid"])]
    assert (steps[-1].total, steps[-1].results[Result.LINKED]) == (3, 3)
    for old, new in moved.items():
        names = [
            Name(IdentityKind.OPENID, scene.shop.appid, old),
            Name(IdentityKind.OPENID, target["appid"], new),
        ]
        assert len(set((await login.store.identities.find(REALM, names)).values())) == 1
