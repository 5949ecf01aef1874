"""When audits are asked about, what the answers say, and the event that comes of them."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.moments import NOW
from wxgate.events.audit_records import (
    EVENTS,
    GIVE_UP_AFTER,
    AuditState,
    CodeAudit,
    event_of,
    next_check,
    read_answer,
)
from wxgate.protocol.messages import CodeAuditEvent, parse_message

AUDIT = CodeAudit(appid="wxmini", audit_id="7", platform="wxplatform", submitted_at=NOW)


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), timedelta(hours=1)),
        (timedelta(minutes=40), timedelta(minutes=20)),
        (timedelta(hours=1), timedelta(hours=2)),
        (timedelta(days=2), timedelta(hours=2)),
        (timedelta(days=4), timedelta(days=1)),
        (timedelta(days=29), timedelta(days=1)),
        (timedelta(days=30), None),
    ],
)
def test_an_audit_is_asked_about_less_and_less(age: timedelta, wait: timedelta | None) -> None:
    when = next_check(AUDIT, NOW + age)
    assert when == (None if wait is None else NOW + age + wait)


def test_a_month_of_asking_is_not_many_calls() -> None:
    now, calls = NOW, 0
    while (when := next_check(AUDIT, now)) is not None:
        assert when > now
        now, calls = when, calls + 1
    assert now >= NOW + GIVE_UP_AFTER
    assert calls < 80


@pytest.mark.parametrize(
    ("data", "state"),
    [
        ({"status": 0}, AuditState.PASSED),
        ({"status": "1", "reason": "no", "screenshot": "a|b"}, AuditState.REJECTED),
        ({"status": 1, "reason": "no", "ScreenShot": "a|b"}, AuditState.REJECTED),
        ({"status": 2}, AuditState.WAITING),
        ({"status": 3}, AuditState.WITHDRAWN),
        ({"status": 4}, AuditState.DELAYED),
        ({"status": 9}, AuditState.UNKNOWN),
        ({}, AuditState.UNKNOWN),
    ],
)
def test_an_answer_is_read_in_both_spellings(data: Any, state: AuditState) -> None:
    answer = read_answer({"errcode": 0, "auditid": "7", "submit_audit_time": 1_700_000_000, **data}, NOW)
    assert (answer.state, answer.audit_id) == (state, "7")
    assert answer.submitted_at is not None
    if state is AuditState.REJECTED:
        assert (answer.reason, answer.screenshot) == ("no", "a|b")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
names = st.sampled_from(["status", "reason", "screenshot", "ScreenShot", "auditid", "submit_audit_time"])


@given(json | st.dictionaries(names, json))
def test_no_answer_breaks_the_reader(data: Any) -> None:
    assert read_answer(data, NOW).state in AuditState


@pytest.mark.parametrize("state", EVENTS)
def test_a_result_becomes_the_event_that_wechat_would_have_pushed(state: AuditState) -> None:
    audit = CodeAudit(
        appid="wxmini",
        audit_id="7",
        platform="wxplatform",
        submitted_at=NOW,
        state=state,
        reason="no",
        screenshot="a|b",
        checked_at=NOW,
    )
    new = event_of(audit, account="gh_1", now=NOW + timedelta(minutes=5))
    message = parse_message(new.fields)
    assert isinstance(message, CodeAuditEvent)
    assert message.polled
    assert (message.audit_id, message.account) == ("7", "gh_1")
    assert message.at == message.created_at == new.created_at == int(NOW.timestamp())
    assert message.reason == ("" if state is AuditState.PASSED else "no")
    assert message.screenshots == (("a", "b") if state is AuditState.REJECTED else ())
    assert new.dedup_key == event_of(audit, account="", now=NOW).dedup_key
