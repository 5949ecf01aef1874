"""Reconcile: WeChat's list against ours; what is safe is mended, and newer news always wins."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cast import another_node, authorized_account, settle, until
from tests.custody.confirming import authorization, confirm, same_tokens, their_refresh_token
from tests.harness import Harness, World
from wxgate.custody.reconciling import Report
from wxgate.custody.records import Authorization, AuthorizationFilter
from wxgate.custody.sources import authorizer_key
from wxgate.emulator.faults import Fault
from wxgate.errors import AlreadyRunning, GatewayError, NotFound, UpstreamError
from wxgate.events.records import EventKind
from wxgate.protocol.official_tests import TEST_ACCOUNTS

LIST = "/cgi-bin/component/api_get_authorizer_list"
INFO = "/cgi-bin/component/api_get_authorizer_info"
DAY = timedelta(days=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway on SQLite that reconciles only when a test says so."""
    async with Harness(tmp_path, ticket=False, reconcile_hours=0) as made:
        await made.control("POST", "switches", {"ticket_interval": 1e9})
        await made.push_ticket()
        yield made


async def reconcile(world: World, *, dry_run: bool = False) -> Report:
    return await world.node.reconciler.reconcile(world.platform.appid, dry_run=dry_run)


def told(report: Report) -> list[tuple[str, str, str]]:
    """List findings without their words."""
    return [(finding.appid, finding.kind.value, finding.outcome.value) for finding in report.findings]


async def held(world: World) -> list[Authorization]:
    """List everything we hold."""
    await settle(world)
    return list(await world.node.authorizations.find(AuthorizationFilter()))


async def unheard(world: World, act: str, appid: str, **fields: object) -> None:
    """Let something happen at WeChat whose push is lost."""
    await world.control("POST", "faults", {"push": "*", "action": "lose"})
    await world.act(act, platform=world.platform.appid, appid=appid, **fields)


def grant(world: World, count: int) -> list[str]:
    """Let many accounts have authorised the platform before we ever heard of it."""
    theirs, appids = world.emulator.world, []
    for n in range(count):
        account = theirs.put_account({"nick_name": f"店铺 {n}"})
        made, _ = theirs.authorizations.grant(world.platform.appid, account.appid, (1, 15))
        made.exchanged = True
        appids.append(account.appid)
    return appids


async def notices(world: World, appid: str) -> list[str]:
    events = await world.node.store.inbox.find(appid=appid)
    return [event.name for event in reversed(events) if event.kind is EventKind.GATEWAY]


async def test_where_both_lists_agree_there_is_nothing_to_tell_and_nobody_is_asked_about(
    world: World,
) -> None:
    await authorized_account(world)
    before, asked = await held(world), len(await world.calls(INFO))
    report = await reconcile(world)
    assert (report.listed, report.held, report.findings) == (1, 1, ())
    assert await held(world) == before
    assert len(await world.calls(INFO)) == asked


async def test_an_end_whose_push_was_lost_is_found_and_told_with_a_link(world: World) -> None:
    account = await authorized_account(world)
    await unheard(world, "unauthorize", account["appid"])
    report = await reconcile(world)
    assert told(report) == [(account["appid"], "gone", "revoked")]
    ended = await authorization(world, account["appid"])
    assert (ended.state, ended.refresh_token) == ("revoked", None)
    assert "61003" in ended.reason
    assert await world.node.keeper.current(authorizer_key(world.platform.appid, account["appid"])) is None
    assert await notices(world, account["appid"]) == ["wxgate.revoked"]
    assert told(await reconcile(world)) == [], "it is told once"


async def test_an_account_that_wechat_knows_but_does_not_list_is_only_told(world: World) -> None:
    account, other = await authorized_account(world), await authorized_account(world)
    before = await authorization(world, account["appid"])
    theirs = world.emulator.world.authorizations
    listing = theirs.of_platform
    hidden = theirs.require(world.platform.appid, account["appid"])
    theirs.of_platform = lambda platform: [a for a in listing(platform) if a is not hidden]  # type: ignore[method-assign]  # WeChat's fault, not ours
    report = await reconcile(world)
    assert told(report) == [(account["appid"], "gone", "reported")]
    assert await authorization(world, account["appid"]) == before
    assert (await authorization(world, other["appid"])).state == "active"


async def test_an_authorization_whose_push_was_lost_is_taken_in_and_works(world: World) -> None:
    confirmed = await confirm(world)
    theirs = world.emulator.world.authorizations.require(world.platform.appid, confirmed.appid)
    theirs.exchanged = True
    assert told(await reconcile(world)) == [(confirmed.appid, "new", "imported")]
    taken = await authorization(world, confirmed.appid)
    assert (taken.state, taken.reference, taken.reason) == ("active", "", "reconcile")
    assert taken.func_ids == taken.granted_ids == tuple(theirs.func_ids)
    assert int(taken.event_at.timestamp()) == theirs.authorized_at
    [change] = await world.node.authorizations.history(world.platform.appid, confirmed.appid)
    assert change.reason == "reconcile"
    assert await same_tokens(world, confirmed.appid)
    info = await world.node.accounts.load(confirmed.appid)
    assert info is not None


async def test_a_code_never_exchanged_leaves_an_account_to_its_merchant(world: World) -> None:
    confirmed = await confirm(world)
    [finding] = (await reconcile(world)).findings
    assert (finding.kind, finding.outcome) == ("new", "reported")
    assert "never exchanged" in finding.detail
    assert await world.node.authorizations.load(world.platform.appid, confirmed.appid) is None


async def test_an_account_taken_back_and_given_again_unheard_comes_back(world: World) -> None:
    account = await authorized_account(world)
    appid = account["appid"]
    await world.act("unauthorize", platform=world.platform.appid, appid=appid)
    assert (await authorization(world, appid)).state == "revoked"
    await world.advance(timedelta(minutes=1))
    await unheard(world, "authorize", appid, func_ids=[2])
    world.emulator.world.authorizations.require(world.platform.appid, appid).exchanged = True
    assert told(await reconcile(world)) == [(appid, "new", "imported")]
    back = await authorization(world, appid)
    assert (back.state, back.func_ids, back.lost_ids) == ("active", (2,), ())
    assert await same_tokens(world, appid)


async def test_a_refresh_token_changed_while_we_were_away_is_taken_over(world: World) -> None:
    account = await authorized_account(world)
    appid = account["appid"]
    await world.advance(timedelta(hours=3))
    theirs = world.emulator.world.authorizations
    theirs.rotate(theirs.require(world.platform.appid, appid))
    assert told(await reconcile(world)) == [(appid, "changed", "adopted")]
    held_token = (await authorization(world, appid)).refresh_token
    assert held_token is not None
    assert held_token.reveal() == their_refresh_token(world, appid)
    assert told(await reconcile(world)) == []


async def test_a_refresh_token_that_we_have_just_got_is_not_replaced_by_a_list_that_lags(
    world: World,
) -> None:
    account = await authorized_account(world)
    before = await authorization(world, account["appid"])
    theirs = world.emulator.world.authorizations
    theirs.rotate(theirs.require(world.platform.appid, account["appid"]))
    assert told(await reconcile(world)) == [(account["appid"], "changed", "reported")]
    assert await authorization(world, account["appid"]) == before


async def test_permission_sets_taken_away_unheard_degrade_and_given_again_mend(world: World) -> None:
    account = await authorized_account(world)
    appid = account["appid"]
    before = await authorization(world, appid)
    kept = list(before.func_ids[1:])
    await world.advance(timedelta(minutes=1))
    await unheard(world, "authorize", appid, func_ids=kept)
    [finding] = (await reconcile(world)).findings
    assert (finding.kind, finding.outcome) == ("changed", "adopted")
    assert f"missing: {before.func_ids[0]}" in finding.detail
    less = await authorization(world, appid)
    assert (less.state, less.func_ids, less.lost_ids) == ("degraded", tuple(kept), before.func_ids[:1])
    assert told(await reconcile(world)) == [], "it is told once"
    world.emulator.world.authorizations.require(world.platform.appid, appid).func_ids = [*before.func_ids]
    [finding] = (await reconcile(world)).findings
    assert finding.outcome == "updated"
    assert (await authorization(world, appid)).state == "active"


@pytest.mark.slow
async def test_eleven_hundred_accounts_are_read_in_three_pages_and_taken_in(world: World) -> None:
    appids = grant(world, 1100)
    report = await reconcile(world)
    assert report.counts == {"new": 1100, "gone": 0, "changed": 0}
    assert [call["body"]["offset"] for call in await world.calls(LIST)] == [0, 500, 1000]
    assert [one.appid for one in await held(world)] == sorted(appids)
    assert {one.state for one in await held(world)} == {"active"}
    last = await world.node.reconciler.last(world.platform.appid)
    assert last is not None
    assert (last["listed"], len(last["findings"]), last["findings_left_out"]) == (1100, 500, 600)


async def test_an_account_that_slips_through_while_the_list_changes_is_seen_all_the_same(
    world: World,
) -> None:
    appids = grant(world, 501)
    theirs, platform = world.emulator.world.authorizations, world.platform.appid
    listing, asked = theirs.of_platform, []

    def shrinking(of: str) -> object:
        # Between the first page and the second, the first account ends; the 501st moves to the first page.
        if len(asked) == 1:
            theirs.cancel(platform, appids[0])
        asked.append(of)
        return listing(of)

    theirs.of_platform = shrinking  # type: ignore[method-assign,assignment]  # WeChat's side, between two calls
    report = await reconcile(world, dry_run=True)
    assert {finding.appid for finding in report.findings if finding.outcome == "imported"} == {*appids[1:]}
    assert [finding.appid for finding in report.findings if finding.outcome == "reported"] == [appids[0]]


async def test_wechats_own_test_accounts_are_left_out_on_both_sides(world: World) -> None:
    here, there, *_ = sorted(TEST_ACCOUNTS)
    for appid in (here, there):
        await world.add_account(appid=appid)
    await world.authorize(here)
    await settle(world)
    await unheard(world, "unauthorize", here)
    await unheard(world, "authorize", there)
    world.emulator.world.authorizations.require(world.platform.appid, there).exchanged = True
    before = await held(world)
    report = await reconcile(world)
    assert (report.findings, report.listed, report.tests) == ((), 0, 1)
    assert await held(world) == before


async def test_a_dry_run_tells_the_same_and_changes_nothing(world: World) -> None:
    ended, rotated = [(await authorized_account(world))["appid"] for _ in range(2)]
    await world.advance(timedelta(hours=3))
    await unheard(world, "unauthorize", ended)
    theirs = world.emulator.world.authorizations
    theirs.rotate(theirs.require(world.platform.appid, rotated))
    [new] = grant(world, 1)
    before = await held(world)
    dry = await reconcile(world, dry_run=True)
    assert await held(world) == before
    assert await world.node.accounts.load(new) is None
    assert await world.node.reconciler.last(world.platform.appid) is None
    assert dry.findings == (await reconcile(world)).findings
    assert sorted(told(dry)) == sorted(
        [(ended, "gone", "revoked"), (rotated, "changed", "adopted"), (new, "new", "imported")]
    )


@pytest.mark.parametrize("fault", [{"action": "cut"}, {"action": "errcode", "errcode": 45009}])
async def test_a_list_that_breaks_off_changes_nothing_and_is_read_again(
    world: World, fault: dict[str, object]
) -> None:
    account = await authorized_account(world)
    await unheard(world, "unauthorize", account["appid"])
    grant(world, 501)
    before = await held(world)
    await world.control("POST", "faults", {"path": LIST, "skip": 1, "times": None, **fault})
    with pytest.raises(GatewayError):
        await reconcile(world)
    assert await held(world) == before
    await world.control("DELETE", "faults")
    assert (await reconcile(world, dry_run=True)).counts == {"new": 501, "gone": 1, "changed": 0}


async def test_a_list_that_counts_accounts_and_names_none_is_not_believed(world: World) -> None:
    await authorized_account(world)
    before = await held(world)
    theirs = world.emulator.world.authorizations

    class Silent(list[object]):
        def __getitem__(self, _: object) -> object:
            return []

    listing = theirs.of_platform
    theirs.of_platform = lambda platform: Silent(listing(platform))  # type: ignore[method-assign,assignment,return-value,arg-type]  # WeChat's fault
    with pytest.raises(UpstreamError, match="names none"):
        await reconcile(world)
    assert await held(world) == before


async def test_what_could_not_be_asked_about_is_told_and_left_for_the_next_time(world: World) -> None:
    accounts = [(await authorized_account(world))["appid"] for _ in range(16)]
    for appid in accounts:
        await unheard(world, "unauthorize", appid)
    asked = len(await world.calls(INFO))
    await world.control(
        "POST", "faults", {"path": INFO, "action": "errcode", "errcode": 45009, "times": None}
    )
    report = await reconcile(world)
    assert {outcome for _, _, outcome in told(report)} == {"reported"}
    assert 5 <= len(await world.calls(INFO)) - asked < 16, "after a few refusals the rest is not asked"
    await world.control("DELETE", "faults")
    assert {outcome for _, _, outcome in told(await reconcile(world))} == {"revoked"}


async def test_news_that_comes_while_an_account_is_looked_into_wins(world: World) -> None:
    account = await authorized_account(world)
    appid = account["appid"]
    await unheard(world, "unauthorize", appid)
    await world.control(
        "POST", "faults", {"path": INFO, "action": "delay", "seconds": 0.6, "id": "slow", "stage": "after"}
    )
    run = asyncio.create_task(reconcile(world))
    fault = next(one for one in world.emulator.emulator.faults.all() if one.id == "slow")
    await until(lambda: _has_struck(fault))
    await world.advance(timedelta(seconds=2))
    await world.authorize(appid)
    await until(lambda: _is_ours(world, appid))
    report = await run
    assert told(report) == [(appid, "gone", "overtaken")]
    assert (await authorization(world, appid)).state == "active"
    assert await same_tokens(world, appid)


async def test_news_that_comes_while_the_list_is_read_wins(world: World) -> None:
    given, ended = [(await authorized_account(world))["appid"] for _ in range(2)]
    await world.control("POST", "faults", {"path": LIST, "action": "delay", "seconds": 0.6, "stage": "after"})
    [fault] = world.emulator.emulator.faults.all()
    run = asyncio.create_task(reconcile(world))
    await until(lambda: _has_struck(fault))
    await world.advance(timedelta(seconds=2))
    await world.authorize(given, func_ids=[1, 2])
    await world.act("unauthorize", platform=world.platform.appid, appid=ended)
    await settle(world)
    report = await run
    assert "imported" not in {outcome for _, _, outcome in told(report)}
    assert (await authorization(world, ended)).state == "revoked"
    assert (await authorization(world, given)).func_ids == (1, 2)
    assert await same_tokens(world, given)


async def _has_struck(fault: Fault) -> bool:
    return fault.hits > 0


async def _is_ours(world: World, appid: str) -> bool:
    loaded = await world.node.authorizations.load(world.platform.appid, appid)
    return (
        loaded is not None
        and loaded.refresh_token is not None
        and (loaded.refresh_token.reveal() == their_refresh_token(world, appid))
    )


async def test_one_of_two_nodes_does_it_and_the_other_says_so(world: World) -> None:
    await world.control("POST", "faults", {"path": LIST, "action": "delay", "seconds": 0.3})
    async with another_node(world) as (other, _):
        runs = await asyncio.gather(
            reconcile(world), other.reconciler.reconcile(world.platform.appid), return_exceptions=True
        )
    assert sorted(type(run).__name__ for run in runs) == ["AlreadyRunning", "Report"]
    assert len(await world.calls(LIST)) == 1


async def test_an_unknown_platform_is_named(world: World) -> None:
    with pytest.raises(NotFound, match="wx0000000000000000"):
        await world.node.reconciler.reconcile("wx0000000000000000")


async def test_every_platform_is_reconciled_by_one_node_once_an_interval(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        await world.control("POST", "switches", {"ticket_interval": 1e9})
        await world.push_ticket()
        async with another_node(world) as (other, _):
            nodes = (world.node, other)

            async def look() -> int:
                await asyncio.gather(*(node.reconciler.tick() for node in nodes))
                return len(await world.calls(LIST))

            assert await look() == 0, "a start of many nodes is no reason to ask WeChat"
            await world.advance(DAY)
            await world.push_ticket()
            assert await look() == 1
            assert await look() == 1
            await world.advance(DAY / 2)
            assert await look() == 1
            await world.advance(DAY / 2)
            await world.push_ticket()
            assert await look() == 2


async def test_a_scheduled_run_that_fails_is_repeated_within_the_hour(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        await world.control("POST", "switches", {"ticket_interval": 1e9})
        await world.push_ticket()
        await world.node.reconciler.tick()
        await world.advance(DAY)
        await world.push_ticket()
        await world.control("POST", "faults", {"path": LIST, "action": "cut", "times": None})
        await world.node.reconciler.tick()
        assert await world.node.reconciler.last(world.platform.appid) is None
        await world.control("DELETE", "faults")
        before = len(await world.calls(LIST))
        await world.advance(timedelta(minutes=5))
        await world.node.reconciler.tick()
        assert len(await world.calls(LIST)) == before
        await world.advance(timedelta(hours=1))
        await world.node.reconciler.tick()
        assert await world.node.reconciler.last(world.platform.appid) is not None


async def test_a_node_whose_lease_was_lost_stops_before_it_changes_anything(world: World) -> None:
    [new] = grant(world, 1)
    await world.control("POST", "faults", {"path": LIST, "action": "delay", "seconds": 0.8, "id": "slow"})
    fault = next(one for one in world.emulator.emulator.faults.all() if one.id == "slow")
    stalled = asyncio.create_task(reconcile(world))
    await until(lambda: _has_struck(fault))
    await world.advance(timedelta(minutes=4))
    async with another_node(world) as (other, _):
        assert len((await other.reconciler.reconcile(world.platform.appid)).findings) == 1
    with pytest.raises(AlreadyRunning):
        await stalled
    assert len(await world.node.authorizations.history(world.platform.appid, new)) == 1
