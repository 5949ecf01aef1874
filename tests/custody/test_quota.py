"""Quotas are read and cleared for platforms and accounts, and no clearing is ever counted too few."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cast import add_direct, authorized_account
from tests.harness import World
from wxgate.client.quota import Reading
from wxgate.custody.quota import CLEARS_A_MONTH, Unread, month_of, next_month
from wxgate.custody.records import ClearOutcome, ClearWay
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.custody.wording import next_day
from wxgate.errors import ClearsUsedUp, RateLimited, UpstreamError, WeChatError
from wxgate.protocol.tokens import TokenKey

SEND = "/cgi-bin/message/custom/send"
MENU = "/cgi-bin/menu/get"
COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"
AUTHORIZER_TOKEN = "/cgi-bin/component/api_authorizer_token"

WAYS = {
    ("component", ClearWay.ACCESS): "/cgi-bin/component/clear_quota",
    ("component", ClearWay.APPSECRET): "/cgi-bin/component/clear_quota/v2",
    ("authorizer", ClearWay.ACCESS): "/cgi-bin/clear_quota",
    ("authorizer", ClearWay.APPSECRET): "/cgi-bin/component/clear_quota/v2",
    ("direct", ClearWay.ACCESS): "/cgi-bin/clear_quota",
    ("direct", ClearWay.APPSECRET): "/cgi-bin/clear_quota/v2",
}


async def key_of(world: World, kind: str) -> TokenKey:
    """Make somebody of a kind who has quotas."""
    if kind == "component":
        return component_key(world.platform.appid)
    if kind == "direct":
        return direct_key((await add_direct(world)).appid)
    return authorizer_key(world.platform.appid, (await authorized_account(world))["appid"])


async def noted(world: World, key: TokenKey) -> list[ClearOutcome]:
    """List what is noted of this month's clearings."""
    month = month_of(world.clock.now())
    return [clear.outcome for clear in await world.node.store.quota.clears(key.account, month)]


@pytest.mark.parametrize(
    ("moment", "month", "renews"),
    [
        ("2026-11-30T15:59:59", "2026-11", "2026-11-30T16:00:00"),
        ("2026-11-30T16:00:00", "2026-12", "2026-12-31T16:00:00"),
        ("2026-12-31T16:00:00", "2027-01", "2027-01-31T16:00:00"),
    ],
)
def test_months_and_days_end_at_midnight_in_china(moment: str, month: str, renews: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert month_of(now) == month
    assert next_month(now) == datetime.fromisoformat(renews).replace(tzinfo=UTC)
    assert timedelta(0) < next_day(now) - now <= timedelta(days=1)


async def test_the_calls_that_are_left_are_told_by_path(world: World) -> None:
    key = await key_of(world, "authorizer")
    await world.node.calls.account(key.account).get(MENU)
    report = await world.node.quotas.show(key, [MENU.lstrip("/"), "/sns/userinfo"])
    assert report.readings[0] == Reading(MENU, 10_000, 1, 9_999)
    unread = report.readings[1]
    assert isinstance(unread, Unread)
    assert (unread.path, unread.errcode) == ("/sns/userinfo", 76022)
    assert (report.clears.used, report.clears.left) == (0, CLEARS_A_MONTH)
    assert report.resets_at == next_day(world.clock.now())


@pytest.mark.parametrize("kind", ["component", "authorizer", "direct"])
async def test_without_a_path_the_usual_ones_are_read(world: World, kind: str) -> None:
    report = await world.node.quotas.show(await key_of(world, kind))
    assert len(report.readings) > 3
    assert all(isinstance(reading, Reading) for reading in report.readings)


@pytest.mark.parametrize(("kind", "way"), WAYS)
async def test_every_variant_of_clearing_is_asked_for_as_wechat_wants_it(
    world: World, kind: str, way: ClearWay
) -> None:
    key = await key_of(world, kind)
    cleared = await world.node.quotas.clear(key, way)
    assert (cleared.way, cleared.clears.used, cleared.clears.left) == (way, 1, 9)
    assert [call["errcode"] for call in await world.calls(WAYS[kind, way])] == [0]
    assert await noted(world, key) == [ClearOutcome.ACCEPTED]


async def test_the_counts_begin_anew_after_a_clearing(world: World) -> None:
    key = await key_of(world, "authorizer")
    await world.node.calls.account(key.account).get(MENU)
    await world.node.quotas.clear(key)
    (reading,) = (await world.node.quotas.show(key, [MENU])).readings
    assert isinstance(reading, Reading)
    assert reading.used == 0


async def test_a_token_that_is_itself_out_of_quota_does_not_stand_in_the_way(world: World) -> None:
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=45009, times=None)
    key = component_key(world.platform.appid)
    with pytest.raises(RateLimited):
        await world.node.keeper.get(key)
    cleared = await world.node.quotas.clear(key)
    assert cleared.way is ClearWay.APPSECRET
    assert await world.calls("/cgi-bin/component/clear_quota/v2")


async def test_the_eleventh_clearing_of_a_month_is_not_even_asked_for(world: World) -> None:
    key = component_key(world.platform.appid)
    for _ in range(CLEARS_A_MONTH):
        await world.node.quotas.clear(key, ClearWay.ACCESS)
    renews = next_month(world.clock.now())
    with pytest.raises(ClearsUsedUp, match=f"{renews:%Y-%m-%d}") as refused:
        await world.node.quotas.clear(key)
    assert refused.value.renews_at == renews
    assert len(await world.calls("/cgi-bin/component/clear_quota")) == CLEARS_A_MONTH
    assert (await world.node.quotas.clears(key.account)).left == 0


async def test_a_clearing_that_wechat_refused_does_not_count(world: World) -> None:
    key = await key_of(world, "direct")
    await world.add_fault("/cgi-bin/clear_quota", "errcode", errcode=48006, times=1)
    with pytest.raises(WeChatError) as refused:
        await world.node.quotas.clear(key)
    assert refused.value.errcode == 48006
    assert await noted(world, key) == []


async def test_a_clearing_whose_answer_was_lost_counts(world: World) -> None:
    key = await key_of(world, "direct")
    await world.node.keeper.get(key)
    await world.add_fault("/cgi-bin/clear_quota", "cut", stage="after", times=1)
    with pytest.raises(UpstreamError, match="quota show"):
        await world.node.quotas.clear(key)
    assert await noted(world, key) == [ClearOutcome.SENT]


async def test_trouble_on_the_way_to_a_token_is_no_clearing(world: World) -> None:
    key = await key_of(world, "direct")
    await world.add_fault("/cgi-bin/stable_token", "cut", stage="after", times=None)
    with pytest.raises(UpstreamError):
        await world.node.quotas.clear(key)
    assert await noted(world, key) == []


async def test_what_a_request_was_is_told_without_its_secrets(world: World) -> None:
    key = await key_of(world, "authorizer")
    with pytest.raises(WeChatError) as refused:
        await world.node.calls.account(key.account).get("/cgi-bin/user/info", {"openid": "nobody"})
    assert refused.value.rid
    request = await world.node.quotas.request(key, refused.value.rid)
    assert request["invoke_time"]
    kept = await world.node.keeper.get(key)
    assert kept.token.reveal() not in str(request)


def test_a_secret_in_a_quoted_body_is_hidden() -> None:
    from wxgate.custody.quota import QUOTED_SECRET

    body = '{"component_appsecret": "abc", "authorizer_refresh_token":"r-1","errcode":0,"code":"kept"}'
    hidden = QUOTED_SECRET.sub(r'\1"****"', body)
    assert "abc" not in hidden
    assert "r-1" not in hidden
    assert '"errcode":0' in hidden
