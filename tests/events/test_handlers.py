"""Which handler is called, and with what."""

from typing import Any

import pytest

from wxgate import Gateway
from wxgate.errors import ConfigError
from wxgate.events.handlers import Handlers, call_handler
from wxgate.events.notices import Notice
from wxgate.protocol import messages, pushes


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

    result = await call_handler(found, {"message": 1, "account": 2, "gateway": 3, "event": 4, "reply": 5})

    assert result == {"message", "account", "gateway", "event", "reply"}


def fitting(given: Any, *names: str) -> bool:
    """Tell whether a handler registered under something is found for these names."""
    handlers = Handlers()
    handlers.add((given,), lambda: None)
    return handlers.find(names, "wx1") is not None


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("message.text", ("text", "message", "*")),
        ("message.*", ("text", "message", "*")),
        ("subscribe", ("event.subscribe", "event", "*")),
        ("SCAN", ("event.scan", "event", "*")),
        ("event.*", ("event.scan", "event", "*")),
        ("event.weapp_audit_*", ("event.weapp_audit_fail", "event", "*")),
        ("weapp_audit_*", ("event.weapp_audit_fail", "event", "*")),
        ("component.authorized", ("authorized", "component")),
        ("notify_*", ("notify_third_fasteregister", "component")),
        ("component.*", ("authorized", "component")),
        ("wxgate.*", ("wxgate.revoked", "wxgate")),
        (messages.TextMessage, ("text", "message", "*")),
        (messages.VideoMessage, ("shortvideo", "message", "*")),
        (messages.SubscribeEvent, ("event.subscribe", "event", "*")),
        (messages.MenuEvent, ("event.click", "event", "*")),
        (messages.Event, ("event.teleported", "event", "*")),
        (messages.Message, ("event.teleported", "event", "*")),
        (messages.Message, ("hologram", "message", "*")),
        (pushes.Unauthorized, ("unauthorized", "component")),
        (pushes.ComponentEvent, ("something_new", "component")),
        (Notice, ("wxgate.revoked", "wxgate")),
    ],
)
def test_topics_bare_names_patterns_and_classes_are_names_too(given: Any, names: tuple[str, ...]) -> None:
    assert fitting(given, *names)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("location", ("event.location", "event", "*")),  # the message of that type, and not the event
        ("event.weapp_audit_*", ("event.weapp_auditor", "event", "*")),
        ("event.*x", ("event.x.y", "event", "*")),
        ("*", ("authorized", "component")),
        ("event.a+", ("event.aa", "event", "*")),
        (messages.TextMessage, ("image", "message", "*")),
    ],
)
def test_a_name_fits_nothing_else(given: Any, names: tuple[str, ...]) -> None:
    assert not fitting(given, *names)


def test_a_pattern_comes_after_the_name_itself_and_before_the_kind_and_the_longest_first() -> None:
    handlers, calls = Handlers(), list[str]()
    for name in ("event", "event.weapp_*", "event.weapp_audit_*", "event.weapp_audit_fail"):
        handlers.add((name,), lambda name=name: calls.append(name))

    for event in ("weapp_audit_fail", "weapp_audit_delay", "weapp_else", "view"):
        found = handlers.find((f"event.{event}", "event", "*"), "wx1")
        assert found is not None
        found.call()

    assert calls == ["event.weapp_audit_fail", "event.weapp_audit_*", "event.weapp_*", "event"]


@pytest.mark.parametrize(
    ("given", "word"),
    [(str, "no class of messages"), (len, "in parentheses"), (7, "no name of a message")],
)
def test_what_is_no_name_is_refused_where_it_is_written(given: Any, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Gateway().on(given)(lambda: None)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("event.subscibe", "event.subscribe"), ("texts", "text"), ("unautorized", "unauthorized")],
)
def test_a_slip_in_a_name_is_warned_of_in_the_line_it_stands_in(given: str, meant: str) -> None:
    with pytest.warns(UserWarning, match=f"did you mean '{meant}'") as warned:
        Gateway().on(given)(lambda: None)

    assert warned[0].filename == __file__


def test_a_name_of_the_future_is_taken_as_it_is() -> None:
    assert fitting("hologram", "hologram", "message", "*")
    assert fitting("event.teleported", "event.teleported", "event", "*")


def test_one_account_may_be_named_without_a_tuple() -> None:
    gateway = Gateway()
    gateway.on("text", accounts="wx1")(lambda: None)

    assert gateway._handlers.find(("text",), "wx1") is not None
    assert gateway._handlers.find(("text",), "w") is None


def test_a_parameter_with_a_default_is_the_handlers_own() -> None:
    handlers = Handlers()
    handlers.add(("text",), lambda message, greeting="hello": greeting)
    found = handlers.find(("text",), "wx1")
    assert found is not None
    assert found.wants == ("message",)

    with pytest.raises(ConfigError, match="did you mean 'account'"):
        handlers.add(("text",), lambda acount=None: None)
