"""Several parties of ours on one account: all receive, one answers, and nobody answers twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import (
    Follower,
    add_direct,
    add_follower,
    add_platform,
    authorize,
    authorized_account,
    settle,
)
from tests.harness import Harness, World
from tests.pushing import Sealer, post, recorded, text_message
from wxgate.custody.records import Platform
from wxgate.emulator.outsider import Outsider
from wxgate.events.handlers import Handlers
from wxgate.events.records import Event, ReplyState


@dataclass
class House:
    """Two platforms of ours, A and B, that one account has authorised, A first."""

    world: World
    b: Platform
    account: dict[str, Any]
    follower: Follower
    heard: list[str] = field(default_factory=list)

    @property
    def appid(self) -> str:
        """Return the account's appid."""
        appid: str = self.account["appid"]
        return appid

    @property
    def a(self) -> Platform:
        """Return the world's own platform."""
        return self.world.platform

    async def events(self) -> dict[str, Event]:
        """Return the one event of each issuer."""
        await settle(self.world)
        found = [each for each in await recorded(self.world, self.appid) if each.openid]
        assert len(found) == len({each.issuer for each in found})
        return {each.issuer: each for each in found}

    async def seen(self) -> list[tuple[str, str]]:
        """List what the user saw."""
        return [(each["from"], each["content"]) for each in await self.follower.sees()]

    async def bring(self, platform: Platform, msg_id: int = 5) -> str:
        """Bring a message to one platform; return the answer as WeChat reads it."""
        sealer = Sealer.of_platform(self.world, platform, account=self.account["user_name"])
        plain = text_message(self.account["user_name"], self.follower.openid, msg_id=msg_id)
        path = f"/wechat/{platform.appid}/messages/{self.appid}"
        return sealer.open(await post(self.world, path, sealer.seal(plain)))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose handlers note through whom a message came, and answer it."""
    handlers = Handlers()
    async with Harness(tmp_path, handlers=handlers) as world:
        b = await add_platform(world)
        account = await authorized_account(world)
        await world.advance(timedelta(minutes=1))  # WeChat tells when by the second
        await authorize(world, account["appid"], b)
        house = House(world, b, account, await add_follower(world, account["appid"]))

        def hear(message: Any, event: Event) -> str:
            house.heard.append(event.issuer)
            return f"through {event.issuer}"

        handlers.add(("message",), hear)
        yield house


async def test_the_platform_that_came_first_answers_and_the_other_one_keeps_a_record(house: House) -> None:
    await house.follower.writes()
    assert await house.seen() == [("passive", f"through {house.a.appid}")]
    assert house.heard == [house.a.appid]
    other = (await house.events())[house.b.appid]
    assert (other.state, other.reply_state) == ("done", ReplyState.CLOSED)
    assert other.error == f"not replied to here: {house.a.appid} answers for this account"


async def test_the_platform_of_the_policy_answers(house: House) -> None:
    await house.world.node.replies.set(house.appid, platform=house.b.appid)
    await house.follower.writes()
    assert await house.seen() == [("passive", f"through {house.b.appid}")]


async def test_an_account_that_is_direct_for_its_tokens_only_is_answered_through_a_platform(
    house: House,
) -> None:
    await add_direct(house.world, account=house.account)
    await house.world.control("POST", "accounts", {"appid": house.appid, "server": None})
    await house.follower.writes()
    assert await house.seen() == [("passive", f"through {house.a.appid}")]
    view = await house.world.node.replies.show(house.appid)
    assert view.answers == house.a.appid
    assert any("no push has come to its address" in each.en for each in view.advice)


async def test_the_accounts_own_server_comes_before_platforms(house: House) -> None:
    direct = await add_direct(house.world, account=house.account)
    house.world.node.key_uses.saw(direct, token_index=0, key_index=0)
    await house.follower.writes()
    assert await house.seen() == [("passive", "through direct")]
    assert house.heard == ["direct"]
    assert len(await house.events()) == 3


async def test_a_policy_changed_between_two_pushes_does_not_answer_twice(house: House) -> None:
    first = await house.bring(house.a)
    await house.world.node.replies.set(house.appid, platform=house.b.appid)
    second = await house.bring(house.b)
    assert f"through {house.a.appid}" in first
    assert second == "success"
    assert house.heard == [house.a.appid, house.b.appid]
    dropped = (await house.events())[house.b.appid]
    assert dropped.reply_state is ReplyState.DROPPED
    assert "another of your platforms has answered this message" in dropped.error
    assert await house.bring(house.a) == first, "the first answer stays"


async def test_every_message_has_one_answer_while_the_policy_changes_all_the_time(house: House) -> None:
    async def change() -> None:
        for number in range(10):
            which = (house.a, house.b)[number % 2]
            await house.world.node.replies.set(house.appid, platform=which.appid)
            await asyncio.sleep(0)

    brought = [house.bring(platform, number) for number in range(20) for platform in (house.a, house.b)]
    *answers, _ = await asyncio.gather(*brought, change())
    replied = [
        sum(answer != "success" for answer in answers[2 * number : 2 * number + 2]) for number in range(20)
    ]
    assert max(replied) == 1
    assert sum(replied) >= 5, "a change at the wrong moment may cost an answer, but not all of them"


async def test_another_peoples_third_party_answers_alone_where_we_are_silent(house: House) -> None:
    await house.world.control("POST", "switches", {"reply_policy": "all"})
    async with Outsider(house.world.emulator.url, name="外人", answer="outside") as outsider:
        await outsider.authorized_by(house.appid)
        await house.follower.writes("first")
        assert sorted(await house.seen()) == [("passive", "outside"), ("passive", f"through {house.a.appid}")]
        await house.world.node.replies.set(house.appid, policy="silent")
        await house.follower.writes("second")
        assert len(await house.seen()) == 3
        assert (await house.seen())[-1] == ("passive", "outside")
        assert house.heard == [house.a.appid] * 2, "who is silent hears all the same"
