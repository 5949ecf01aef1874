"""A token is replaced on proof alone: WeChat refused it, it is still ours, and one new try is made."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.cast import add_direct, add_follower, authorized_account, settle
from tests.harness import World
from tests.pushing import metric
from wxgate.custody.records import InvalidReport, KeptToken
from wxgate.custody.sources import authorizer_key, direct_key
from wxgate.custody.token_memory import RECHECK
from wxgate.errors import (
    ComponentTokenRejected,
    NotAuthorized,
    RenewalsExhausted,
    TokenRejected,
    UpstreamError,
    WeChatError,
)
from wxgate.protocol.tokens import REJECTIONS_MOST, REPORTS_MOST
from wxgate.secret import AuthorizerToken

USER_INFO = "/cgi-bin/user/info"
RENEWAL = "/cgi-bin/component/api_authorizer_token"
PREAUTH = "/cgi-bin/component/api_create_preauthcode"
STABLE = "/cgi-bin/stable_token"
COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"


async def token_of(world: World, appid: str) -> KeptToken:
    """Look at the account's token as it stands."""
    kept = await world.node.keeper.peek(authorizer_key(world.platform.appid, appid))
    assert kept is not None
    return kept


async def spoil(world: World, **which: str) -> None:
    """Let WeChat end tokens before their time, without a word to anybody."""
    assert (await world.control("POST", "tokens/expire", which))["expired"] >= 1


async def ask(world: World, appid: str, openid: str) -> Any:
    """Call WeChat on behalf of the account."""
    return await world.node.calls.account(appid).get("cgi-bin/user/info", {"openid": openid})


async def test_a_call_with_a_rejected_token_is_replayed_once_with_a_new_one(world: World) -> None:
    account = await authorized_account(world)
    follower = await add_follower(world, account["appid"])
    old = await token_of(world, account["appid"])
    await spoil(world, appid=account["appid"])
    answer = await ask(world, account["appid"], follower.openid)
    assert answer["openid"] == follower.openid
    rejected, accepted = await world.calls(USER_INFO)
    assert (rejected["errcode"], accepted["errcode"]) == (40001, 0)
    assert rejected["query"]["access_token"] == f"****{old.token.reveal()[-6:]}"
    new = await token_of(world, account["appid"])
    assert accepted["query"]["access_token"] == f"****{new.token.reveal()[-6:]}"
    assert len(await world.calls(RENEWAL)) == 1


async def test_a_message_that_is_replayed_reaches_the_user_once(world: World) -> None:
    account = await authorized_account(world)
    follower = await add_follower(world, account["appid"])
    await follower.writes()
    await spoil(world, appid=account["appid"])
    await world.node.calls.account(account["appid"]).post(
        "cgi-bin/message/custom/send",
        json={"touser": follower.openid, "msgtype": "text", "text": {"content": "您好，编号😀"}},
    )
    assert [each["content"] for each in await follower.sees()] == ["您好，编号😀"]


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_second_rejection_is_the_callers_to_hear(world: World, errcode: int) -> None:
    account = await authorized_account(world)
    await world.add_fault(USER_INFO, "errcode", errcode=errcode, times=None)
    with pytest.raises(TokenRejected) as refused:
        await ask(world, account["appid"], "o1")
    assert refused.value.errcode == errcode
    assert refused.value.rid
    assert len(await world.calls(USER_INFO)) == 2
    assert len(await world.calls(RENEWAL)) == 1


async def test_another_refusal_is_not_replayed(world: World) -> None:
    account = await authorized_account(world)
    with pytest.raises(WeChatError) as refused:
        await ask(world, account["appid"], "o-nobody")
    assert refused.value.errcode == 40003
    assert len(await world.calls(USER_INFO)) == 1
    assert await world.calls(RENEWAL) == []


async def test_a_hundred_callers_with_one_rejected_token_renew_it_once(world: World) -> None:
    account = await authorized_account(world)
    follower = await add_follower(world, account["appid"])
    await spoil(world, appid=account["appid"])
    await asyncio.gather(*(ask(world, account["appid"], follower.openid) for _ in range(100)))
    assert len(await world.calls(RENEWAL)) == 1


async def test_a_report_about_a_token_that_is_no_longer_ours_asks_nothing(world: World) -> None:
    account = await authorized_account(world)
    key = authorizer_key(world.platform.appid, account["appid"])
    old = await token_of(world, account["appid"])
    await spoil(world, appid=account["appid"])
    keeper = world.node.keeper
    first = await keeper.report_invalid(key, old.token)
    assert first.renewed
    assert first.current is not None
    assert first.current.token != old.token
    calls = len(await world.calls(""))
    assert await keeper.report_invalid(key, old.token) == InvalidReport(False, first.current)
    assert await keeper.report_invalid(key, AuthorizerToken("made up")) == InvalidReport(False, first.current)
    assert len(await world.calls("")) == calls


async def test_a_rejected_component_token_is_renewed_and_the_call_replayed(world: World) -> None:
    caller = world.node.calls.platform(world.platform.appid)
    body = {"component_appid": world.platform.appid}
    await caller.post("cgi-bin/component/api_create_preauthcode", json=body)
    begun = len(await world.calls(COMPONENT_TOKEN))
    await spoil(world, appid=world.platform.appid)
    answer = await caller.post("cgi-bin/component/api_create_preauthcode", json=body)
    assert answer["pre_auth_code"].startswith("preauthcode@@@")
    assert [each["errcode"] for each in await world.calls(PREAUTH)] == [0, 40001, 0]
    assert len(await world.calls(COMPONENT_TOKEN)) == begun + 1


async def test_a_component_token_that_is_rejected_again_is_told_as_such(world: World) -> None:
    await world.add_fault(PREAUTH, "errcode", errcode=42006, times=2)
    with pytest.raises(ComponentTokenRejected):
        await world.node.calls.platform(world.platform.appid).post(
            "cgi-bin/component/api_create_preauthcode", json={"component_appid": world.platform.appid}
        )


async def test_both_tokens_gone_at_once_are_both_renewed(world: World) -> None:
    """WeChat forgets everything: the account's token, and the component token its renewal needs."""
    account = await authorized_account(world)
    follower = await add_follower(world, account["appid"])
    await spoil(world)
    assert (await ask(world, account["appid"], follower.openid))["openid"] == follower.openid
    assert [each["errcode"] for each in await world.calls(RENEWAL)] == [40001, 0]


async def test_a_token_dropped_by_another_process_is_not_used_for_longer_than_memory_is_trusted(
    world: World,
) -> None:
    account = await authorized_account(world)
    key = authorizer_key(world.platform.appid, account["appid"])
    old = await world.node.keeper.get(key)
    await world.node.store.tokens.drop(key)
    await world.advance(RECHECK)
    assert (await world.node.keeper.get(key)).token != old.token


async def test_the_account_of_a_closed_authorization_cannot_be_called(world: World) -> None:
    account = await authorized_account(world)
    await world.act("unauthorize", platform=world.platform.appid, appid=account["appid"])
    await settle(world)
    with pytest.raises(NotAuthorized, match="took back"):
        await ask(world, account["appid"], "o1")
    with pytest.raises(NotAuthorized, match="took back"):
        await world.node.calls.account(account["appid"], issuer=world.platform.appid).token()
    assert await world.calls(USER_INFO) == []


async def test_a_token_that_is_rejected_however_new_is_left_alone_after_a_few(world: World) -> None:
    account = await authorized_account(world)
    await world.add_fault(USER_INFO, "errcode", errcode=40001, times=None)
    for _ in range(REJECTIONS_MOST):
        with pytest.raises(TokenRejected):
            await ask(world, account["appid"], "o1")
    with pytest.raises(RenewalsExhausted, match="renewing does not help") as exhausted:
        await ask(world, account["appid"], "o1")
    assert len(await world.calls(RENEWAL)) == REJECTIONS_MOST
    reports = "wxgate_token_reports_total"
    assert await metric(world, reports, kind="authorizer", outcome="exhausted") == 1
    await world.advance(exhausted.value.retry_at - world.clock.now())
    with pytest.raises(TokenRejected):
        await ask(world, account["appid"], "o1")
    assert len(await world.calls(RENEWAL)) == REJECTIONS_MOST + 1


async def test_whoever_reports_good_tokens_cannot_use_up_what_mends_a_bad_one(world: World) -> None:
    account = await authorized_account(world)
    follower = await add_follower(world, account["appid"])
    keeper, key = world.node.keeper, authorizer_key(world.platform.appid, account["appid"])
    for _ in range(REPORTS_MOST):
        assert (await keeper.report_invalid(key, (await keeper.get(key)).token)).renewed
    with pytest.raises(RenewalsExhausted):
        await keeper.report_invalid(key, (await keeper.get(key)).token)
    await world.add_fault(USER_INFO, "errcode", errcode=40001)
    assert (await ask(world, account["appid"], follower.openid))["openid"] == follower.openid
    assert len(await world.calls(RENEWAL)) == REPORTS_MOST + 1


async def test_a_direct_token_is_forced_only_when_wechat_still_gives_the_rejected_one(world: World) -> None:
    direct = await add_direct(world)
    key = direct_key(direct.appid)
    keeper = world.node.keeper
    old = await keeper.get(key)
    assert (await keeper.report_invalid(key, old.token)).renewed
    new = await keeper.get(key)
    assert new.token != old.token
    assert [each["body"]["force_refresh"] for each in await world.calls(STABLE)] == [False, False, True]
    await world.advance(timedelta(hours=2))
    await keeper.get(key)
    assert [each["body"]["force_refresh"] for each in await world.calls(STABLE)][3:] == [False]


async def test_forcing_again_too_soon_gives_a_clear_error_and_no_rejected_token(world: World) -> None:
    direct = await add_direct(world)
    key = direct_key(direct.appid)
    keeper = world.node.keeper
    await keeper.report_invalid(key, (await keeper.get(key)).token)
    kept = await keeper.get(key)
    with pytest.raises(UpstreamError, match="30 seconds"):
        await keeper.report_invalid(key, kept.token)
    await world.advance(timedelta(seconds=31))
    assert (await keeper.get(key)).token != kept.token
