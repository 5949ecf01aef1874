"""Which of our platforms answers for an account, and how."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.events.policies import BUILT_IN, NOBODY, Party, Plan, Policy, ReplyPolicy, answering, make_plan
from wxgate.events.records import EventKind
from wxgate.protocol.replies import Text

START = datetime(2026, 1, 1, tzinfo=UTC)


def party(issuer: str, days: int = 0, *func_ids: int) -> Party:
    return Party(issuer, START + timedelta(days=days), func_ids)


@pytest.mark.parametrize(
    ("parties", "chosen"),
    [
        ([], None),
        ([party("wxa")], "wxa"),
        ([party("wxa", 2, 1), party("wxb", 1, 1)], "wxb"),
        ([party("wxb", 1, 1), party("wxa", 1, 1)], "wxa"),
        ([party("wxa", 0, 2, 3), party("wxb", 5, 1)], "wxb"),
        ([party("wxa", 0, 18), party("wxb", 5, 19)], "wxb"),
        ([party("wxa", 3), party("wxb", 2)], "wxb"),
        ([party("wxa", 0, 1), Party("direct")], "direct"),
        ([party("wxa", 0, 1), Party("direct", heard=False)], "wxa"),
        ([party("wxa", 0, 2), Party("direct", heard=False)], "wxa"),
        ([Party("direct", heard=False)], "direct"),
    ],
)
def test_the_first_that_may_speak_answers(parties: list[Party], chosen: str | None) -> None:
    assert answering(BUILT_IN, parties) == chosen


def test_a_push_to_the_accounts_own_server_shows_that_it_is_heard() -> None:
    both = [party("wxa", 0, 1), Party("direct", heard=False)]
    assert make_plan(BUILT_IN, both, issuer="direct", kind=EventKind.MESSAGE).speaks
    assert make_plan(BUILT_IN, both, issuer="wxa", kind=EventKind.MESSAGE).speaks


def test_the_platform_that_was_chosen_answers_while_it_is_authorised() -> None:
    policy = replace(BUILT_IN, platform="wxb")
    both = [party("wxa", 0, 1), party("wxb", 1, 1), Party("direct")]
    assert answering(policy, both) == "wxb"
    assert answering(policy, [both[0]]) == "wxa"


def plan(policy: ReplyPolicy, kind: EventKind = EventKind.MESSAGE, issuer: str = "wxa") -> Plan:
    return make_plan(policy, [party("wxa", 0, 1), party("wxb", 1, 1)], issuer=issuer, kind=kind)


def test_without_a_policy_the_handlers_answer_and_the_retries_are_held() -> None:
    assert plan(BUILT_IN) == Plan(handlers=True, hold=True, fallback=True)


def test_what_comes_through_another_platform_is_left_to_the_one_that_answers() -> None:
    other = plan(BUILT_IN, issuer="wxb")
    assert not other.handled
    assert not other.speaks
    assert "wxa answers" in other.remark


def test_silence_calls_handlers_and_sends_nothing() -> None:
    silent = plan(ReplyPolicy(policy=Policy.SILENT, default_text="稍后回复", replier="sub_1"))
    assert silent.handled
    assert not silent.speaks
    assert "silent" in silent.remark


def test_messages_are_transferred_and_events_are_not() -> None:
    policy = ReplyPolicy(policy=Policy.TRANSFER)
    assert plan(policy).transfer
    assert not plan(policy).handlers
    assert plan(policy, EventKind.EVENT).handlers


@pytest.mark.parametrize(("replier", "subscriber"), [(NOBODY, ""), ("sub_1", "sub_1")])
def test_where_the_handlers_do_not_reply_the_record_says_who_does(replier: str, subscriber: str) -> None:
    made = plan(ReplyPolicy(replier=replier))
    assert (made.handled, made.handlers, made.subscriber) == (True, False, subscriber)
    assert (subscriber or "nobody") in made.remark


def test_a_default_text_answers_messages_only() -> None:
    policy = ReplyPolicy(default_text="稍后回复")
    assert plan(policy).default_text == "稍后回复"
    assert plan(policy, EventKind.EVENT).default_text == ""


@pytest.mark.parametrize(
    "policy",
    [
        BUILT_IN,
        ReplyPolicy(policy=Policy.SILENT),
        ReplyPolicy(policy=Policy.TRANSFER),
        ReplyPolicy(replier="sub_1", default_text="稍后回复"),
    ],
    ids=["handlers", "silent", "transfer", "subscriber"],
)
def test_what_the_gateway_itself_says_takes_everybodys_place_and_handlers_still_hear(
    policy: ReplyPolicy,
) -> None:
    given = plan(policy).saying(Text("点此确认登录"))
    assert given.given == Text("点此确认登录")
    assert given.handled
    assert given.speaks
    assert not given.handlers
    assert (given.subscriber, given.transfer, given.default_text) == ("", False, "")
    assert "gateway itself" in given.remark


def test_the_gateway_speaks_only_through_the_party_that_answers() -> None:
    other = plan(BUILT_IN, issuer="wxb")
    assert other.saying(Text("点此确认登录")) is other
