"""A refresh token that WeChat refuses is mended without the merchant where that is possible, and once."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update

from tests.cast import another_node, settle
from tests.custody.confirming import Confirmed, authorization, confirm, same_tokens, their_refresh_token
from tests.harness import World
from wxgate.custody.sources import authorizer_key
from wxgate.errors import NeedsReauthorization, NotAuthorized, UpstreamError
from wxgate.events.records import EventKind
from wxgate.secret import RefreshToken
from wxgate.store.tables import authorizations

RENEWAL = "/cgi-bin/component/api_authorizer_token"
INFO = "/cgi-bin/component/api_get_authorizer_info"
LIST = "/cgi-bin/component/api_get_authorizer_list"


@pytest.fixture
async def confirmed(world: World) -> Confirmed:
    """An account that has authorised the platform, without an access token."""
    made = await confirm(world)
    await made.by_push()
    await settle(world)
    await world.advance(timedelta(hours=3))
    await world.control("DELETE", "faults")
    return made


async def spoil(world: World, appid: str, value: str = "refreshtoken@@@old") -> None:
    """Let us hold a refresh token that is not WeChat's."""
    held = await world.node.authorizations.load(world.platform.appid, appid)
    assert held is not None
    await world.node.store.authorizations.keep_refresh_token(
        world.platform.appid,
        appid,
        RefreshToken(value),
        replacing=held.refresh_token,
        reason="spoilt",
        now=world.clock.now(),
    )


async def token(world: World, appid: str) -> str:
    """Have a token of the account, fetched anew if there is none."""
    key = authorizer_key(world.platform.appid, appid)
    return (await world.node.keeper.get(key)).token.reveal()


async def notices(world: World, appid: str) -> list[str]:
    """List what we recorded about the account ourselves, oldest first."""
    events = await world.node.store.inbox.find(appid=appid)
    return [event.name for event in reversed(events) if event.kind is EventKind.GATEWAY]


async def counts(world: World) -> tuple[int, int, int]:
    """Count renewals, looks at the information and at the list that reached WeChat."""
    renewals, infos, lists = [len(await world.calls(path)) for path in (RENEWAL, INFO, LIST)]
    return renewals, infos, lists


async def test_a_refused_refresh_token_is_replaced_by_the_one_wechat_names(
    world: World, confirmed: Confirmed
) -> None:
    await spoil(world, confirmed.appid)
    before = await counts(world)
    assert await token(world, confirmed.appid)
    assert await same_tokens(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.repairs, held.repair_at) == ("active", 0, None)
    renewals, infos, lists = await counts(world)
    assert (renewals - before[0], infos - before[1], lists - before[2]) == (2, 1, 0)
    assert await notices(world, confirmed.appid) == []


async def test_a_hundred_callers_on_two_nodes_are_served_by_one_repair(
    world: World, confirmed: Confirmed
) -> None:
    await spoil(world, confirmed.appid)
    before = await counts(world)
    key = authorizer_key(world.platform.appid, confirmed.appid)
    async with another_node(world) as (node, _):
        keepers = [(world.node, node)[n % 2].keeper for n in range(100)]
        kept = await asyncio.gather(*(keeper.get(key) for keeper in keepers))
    assert len({each.token for each in kept}) == 1
    renewals, infos, _ = await counts(world)
    assert (renewals - before[0], infos - before[1]) == (2, 1)


async def test_a_lost_refresh_token_is_found_again(world: World, confirmed: Confirmed) -> None:
    async with world.node.store.database.write() as connection:
        await connection.execute(update(authorizations).values(refresh_token=None))
    assert await token(world, confirmed.appid)
    assert await same_tokens(world, confirmed.appid)


async def test_what_wechat_refuses_and_names_itself_needs_the_merchant_who_gets_a_link(
    world: World, confirmed: Confirmed
) -> None:
    await world.add_fault(RENEWAL, "errcode", errcode=61023, times=None)
    with pytest.raises(NeedsReauthorization, match="61023") as refused:
        await token(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert held.state == "needs_reauthorization"
    assert held.refresh_token is not None
    assert await notices(world, confirmed.appid) == ["wxgate.needs_reauthorization"]
    [event] = [e for e in await world.node.store.inbox.find() if e.kind is EventKind.GATEWAY]
    assert event.fields["link"] == refused.value.link
    link = urlsplit(refused.value.link)
    page = await world.fetch(f"{link.path}?{link.query}")
    assert page.status == 200
    assert confirmed.appid in page.text


async def test_an_account_that_needs_its_merchant_costs_wechat_nothing_until_the_next_look(
    world: World, confirmed: Confirmed
) -> None:
    await world.add_fault(RENEWAL, "errcode", errcode=61023, times=None)
    for _ in range(20):
        with pytest.raises(NeedsReauthorization):
            await token(world, confirmed.appid)
    assert (await counts(world))[0] == 1
    await world.control("DELETE", "faults")
    await world.advance(timedelta(minutes=6))
    assert await token(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.repairs) == ("active", 0)
    assert await notices(world, confirmed.appid) == ["wxgate.needs_reauthorization", "wxgate.active"]


async def test_a_merchant_who_authorises_again_mends_it_at_once(world: World, confirmed: Confirmed) -> None:
    await world.add_fault(RENEWAL, "errcode", errcode=61023, times=None)
    with pytest.raises(NeedsReauthorization):
        await token(world, confirmed.appid)
    await world.control("DELETE", "faults")
    await world.act(
        "update-authorization", platform=world.platform.appid, appid=confirmed.appid, func_ids=[1, 2]
    )
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await same_tokens(world, confirmed.appid)


async def test_an_account_whose_farewell_was_lost_is_revoked_when_list_and_information_agree(
    world: World, confirmed: Confirmed
) -> None:
    await world.control("POST", "faults", {"push": "unauthorized", "action": "lose"})
    await world.act("unauthorize", platform=world.platform.appid, appid=confirmed.appid)
    with pytest.raises(NotAuthorized, match="took back") as refused:
        await token(world, confirmed.appid)
    assert confirmed.appid in refused.value.link
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.refresh_token) == ("revoked", None)
    assert await notices(world, confirmed.appid) == ["wxgate.revoked"]
    assert (await counts(world))[2] == 1


@pytest.mark.parametrize("there", [1203, 500])
async def test_a_list_that_breaks_off_revokes_nobody(world: World, confirmed: Confirmed, there: int) -> None:
    class Broken(list[object]):
        """Many accounts, of which WeChat shows none."""

        def __len__(self) -> int:
            return there

        def __getitem__(self, _: object) -> object:
            return []

    for path in (RENEWAL, INFO):
        await world.add_fault(path, "errcode", errcode=61003)
    theirs = world.emulator.world.authorizations
    theirs.of_platform = lambda _: Broken()  # type: ignore[method-assign,assignment,return-value]  # WeChat's fault
    with pytest.raises(UpstreamError, match=f"ends at 0 of {there}"):
        await token(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.refresh_token is None) == ("active", False)


async def test_one_wrong_61003_revokes_nobody(world: World, confirmed: Confirmed) -> None:
    await world.add_fault(RENEWAL, "errcode", errcode=61003)
    await world.add_fault(INFO, "errcode", errcode=61003)
    with pytest.raises(NeedsReauthorization):
        await token(world, confirmed.appid)
    held = await authorization(world, confirmed.appid)
    assert held.state == "needs_reauthorization", "the list knows it"
    await world.advance(timedelta(minutes=6))
    assert await token(world, confirmed.appid)
    assert (await authorization(world, confirmed.appid)).state == "active"


async def test_while_wechat_cannot_be_asked_nothing_is_concluded(world: World, confirmed: Confirmed) -> None:
    await spoil(world, confirmed.appid)
    await world.add_fault(INFO, "cut", times=None)
    with pytest.raises(UpstreamError):
        await token(world, confirmed.appid)
    asked = await counts(world)
    for _ in range(5):
        with pytest.raises(UpstreamError, match="asked again at"):
            await token(world, confirmed.appid)
    assert await counts(world) == asked
    held = await authorization(world, confirmed.appid)
    assert held.state == "active"
    await world.control("DELETE", "faults")
    await world.advance(timedelta(minutes=2))
    assert await token(world, confirmed.appid)


async def test_a_merchant_who_authorises_again_during_the_repair_wins(
    world: World, confirmed: Confirmed
) -> None:
    await world.add_fault(RENEWAL, "errcode", errcode=61023)
    await world.add_fault(INFO, "delay", stage="after", seconds=0.3)
    asking = asyncio.create_task(token(world, confirmed.appid))
    await asyncio.sleep(0.05)
    await world.act(
        "update-authorization", platform=world.platform.appid, appid=confirmed.appid, func_ids=[1, 2]
    )
    await asyncio.gather(asking, return_exceptions=True)
    held = await authorization(world, confirmed.appid)
    assert held.state == "active"
    assert held.refresh_token is not None
    assert held.refresh_token.reveal() == their_refresh_token(world, confirmed.appid)
    assert await notices(world, confirmed.appid) == []
