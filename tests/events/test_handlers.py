"""Which handler is called, and with what."""

from typing import Any

import pytest

from wxgate.errors import ConfigError
from wxgate.events.handlers import Handlers, call_handler


def test_the_most_specific_name_wins() -> None:
    handlers = Handlers()

    def anything() -> str:
        return "any"

    def subscribe() -> str:
        return "subscribe"

    handlers.add(("*",), anything)
    handlers.add(("event.subscribe",), subscribe)

    found = handlers.find(("event.subscribe", "event", "*"), "wx1")
    other = handlers.find(("event.scan", "event", "*"), "wx1")

    assert found is not None
    assert found.call is subscribe
    assert other is not None
    assert other.call is anything


def test_a_handler_for_one_account_comes_before_one_for_all() -> None:
    handlers = Handlers()
    calls: list[str] = []

    def general() -> None:
        calls.append("general")

    def special() -> None:
        calls.append("special")

    handlers.add(("text",), general)
    handlers.add(("text",), special, frozenset({"wx1"}))

    for appid in ("wx1", "wx2"):
        found = handlers.find(("text", "message", "*"), appid)
        assert found is not None
        found.call()

    assert calls == ["special", "general"]


def test_names_are_found_whatever_their_case() -> None:
    handlers = Handlers()
    handlers.add(("event.SCAN",), lambda: None)

    assert handlers.find(("event.scan",), "wx1") is not None


def test_nothing_fits_is_none() -> None:
    assert Handlers().find(("text", "*"), "wx1") is None


def test_a_handler_that_asks_for_the_unknown_is_refused_when_registered() -> None:
    def handler(mesage: object) -> None: ...

    with pytest.raises(ConfigError, match=r"'mesage'.*message, account, gateway, event"):
        Handlers().add(("text",), handler)


async def test_a_handler_gets_only_what_it_asks_for() -> None:
    handlers = Handlers()

    async def handler(account: str, message: str) -> tuple[str, str]:
        return account, message

    handlers.add(("text",), handler)
    found = handlers.find(("text",), "wx1")
    assert found is not None

    result = await call_handler(found, {"message": "m", "account": "a", "gateway": "g", "event": "e"})

    assert result == ("a", "m")


async def test_a_plain_function_and_a_catch_all_work_too() -> None:
    handlers = Handlers()

    def handler(**everything: Any) -> set[str]:
        return set(everything)

    handlers.add((), handler)
    found = handlers.find(("*",), "wx1")
    assert found is not None

    result = await call_handler(found, {"message": 1, "account": 2, "gateway": 3, "event": 4})

    assert result == {"message", "account", "gateway", "event"}
