"""The application as a server sees it: opened once, with lifespan or without, never at a loss for words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.cast import add_follower, authorized_account
from tests.harness import Harness, World
from tests.pushing import Sealer, is_plain, messages, metric, only, post, recorded, text_message
from wxgate.errors import ConfigError, MalformedPush
from wxgate.server.app import create_app
from wxgate.server.asgi import ASGIApp, read_body
from wxgate.server.node import Node
from wxgate.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a gateway that has no WeChat."""
    return load_settings(database_url=f"sqlite:///{tmp_path / 'wxgate.db'}", key_file=tmp_path / "wxgate.key")


async def ask(app: ASGIApp, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask an application without a server."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [],
        "client": ("192.0.2.1", 1), "server": ("wx.example.com", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(event.get("body", b"") for event in sent)


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[list[str]]:
    """Live an application's life as a server does; yield what it says of it."""
    events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: list[str] = []
    heard = asyncio.Event()

    async def send(event: Any) -> None:
        said.append(event["type"])
        heard.set()

    async def live() -> None:
        await app({"type": "lifespan"}, events.get, send)

    life = asyncio.create_task(live())
    await events.put({"type": "lifespan.startup"})
    await asyncio.wait([life, asyncio.create_task(heard.wait())], return_when=asyncio.FIRST_COMPLETED)
    yield said
    await events.put({"type": "lifespan.shutdown"})
    await life


async def test_without_lifespan_the_gateway_opens_once_at_the_first_request(settings: Settings) -> None:
    opened: list[Node] = []

    async def open_node() -> Node:
        await asyncio.sleep(0.01)
        opened.append(await Node.open(settings))
        return opened[-1]

    app = create_app(open_node)
    try:
        answers = await asyncio.gather(*(ask(app, "/healthz") for _ in range(50)))
        assert {status for status, _ in answers} == {200}
        assert len(opened) == 1
    finally:
        for node in opened:
            await node.close()


async def test_the_lifespan_opens_and_closes_and_may_be_lived_again(settings: Settings) -> None:
    opened: list[Node] = []

    async def open_node() -> Node:
        opened.append(await Node.open(settings))
        return opened[-1]

    app = create_app(open_node)
    for life in (1, 2):
        async with lifespan(app) as said:
            assert (await ask(app, "/healthz"))[0] == 200
            assert len(opened) == life
        assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_lifespan_that_ends_before_it_began_is_no_trouble(settings: Settings) -> None:
    async def never() -> Node:
        raise AssertionError("nothing was asked for")

    said: list[str] = []
    events = iter([{"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(events)

    async def send(event: Any) -> None:
        said.append(event["type"])

    await create_app(never)({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.shutdown.complete"]


@pytest.mark.parametrize("path", ["/wechat/wx1/events", "/healthz", "/authorize/wx1"])
async def test_a_gateway_that_cannot_open_asks_to_come_again_and_opens_when_it_can(
    settings: Settings, path: str
) -> None:
    opened: list[Node] = []

    async def open_node() -> Node:
        if not opened:
            opened.append(await Node.open(settings))
            raise ConfigError("the database is not there yet")
        return opened[0]

    app = create_app(open_node)
    with capture_logs() as logs:
        status, body = await ask(app, path, "POST")
    assert (status, body) == (503, b"try_again")
    assert [line["error"] for line in logs if line["event"] == "gateway.not_open"] == [
        "the database is not there yet"
    ]
    assert (await ask(app, "/healthz"))[0] == 200
    await opened[0].close()


async def test_what_nobody_serves_is_not_found(gateway: World) -> None:
    for path in ("/", "/wechat", "/favicon.ico", "/_emulator/state", "/docs", "/authorize"):
        answer = await gateway.fetch(path)
        assert answer.status == 404, path
        assert "Traceback" not in answer.text


async def test_trouble_of_ours_is_told_to_strangers_in_one_line(gateway: World) -> None:
    async with gateway.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE platforms RENAME TO hidden"))
    with capture_logs() as logs:
        answer = await gateway.fetch("/metrics")
    async with gateway.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO platforms"))
    assert answer.status == 503
    assert "please try again" in answer.text
    assert "platforms" not in answer.text
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request.failed"]
    assert (await gateway.fetch("/metrics")).status == 200


async def test_a_message_that_cannot_be_recorded_is_asked_for_again(gateway: World) -> None:
    account = await authorized_account(gateway)
    follower = await add_follower(gateway, account["appid"])
    async with gateway.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE events RENAME TO hidden"))
    with capture_logs() as logs:
        push = await follower.writes("第一次")
    async with gateway.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO events"))
    assert [(each["status"], each["body"]) for each in push["attempts"]] == [(503, "try_again")] * 3
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["push.not_recorded"] * 3
    assert await metric(gateway, "wxgate_pushes_total", receiver="platform", result="not_recorded") == 3
    assert (await follower.writes("第二次"))["outcome"] == "success"
    [event] = messages(await recorded(gateway, appid=account["appid"]))
    assert event.fields["Content"] == "第二次"


async def test_a_ticket_that_cannot_be_kept_is_not_acknowledged(gateway: World) -> None:
    async with gateway.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE tickets RENAME TO hidden"))
    with capture_logs():
        told = await gateway.act("ticket", platform=gateway.platform.appid)
    async with gateway.node.store.database.write() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO tickets"))
    assert [(each["status"], each["body"]) for each in told["attempts"]] == [(503, "try_again")]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ("", "192.0.2.9", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("127.0.0.1", "6.6.6.6, 192.0.2.9", "192.0.2.9"),
        ("127.0.0.1, 192.0.2.9", "6.6.6.6, 192.0.2.9", "6.6.6.6"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.0/8, 192.0.2.0/24", "6.6.6.6, 192.0.2.9", "6.6.6.6"),
        ("::ffff:0:0/96", "192.0.2.9", "127.0.0.1"),
    ],
)
async def test_the_senders_address_is_the_one_the_trusted_saw(
    tmp_path: Path, trusted: str, forwarded: str, seen: str
) -> None:
    async with Harness(tmp_path, trusted_proxies=trusted, ticket=False) as world:
        letter = Sealer.of_platform(world, account="gh_1").seal(text_message("gh_1"))
        url = world.url(f"/wechat/{world.platform.appid}/messages/wx1?{letter.query}")
        async with world.http.post(url, data=letter.body, headers={"X-Forwarded-For": forwarded}) as answer:
            assert answer.status == 200
        assert (await only(world, appid="wx1")).source_ip == seen


async def test_a_sender_cannot_hide_behind_a_line_of_its_own(tmp_path: Path) -> None:
    async with Harness(tmp_path, trusted_proxies="127.0.0.1", ticket=False) as world:
        letter = Sealer.of_platform(world, account="gh_1").seal(text_message("gh_1"))
        url = world.url(f"/wechat/{world.platform.appid}/messages/wx1?{letter.query}")
        lines = CIMultiDict([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.9")])
        async with world.http.post(url, data=letter.body, headers=lines) as answer:
            assert answer.status == 200
        assert (await only(world, appid="wx1")).source_ip == "192.0.2.9"


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/", "/metrics/"])
async def test_nobody_is_sent_on_to_the_host_a_request_names(gateway: World, path: str) -> None:
    answer = await gateway.fetch(path, Host="evil.example.com")
    assert answer.status == 404
    assert "location" not in answer.headers


async def test_a_body_that_trickles_comes_to_an_end() -> None:
    async def trickle() -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async with asyncio.timeout(30):
        with pytest.raises(MalformedPush, match=r"did not arrive within 0\.03 s"):
            await read_body({"headers": []}, trickle, 10**9, seconds=0.03)


async def test_the_limit_of_a_push_is_a_setting(tmp_path: Path) -> None:
    async with Harness(tmp_path, push_limit=4096, ticket=False) as world:
        letter = Sealer.of_platform(world, account="gh_1").seal(text_message("gh_1", content="字" * 2000))
        answer = await post(world, f"/wechat/{world.platform.appid}/messages/wx1", letter)
        assert (answer.status, answer.text) == (413, "too_large")
        assert is_plain(answer)


async def test_the_window_of_a_push_is_a_setting(tmp_path: Path) -> None:
    async with Harness(tmp_path, push_window=30, ticket=False) as world:
        at = int(world.clock.now().timestamp()) - 40
        letter = Sealer.of_platform(world, account="gh_1").seal(text_message("gh_1"), at=at)
        answer = await post(world, f"/wechat/{world.platform.appid}/messages/wx1", letter)
        assert (answer.status, answer.text) == (403, "stale")
