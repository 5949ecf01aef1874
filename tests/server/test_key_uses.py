"""Which push tokens and AES keys are in use, as operators see it while they rotate them."""

from datetime import timedelta
from pathlib import Path

from tests.cast import add_direct, add_follower, another_node
from tests.harness import Harness, World
from tests.server.test_management import manager
from tests.store.moments import NOW
from wxgate.custody.credentials import make_aes_key, make_token
from wxgate.custody.edits import Kind
from wxgate.custody.key_advice import advise
from wxgate.custody.key_uses import PushKey, Seen


async def ages(world: World) -> dict[tuple[str, int], int | None]:
    """Tell of each token and key of the platform how many hours ago it was last seen."""
    platform = await world.node.registry.require_platform(world.platform.appid)
    now = world.clock.now()
    return {
        (one.kind.value, one.place): round((now - one.last_seen_at) / timedelta(hours=1))
        if one.last_seen_at
        else None
        for one in await world.node.key_uses.of(platform)
    }


async def rotate(world: World) -> None:
    """Make a new token and AES key here; WeChat does not know of them yet."""
    await world.node.configuration.rotate(
        Kind.PLATFORM, world.platform.appid, token=make_token(), aes_key=make_aes_key()
    )


async def save_in_console(world: World) -> None:
    """Paste the current token and AES key into WeChat's console."""
    platform = await world.node.registry.require_platform(world.platform.appid)
    token, key = platform.push.tokens[0].reveal(), platform.push.aes_keys[0].reveal()
    given = {"appid": platform.appid, "token": token, "aes_key": key}
    await world.control("POST", "platforms", given)


async def test_a_rotation_is_followed_from_the_first_push_to_the_last(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        appid, boss = world.platform.appid, await manager(world)
        assert await ages(world) == {("token", 0): 0, ("aes", 0): 0}

        await rotate(world)
        await world.push_ticket()
        assert await ages(world) == {
            ("token", 0): None,
            ("token", 1): 0,
            ("aes", 0): None,
            ("aes", 1): 0,
        }
        said = await boss.post(f"/v1/platforms/{appid}/retire", {"token": True})
        assert (said.status, said.error["code"]) == (400, "bad_request")
        assert "wait a day" in said.error["message"]

        await save_in_console(world)
        await world.push_ticket()
        await world.node.key_uses.write()
        await world.advance(timedelta(hours=30))
        await world.push_ticket()
        assert await ages(world) == {("token", 0): 0, ("token", 1): 30, ("aes", 0): 0, ("aes", 1): 30}
        shown = (await boss.get(f"/v1/platforms/{appid}")).document["keys"]
        assert [(one["kind"], one["may_go"]) for one in shown["advice"]] == [("token", True), ("aes", True)]
        assert (
            shown["advice"][0]["text"] == "the previous token was last seen 30 hours ago: it may be retired"
        )

        said = await boss.post(f"/v1/platforms/{appid}/retire", {"token": True, "aes_key": True})
        assert said.status == 200, said.text
        assert await ages(world) == {("token", 0): 0, ("aes", 0): 0}
        await world.push_ticket()


async def test_a_key_in_use_is_retired_when_the_operator_insists(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        boss = await manager(world)
        await rotate(world)
        await world.push_ticket()
        path = f"/v1/platforms/{world.platform.appid}/retire"
        assert (await boss.post(path, {"aes_key": True, "even_if_used": True})).status == 200


async def test_every_node_tells_what_another_has_written(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world, another_node(world) as (other, _):
        platform = await other.registry.require_platform(world.platform.appid)
        await world.node.key_uses.write()
        assert None not in [one.last_seen_at for one in await other.key_uses.of(platform)]


async def test_the_keys_of_a_direct_account_are_seen_too(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        direct, boss = await add_direct(world), await manager(world)
        await (await add_follower(world, direct.appid)).writes()
        shown = (await boss.get(f"/v1/accounts/{direct.appid}")).document["direct"]["keys"]
        assert [(one["kind"], one["last_seen_at"] is None) for one in shown["seen"]] == [
            ("token", False),
            ("aes", False),
        ]
        assert shown["advice"] == []


def test_advice_waits_until_the_new_value_is_seen_and_the_old_one_is_not() -> None:
    def pair(current: float | None, previous: float | None) -> list[Seen]:
        moments = [None if hours is None else NOW - timedelta(hours=hours) for hours in (current, previous)]
        return [Seen(PushKey.AES_KEY, place, at) for place, at in enumerate(moments)]

    def may_go(current: float | None, previous: float | None) -> bool:
        [advice] = advise(pair(current, previous), NOW)
        assert advice.text
        assert advice.text_zh
        return advice.may_go

    assert not may_go(None, None)
    assert not may_go(None, 30)
    assert not may_go(30, 30)
    assert not may_go(1, 23)
    assert may_go(1, 25)
    assert may_go(1, None)
    assert advise(pair(1, 1)[:1], NOW) == ()
