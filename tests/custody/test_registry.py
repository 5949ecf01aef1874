"""Platforms and direct accounts are served as they are configured, and a change needs no restart."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from tests.cast import add_direct
from tests.harness import World
from tests.pushing import Sealer, is_plain, metric, post
from wxgate.custody.records import PushCredentials
from wxgate.custody.registry import RECHECK
from wxgate.errors import BadKey, ConfigError, NotFound
from wxgate.secret import EncodingAESKey, PushToken


@pytest.mark.parametrize("length", [0, 32, 42, 44])
async def test_a_key_of_the_wrong_length_teaches_and_pushes_are_asked_for_again(
    world: World, length: int
) -> None:
    push = replace(world.platform.push, aes_keys=(EncodingAESKey("k" * length),))
    await world.node.store.platforms.put_platform(replace(world.platform, push=push))
    await world.advance(RECHECK)
    with pytest.raises(BadKey, match=f"exactly 43 characters, this one has {length}. .*neither the Token"):
        await world.node.registry.platform(world.platform.appid)
    letter = Sealer.of_platform(world).seal("<xml/>")
    with capture_logs() as logs:
        answer = await post(world, f"/wechat/{world.platform.appid}/events", letter)
    assert (answer.status, answer.text) == (503, "try_again")
    assert is_plain(answer)
    assert "push.not_recorded" in {line["event"] for line in logs}
    assert await metric(world, "wxgate_pushes_total", receiver="platform", result="not_recorded") == 1


async def test_an_empty_token_would_let_anybody_sign_and_is_refused(world: World) -> None:
    push = replace(world.platform.push, tokens=(PushToken(""),))
    await world.node.store.platforms.put_platform(replace(world.platform, push=push))
    await world.advance(RECHECK)
    with pytest.raises(ConfigError, match=r"消息校验Token.* is empty"):
        await world.node.registry.platform(world.platform.appid)


async def test_a_rotated_token_and_key_are_taken_up_and_the_old_ones_are_good_until_dropped(
    world: World,
) -> None:
    old, path = Sealer.of_platform(world), f"/wechat/{world.platform.appid}/messages/wx1"
    new_token, new_key = PushToken("NewToken"), EncodingAESKey("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
    new = old.other(token=new_token.reveal(), aes_key=new_key.reveal())
    plain = "<xml><MsgType>text</MsgType></xml>"

    async def statuses() -> list[int]:
        await world.advance(RECHECK)
        return [(await post(world, path, sealer.seal(plain))).status for sealer in (old, new)]

    assert await statuses() == [200, 403]
    current = world.platform.push
    both = PushCredentials((new_token, *current.tokens), (new_key, *current.aes_keys))
    await world.node.store.platforms.put_platform(replace(world.platform, push=both))
    assert await statuses() == [200, 200]
    await world.node.store.platforms.put_platform(
        replace(world.platform, push=PushCredentials((new_token,), (new_key,)))
    )
    assert await statuses() == [403, 200]


async def test_who_is_not_configured_is_told_how_to_be(world: World) -> None:
    with pytest.raises(NotFound, match="wxgate platform add"):
        await world.node.registry.require_platform("wx0")
    with pytest.raises(NotFound, match="wxgate account add"):
        await world.node.registry.require_direct("wx0")
    direct = await add_direct(world)
    assert (await world.node.registry.require_direct(direct.appid)).name == direct.name
