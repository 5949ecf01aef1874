"""An authorization changes, ends and begins again; its refresh token is kept before it is relied on."""

import asyncio
from datetime import timedelta
from typing import cast

import pytest

from tests.cast import settle, until
from tests.custody.confirming import (
    QUERY_AUTH,
    Confirmed,
    authorization,
    confirm,
    same_tokens,
    their_refresh_token,
)
from tests.harness import World
from tests.pushing import component_event
from wxgate.custody.authorizations import Authorizations
from wxgate.custody.ports import ExchangeStore
from wxgate.custody.sources import authorizer_key
from wxgate.errors import NotAuthorized, UpstreamError

RENEWAL = "/cgi-bin/component/api_authorizer_token"
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
async def confirmed(world: World) -> Confirmed:
    """An account that has authorised the platform a minute ago."""
    made = await confirm(world)
    await made.by_push()
    await settle(world)
    await world.advance(A_MINUTE)
    return made


async def reasons(world: World, appid: str) -> list[str]:
    """List why the refresh token changed, newest first."""
    return [each.reason for each in await world.node.authorizations.history(world.platform.appid, appid)]


async def access_token(world: World, appid: str) -> str | None:
    """Look at the account's access token, if we hold one."""
    kept = await world.node.keeper.peek(authorizer_key(world.platform.appid, appid))
    return kept.token.reveal() if kept else None


async def unauthorize(world: World, appid: str) -> None:
    """Let the merchant take the authorization back."""
    told = await world.act("unauthorize", platform=world.platform.appid, appid=appid)
    assert told["outcome"] == "success"


async def test_changed_rights_replace_the_refresh_token_and_keep_its_history(
    world: World, confirmed: Confirmed
) -> None:
    before = await access_token(world, confirmed.appid)
    await world.act(
        "update-authorization", platform=world.platform.appid, appid=confirmed.appid, func_ids=[1, 2]
    )
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.reason, held.func_ids) == ("active", "updateauthorized", (1, 2))
    assert await same_tokens(world, confirmed.appid)
    assert await reasons(world, confirmed.appid) == ["updateauthorized", "authorized"]
    assert await access_token(world, confirmed.appid) != before
    fingerprints = await world.node.authorizations.history(world.platform.appid, confirmed.appid)
    assert len({each.fingerprint for each in fingerprints}) == 2


async def test_the_token_with_the_old_rights_is_gone_before_the_push_is_acknowledged(
    world: World, confirmed: Confirmed
) -> None:
    before = await access_token(world, confirmed.appid)
    await world.add_fault(QUERY_AUTH, "delay", stage="before", seconds=0.2)
    await world.act(
        "update-authorization", platform=world.platform.appid, appid=confirmed.appid, func_ids=[1, 2]
    )
    assert before is not None
    assert await access_token(world, confirmed.appid) is None
    assert await same_tokens(world, confirmed.appid)


async def test_an_account_that_leaves_takes_its_tokens_with_it_and_leaves_its_history(
    world: World, confirmed: Confirmed
) -> None:
    await unauthorize(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.reason, held.refresh_token) == ("revoked", "unauthorized", None)
    assert await access_token(world, confirmed.appid) is None
    assert await reasons(world, confirmed.appid) == ["authorized"]
    with pytest.raises(NotAuthorized, match="took back"):
        await world.node.keeper.get(authorizer_key(world.platform.appid, confirmed.appid))


async def test_an_account_may_come_back(world: World, confirmed: Confirmed) -> None:
    await unauthorize(world, confirmed.appid)
    await world.advance(A_MINUTE)
    await world.authorize(confirmed.appid)
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await same_tokens(world, confirmed.appid)
    assert await reasons(world, confirmed.appid) == ["authorized", "authorized"]


async def test_an_account_that_leaves_and_comes_back_within_a_second_is_there(
    world: World, confirmed: Confirmed
) -> None:
    await unauthorize(world, confirmed.appid)
    await world.authorize(confirmed.appid)
    assert (await authorization(world, confirmed.appid)).state == "active"


async def test_an_older_farewell_that_comes_late_changes_nothing(world: World, confirmed: Confirmed) -> None:
    long_ago = int(world.clock.now().timestamp()) - 3600
    farewell = component_event(
        world.platform.appid, "unauthorized", at=long_ago, AuthorizerAppid=confirmed.appid
    )
    told = await world.act("push", platform=world.platform.appid, xml=farewell)
    assert told["outcome"] == "success"
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await same_tokens(world, confirmed.appid)


async def test_a_farewell_before_we_ever_heard_of_the_account_keeps_a_late_code_closed(world: World) -> None:
    confirmed = await confirm(world)
    await world.advance(A_MINUTE)
    farewell = component_event(
        world.platform.appid,
        "unauthorized",
        at=int(world.clock.now().timestamp()),
        AuthorizerAppid=confirmed.appid,
    )
    await world.act("push", platform=world.platform.appid, xml=farewell)
    await confirmed.by_push()
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.refresh_token) == ("revoked", None)


async def test_a_farewell_while_the_code_is_being_exchanged_wins(world: World) -> None:
    confirmed = await confirm(world)
    await world.add_fault(QUERY_AUTH, "delay", stage="after", seconds=0.2)
    await confirmed.by_push()
    await until(lambda: world.calls(QUERY_AUTH))
    await world.advance(A_MINUTE)
    await unauthorize(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.refresh_token) == ("revoked", None)
    assert await access_token(world, confirmed.appid) is None


async def test_a_farewell_while_a_token_is_being_renewed_wins(world: World, confirmed: Confirmed) -> None:
    key = authorizer_key(world.platform.appid, confirmed.appid)
    await world.node.keeper.drop(key)
    await world.add_fault(RENEWAL, "delay", stage="after", seconds=0.2)
    asking = asyncio.create_task(world.node.keeper.get(key))
    await until(lambda: world.calls(RENEWAL))
    await unauthorize(world, confirmed.appid)
    with pytest.raises(NotAuthorized):
        await asking
    assert await access_token(world, confirmed.appid) is None
    assert (await authorization(world, confirmed.appid)).refresh_token is None


# The refresh token of a renewal


async def test_a_refresh_token_that_comes_with_a_renewal_is_kept_before_the_token_is_used(
    world: World, confirmed: Confirmed
) -> None:
    await world.control("POST", "switches", {"renewal_rotates_refresh_token": True})
    await world.node.keeper.drop(authorizer_key(world.platform.appid, confirmed.appid))
    await world.add_fault("/cgi-bin/user/get", "cut", times=None)
    with pytest.raises(UpstreamError):
        await world.node.calls.account(confirmed.appid).get("cgi-bin/user/get")
    held = await authorization(world, confirmed.appid)
    assert held.refresh_token is not None
    assert held.refresh_token.reveal() == their_refresh_token(world, confirmed.appid)
    assert await reasons(world, confirmed.appid) == ["api_authorizer_token", "authorized"]


async def test_a_renewal_whose_answer_is_lost_is_made_again_with_the_refresh_token_we_have(
    world: World, confirmed: Confirmed
) -> None:
    await world.control("POST", "switches", {"renewal_rotates_refresh_token": True})
    await world.node.keeper.drop(authorizer_key(world.platform.appid, confirmed.appid))
    await world.add_fault(RENEWAL, "cut", stage="after")
    with pytest.raises(UpstreamError) as lost:
        await world.node.calls.account(confirmed.appid).get("cgi-bin/user/get")
    assert lost.value.sent
    assert await same_tokens(world, confirmed.appid)


async def test_a_refresh_token_that_stays_the_same_makes_no_history(
    world: World, confirmed: Confirmed
) -> None:
    await world.advance(timedelta(hours=2))
    await world.node.calls.account(confirmed.appid).get("cgi-bin/user/get")
    assert await reasons(world, confirmed.appid) == ["authorized"]


async def test_a_hundred_calls_of_an_account_with_an_expired_token_renew_it_once(
    world: World, confirmed: Confirmed
) -> None:
    await world.advance(timedelta(hours=2))
    account = world.node.calls.account(confirmed.appid)
    await asyncio.gather(*(account.get("cgi-bin/user/get") for _ in range(100)))
    assert len(await world.calls(RENEWAL)) == 1


async def test_an_exchange_that_ends_between_two_looks_counts(world: World) -> None:
    """Looked for before its end, the authorization is not there; looked for after it, the job is not."""
    node = world.node
    account = await world.add_account()
    await world.add_fault(QUERY_AUTH, "hang")
    await world.authorize(account["appid"])

    class Ending:
        async def is_open(self, platform: str, appid: str) -> bool:
            await world.control("DELETE", "faults")
            await settle(world)
            return await node.store.exchanges.is_open(platform, appid)

    looking = Authorizations(
        node.store.authorizations,
        cast(ExchangeStore, Ending()),
        lambda: node.keeper,
        world.clock,
    )
    assert await looking.is_live(world.platform.appid, account["appid"])
