"""What WeChat pushes finds its handler by name, with the message typed, whatever kind it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.cast import Follower, add_follower, authorized_account, settle
from tests.harness import Harness
from wxgate.events.handlers import Handlers
from wxgate.protocol.messages import EVENT_TYPES, MESSAGE_TYPES, UnknownEvent, UnknownMessage

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Listener:
    """Handlers that note under which name they were found."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.heard: list[tuple[str, Any]] = []
        for name in (*MESSAGE_TYPES, *(f"event.{event}" for event in EVENT_TYPES), "message", "event", "*"):
            self.listen(name)

    def listen(self, name: str) -> None:
        """Note what comes under a name."""
        self.handlers.add((name,), lambda message: self.heard.append((name, message)))


@pytest.fixture(scope="module")
def listener() -> Listener:
    """One listener for the module."""
    return Listener()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def follower(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Follower]:
    """A user of an account whose gateway listens to everything."""
    async with Harness(tmp_path_factory.mktemp("names"), handlers=listener.handlers) as world:
        account = await authorized_account(world)
        yield await add_follower(world, account["appid"])


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
async def test_a_message_reaches_the_handler_of_its_type(
    listener: Listener, follower: Follower, kind: str
) -> None:
    listener.heard.clear()
    push = await follower.writes(type=kind)
    [(name, message)] = listener.heard
    assert push["outcome"] == "success"
    assert name == kind
    assert type(message) is MESSAGE_TYPES[kind]
    assert (message.openid, message.type) == (follower.openid, kind)


@pytest.mark.parametrize("event", EVENT_TYPES)
async def test_an_event_reaches_the_handler_of_its_name(
    listener: Listener, follower: Follower, event: str
) -> None:
    listener.heard.clear()
    push = await follower.does(event)
    [(name, message)] = listener.heard
    assert push["outcome"] == "success"
    assert name == f"event.{event}"
    assert type(message) is EVENT_TYPES[event]


@pytest.mark.parametrize("spelling", ["SCAN", "Scan", "scan"])
async def test_names_of_events_are_found_whatever_their_case(
    listener: Listener, follower: Follower, spelling: str
) -> None:
    listener.heard.clear()
    await follower.does(spelling, EventKey=f"spelt {spelling}")
    [(name, message)] = listener.heard
    assert (name, message.event) == ("event.scan", spelling)


async def test_what_nobody_knows_yet_reaches_the_general_handlers(
    listener: Listener, follower: Follower
) -> None:
    listener.heard.clear()
    await follower.writes(type="hologram")
    await follower.does("teleported")
    assert [(name, type(message)) for name, message in listener.heard] == [
        ("message", UnknownMessage),
        ("event", UnknownEvent),
    ]


async def test_fields_arrive_as_they_were_written(listener: Listener, follower: Follower) -> None:
    listener.heard.clear()
    await follower.writes("第一行\n<b>&amp;</b> ]]> 😀")
    await follower.writes(
        type="location", fields={"Location_X": "31.2", "Location_Y": "121.5", "Label": "上海"}
    )
    (_, text), (_, place) = listener.heard
    assert text.content == "第一行\n<b>&amp;</b> ]]> 😀"
    assert (place.latitude, place.longitude, place.label) == (31.2, 121.5, "上海")


def noting(heard: list[tuple[str, Any, str]], name: str) -> Any:
    """Make a handler that notes what it was called with."""

    def note(message: Any, event: Any) -> None:
        heard.append((name, message, event.appid))

    return note


async def test_a_platform_event_reaches_its_handler_without_its_secrets(tmp_path: Path) -> None:
    handlers, heard = Handlers(), list[tuple[str, Any, str]]()
    for name in ("authorized", "updateauthorized", "unauthorized", "component_verify_ticket", "component"):
        handlers.add((name,), noting(heard, name))
    async with Harness(tmp_path, handlers=handlers) as world:
        account, platform = await world.add_account(), world.platform.appid
        appid = account["appid"]
        await world.authorize(appid)
        await settle(world)
        await world.act("update-authorization", platform=platform, appid=appid, func_ids=[1])
        await settle(world)
        await world.act("unauthorize", platform=platform, appid=appid)
        await world.act(
            "component-event", platform=platform, info_type="notify_3rd_wxa_auth", fields={"appid": appid}
        )
        await settle(world)
    names = [name for name, _, _ in heard]
    assert names == ["component_verify_ticket", "authorized", "updateauthorized", "unauthorized", "component"]
    assert [receiver for _, _, receiver in heard] == ["", appid, appid, appid, appid]
    (_, ticket, _), (_, authorized, _), *_ = heard
    assert ticket.ticket.reveal() == authorized.code.reveal() == authorized.pre_auth_code.reveal() == "****"
    assert authorized.appid == appid


async def test_a_platform_handler_that_fails_does_not_cost_the_event(tmp_path: Path) -> None:
    handlers = Handlers()

    def fails() -> None:
        raise ValueError("no")

    handlers.add(("authorized",), fails)
    async with Harness(tmp_path, handlers=handlers) as world:
        account = await world.add_account()
        told = await world.authorize(account["appid"])
        await settle(world)
        assert told["push"]["outcome"] == "success"
        found = await world.node.authorizations.load(world.platform.appid, account["appid"])
        assert found is not None
        assert found.state == "active"


async def test_what_a_platform_handler_returns_is_no_reply(tmp_path: Path) -> None:
    handlers = Handlers()
    handlers.add(("authorized",), lambda: "welcome")
    async with Harness(tmp_path, handlers=handlers) as world:
        account = await world.add_account()
        told = await world.authorize(account["appid"])
        assert told["push"]["attempts"][0]["body"] == "success"


async def test_a_message_without_a_handler_teaches_how_to_write_one(tmp_path: Path) -> None:
    handlers = Handlers()
    handlers.add(("text",), lambda: None)
    async with Harness(tmp_path, handlers=handlers) as world:
        follower = await add_follower(world, (await authorized_account(world))["appid"])
        with capture_logs() as logs:
            await follower.does("CLICK", EventKey="MENU")
        [line] = [each for each in logs if each["event"] == "event.unhandled"]
        assert '@gateway.on("event.click")' in line["hint"]
        assert line["appid"] == follower.appid


async def test_a_gateway_without_any_handler_is_silent_about_it(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        follower = await add_follower(world, (await authorized_account(world))["appid"])
        with capture_logs() as logs:
            push = await follower.writes()
        assert push["outcome"] == "success"
        assert not [line for line in logs if line["event"] == "event.unhandled"]
