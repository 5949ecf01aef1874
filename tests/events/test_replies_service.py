"""Seeing and setting who replies for an account."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from tests.store.moments import NOW
from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.events.planning import Planner
from wxgate.events.policies import DEFAULT, Party, Policy
from wxgate.events.replies import OTHERS, Replies
from wxgate.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
PARTIES = {
    "wx1": [Party("wxa", START, (1,)), Party("wxb", START, (2,))],
    "wx2": [Party("wxb", START, (18,))],
}


async def parties_of(appid: str) -> Sequence[Party]:
    return PARTIES.get(appid, [])


async def is_mini_program(appid: str) -> bool:
    return appid == "wx2"


@pytest.fixture
async def replies(sqlite_url: str) -> AsyncIterator[Replies]:
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    clock = ManualClock(NOW)
    planner = Planner(store.policies, clock, parties_of=parties_of, is_mini_program=is_mini_program)
    yield Replies(store.policies, planner, clock)
    await store.close()


async def test_without_a_policy_what_is_built_in_holds(replies: Replies) -> None:
    view = await replies.show("wx1")
    assert (view.source, view.policy.policy, view.answers) == ("built_in", Policy.ANSWER, "wxa")
    assert [party.issuer for party in view.parties] == ["wxa", "wxb"]
    assert OTHERS in view.advice
    assert any("only wxa answers" in advice.en and "wxa" in advice.zh for advice in view.advice)


async def test_the_default_holds_where_an_account_has_no_policy_of_its_own(replies: Replies) -> None:
    await replies.set(DEFAULT, policy="silent")
    await replies.set("wx1", policy="answer", default_text="稍后回复")
    assert (await replies.show("wx2")).source == "default"
    assert (await replies.show("wx2")).policy.policy is Policy.SILENT
    assert (await replies.show("wx1")).policy.default_text == "稍后回复"
    assert await replies.reset("wx1")
    assert (await replies.show("wx1")).policy.policy is Policy.SILENT
    assert not await replies.reset("wx1")
    assert [policy.appid for policy in await replies.list_policies()] == [DEFAULT]


async def test_a_change_leaves_the_rest(replies: Replies) -> None:
    await replies.set("wx1", default_text="一", hold_retries=False)
    view = await replies.set("wx1", platform="wxb", custom_message=False)
    policy = view.policy
    assert (policy.default_text, policy.hold_retries, policy.platform) == ("一", False, "wxb")
    assert (view.answers, policy.custom_message, policy.updated_at) == ("wxb", False, NOW)
    assert (await replies.set("wx1", platform="", default_text="")).policy.default_text == ""


async def test_who_chose_silence_is_not_told_to_choose_it(replies: Replies) -> None:
    assert OTHERS not in (await replies.set("wx1", policy=Policy.SILENT)).advice


async def test_what_keeps_a_late_reply_from_being_sent_is_said(replies: Replies) -> None:
    view = await replies.show("wx2")
    assert view.mini_program
    assert any("was not given the permission set" in advice.en for advice in view.advice)


async def test_a_platform_that_has_lost_the_account_is_told_of(replies: Replies) -> None:
    await replies.set("wx1", platform="wxb")
    PARTIES["wx1"], kept = PARTIES["wx1"][:1], PARTIES["wx1"]
    try:
        view = await replies.show("wx1")
    finally:
        PARTIES["wx1"] = kept
    assert view.answers == "wxa"
    assert any("wxb was chosen to answer but may not act" in advice.en for advice in view.advice)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policy": "loud"}, "answer, silent, transfer_customer_service"),
        ({"replier": "sub_missing"}, "no subscriber 'sub_missing'"),
        ({"platform": "wxz"}, "may not act for wx1, so it cannot answer; of yours wxa, wxb"),
        ({"default_text": "字" * 700}, "the default text cannot be sent"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    replies: Replies, change: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        await replies.set("wx1", **change)  # type: ignore[arg-type]
    assert (await replies.show("wx1")).source == "built_in"


async def test_which_platform_answers_is_not_said_for_all(replies: Replies) -> None:
    with pytest.raises(ConfigError, match="for each account"):
        await replies.set(DEFAULT, platform="wxa")
