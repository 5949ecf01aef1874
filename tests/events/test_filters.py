"""What a filter lets through."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.events import an_event
from wxgate.errors import ConfigError
from wxgate.events.filters import Matcher, check_filter, matches
from wxgate.events.records import EventKind, Filter
from wxgate.protocol.official_tests import TEST_ACCOUNTS

TEXT = an_event()
SUBSCRIBE = an_event(kind=EventKind.EVENT, name="subscribe")
TICKET = an_event(kind=EventKind.COMPONENT, name="component_verify_ticket", appid="", openid="")
AUTHORIZED = an_event(kind=EventKind.COMPONENT, name="authorized", openid="")

LETTERS = st.text("ab._", max_size=8)


def test_an_empty_filter_lets_everything_through_but_tickets() -> None:
    everything = Matcher(Filter())
    assert all(everything.matches(each) for each in (TEXT, SUBSCRIBE, AUTHORIZED))
    assert not everything.matches(TICKET)


@pytest.mark.parametrize("pattern", ["*", "component.*", "component_verify_*"])
def test_a_wildcard_does_not_bring_tickets(pattern: str) -> None:
    assert not matches(Filter(names=(pattern,)), TICKET)


@pytest.mark.parametrize("name", ["component_verify_ticket", "component.component_verify_ticket"])
def test_tickets_come_where_they_are_named(name: str) -> None:
    assert matches(Filter(names=(name,)), TICKET)


@pytest.mark.parametrize(
    "pattern", ["event.subscribe", "SUBSCRIBE", "event.*", "*scribe", "sub*", "*.sub*ibe", "*"]
)
def test_a_pattern_fits_the_topic_or_the_bare_name(pattern: str) -> None:
    assert matches(Filter(names=(pattern,)), SUBSCRIBE)


@pytest.mark.parametrize(
    "pattern", ["event", "subscribed", "unsub*", "message.*", "event.s*x*e", "event.?ubscribe"]
)
def test_another_pattern_does_not(pattern: str) -> None:
    assert not matches(Filter(names=(pattern,)), SUBSCRIBE)


def test_each_sort_of_value_narrows() -> None:
    tags = frozenset({"shops"})
    where = Filter((TEXT.issuer,), (TEXT.appid,), ("shops",), ("text",), (TEXT.openid,))
    assert matches(where, TEXT, tags)
    for other in (
        replace(where, platforms=("direct",)),
        replace(where, accounts=("wx0000000000000001",)),
        replace(where, tags=("labs",)),
        replace(where, names=("image",)),
        replace(where, openids=("somebody else",)),
    ):
        assert not matches(other, TEXT, tags)


def test_official_test_accounts_have_to_be_named() -> None:
    tested = replace(TEXT, appid=min(TEST_ACCOUNTS))
    assert not matches(Filter(), tested)
    assert matches(Filter(accounts=(tested.appid,)), tested)


@given(st.text("ab._*", max_size=8), LETTERS)
def test_a_wildcard_means_what_it_means_everywhere(pattern: str, name: str) -> None:
    expression = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
    expected = any(expression.fullmatch(text) for text in (name, f"event.{name}"))
    where = Filter(names=(pattern,))
    assert Matcher(where).takes(EventKind.EVENT, name) is expected


def test_a_filter_is_kept_without_repetitions() -> None:
    assert check_filter(Filter(names=("text", "text"), tags=("a",))) == Filter(names=("text",), tags=("a",))


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Filter(names=("event subscribe",)), "is no pattern"),
        (Filter(names=("",)), "is no pattern"),
        (Filter(openids=(" ",)), "is empty, too long or unreadable"),
        (Filter(openids=("o\ud83d",)), "too long or unreadable"),
        (Filter(accounts=tuple(map(str, range(1001)))), "at most 1000"),
    ],
)
def test_a_bad_filter_says_what_is_wrong(where: Filter, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_filter(where)
