"""One account, three issuers at once: two platforms and its own secret, whose tokens never mix."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import add_direct, add_follower, add_platform, authorize, settle
from tests.harness import Harness, World
from wxgate.custody.edits import Kind
from wxgate.custody.sources import authorizer_key, direct_key
from wxgate.errors import ConfigError, NotAuthorized
from wxgate.protocol.tokens import DIRECT_ISSUER

USER_INFO = "/cgi-bin/user/info"


@dataclass(frozen=True, slots=True)
class Shared:
    """An account three may act for."""

    world: World
    appid: str
    openid: str
    issuers: tuple[str, str, str]

    async def ask(self, issuer: str | None) -> Any:
        """Call WeChat for the account as one of them."""
        account = self.world.node.calls.account(self.appid, issuer=issuer)
        return await account.get("cgi-bin/user/info", {"openid": self.openid})

    async def token(self, issuer: str) -> str | None:
        """Look at the token of one of them."""
        key = direct_key(self.appid) if issuer == DIRECT_ISSUER else authorizer_key(issuer, self.appid)
        kept = await self.world.node.keeper.peek(key)
        return kept.token.reveal() if kept else None

    async def tokens(self) -> list[str | None]:
        """Look at all three."""
        return [await self.token(issuer) for issuer in self.issuers]


async def share(world: World) -> Shared:
    """Let an account authorise two platforms and configure its own server as well."""
    other = await add_platform(world)
    account = await world.add_account()
    for platform in (world.platform, other):
        await authorize(world, account["appid"], platform)
    await add_direct(world, account=account)
    follower = await add_follower(world, account["appid"])
    issuers = (world.platform.appid, other.appid, DIRECT_ISSUER)
    return Shared(world, account["appid"], follower.openid, issuers)


async def test_each_issuer_calls_with_a_token_of_its_own(tmp_path: Path, database_url: str) -> None:
    async with Harness(tmp_path, database_url=database_url) as world:
        shared = await share(world)
        for issuer in shared.issuers:
            await shared.ask(issuer)
        tokens = await shared.tokens()
        assert len(set(tokens)) == 3
        calls = await world.calls(USER_INFO)
        assert [each["platform"] for each in calls] == [*shared.issuers[:2], None]
        assert [each["token_kind"] for each in calls] == ["authorizer", "authorizer", "stable"]
        assert [each["query"]["access_token"][-6:] for each in calls] == [str(token)[-6:] for token in tokens]


async def test_leaving_one_platform_leaves_the_others_alone(world: World) -> None:
    shared = await share(world)
    for issuer in shared.issuers:
        await shared.ask(issuer)
    first, second, direct = await shared.tokens()
    await world.act("unauthorize", platform=shared.issuers[0], appid=shared.appid)
    await settle(world)
    assert first is not None
    assert await shared.tokens() == [None, second, direct]
    with pytest.raises(NotAuthorized):
        await shared.ask(shared.issuers[0])
    await shared.ask(shared.issuers[1])
    await shared.ask(DIRECT_ISSUER)
    assert [each["errcode"] for each in await world.calls(USER_INFO)] == [0] * 5


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_rejected_token_of_one_issuer_is_no_proof_against_the_others(
    world: World, number: int
) -> None:
    shared = await share(world)
    for issuer in shared.issuers:
        await shared.ask(issuer)
    before = await shared.tokens()
    await world.add_fault(USER_INFO, "errcode", errcode=40001)
    await shared.ask(shared.issuers[number])
    after = await shared.tokens()
    assert [mine == theirs for mine, theirs in zip(before, after, strict=True) if mine != before[number]] == [
        True
    ] * 2


async def test_all_three_are_renewed_side_by_side(world: World) -> None:
    shared = await share(world)
    before = await shared.tokens()
    await world.advance(timedelta(hours=2))
    await asyncio.gather(*(shared.ask(issuer) for issuer in shared.issuers for _ in range(10)))
    after = await shared.tokens()
    assert len(set(after)) == 3
    assert not set(after) & set(before)


async def test_who_acts_must_be_said_where_several_may(world: World) -> None:
    shared = await share(world)
    with pytest.raises(ConfigError, match="several may act") as refused:
        await shared.ask(None)
    assert all(issuer in str(refused.value) for issuer in shared.issuers)


async def test_where_only_one_may_act_nothing_need_be_said(world: World) -> None:
    account = await world.add_account()
    await authorize(world, account["appid"])
    assert await world.node.calls.issuers(account["appid"]) == [world.platform.appid]
    direct = await add_direct(world)
    assert await world.node.calls.issuers(direct.appid) == [DIRECT_ISSUER]
    await world.node.calls.account(direct.appid).get("cgi-bin/user/get")


async def test_a_direct_account_without_a_configuration_is_told_how_to_make_one(world: World) -> None:
    with pytest.raises(NotAuthorized, match="nobody may act for wx0"):
        await world.node.calls.account("wx0").token()
    with pytest.raises(Exception, match="wxgate account add"):
        await world.node.calls.account("wx0", issuer=DIRECT_ISSUER).token()


async def test_a_due_direct_token_is_given_again_by_wechat_until_its_last_minutes(world: World) -> None:
    """stable_token hands out the same value until five minutes before its end; that is no failure."""
    direct = await add_direct(world)
    account = world.node.calls.account(direct.appid)
    first = await account.token()
    await world.advance(timedelta(hours=1, minutes=52))
    await account.token()
    await world.node.keeper.close()
    kept = await world.node.keeper.peek(direct_key(direct.appid))
    assert kept is not None
    assert kept.token.reveal() == first.reveal()
    await world.advance(timedelta(minutes=7, seconds=30))
    assert (await account.token()).reveal() == first.reveal()
    await world.node.keeper.close()
    assert (await account.token()).reveal() != first.reveal()


async def test_a_platform_that_was_removed_acts_for_nobody_any_more(world: World) -> None:
    shared, node = await share(world), world.node
    mine, theirs, _ = shared.issuers
    await node.configuration.remove(Kind.PLATFORM, theirs, even_if_live=True)
    node.targets.forget(shared.appid)
    assert set(await node.calls.issuers(shared.appid)) == {mine, DIRECT_ISSUER}
    assert set((await node.targets.find(shared.appid)).live) == {mine, DIRECT_ISSUER}
