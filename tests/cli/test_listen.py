"""`wxgate listen`: events on a machine without a public address, across cuts, with words for troubles."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tests.chaos.links import Link, Wire
from tests.cli.conftest import Cli
from tests.events.application import application
from tests.events.events import an_event
from tests.harness import Harness, World
from tests.server.keys import holder
from tests.server.streaming import record
from wxgate.cli.following import Following
from wxgate.cli.forwarding import EVERYWHERE, Forwarding, local_subscriber
from wxgate.cli.main import app as command
from wxgate.clock import SystemClock
from wxgate.custody.clients import ClientScope
from wxgate.errors import ConfigError
from wxgate.events.payload import payload, read_payload
from wxgate.events.records import Form, SubscriberSecrets
from wxgate.protocol.envelope import PushKeys, PushQuery, open_push, seal_reply
from wxgate.protocol.replies import Text, render
from wxgate.secret import ApiKey, EncodingAESKey, PushToken
from wxgate.server.outgoing import Outgoing

SECONDS = 30
TOKEN, KEY = "aToken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway with nothing in it."""
    async with Harness(tmp_path, ticket=False) as world:
        yield world


class Listener:
    """A `wxgate listen --json` that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> Any:
        """Wait for the next line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            line = await self.process.stdout.readline()
        assert line, await self.said()
        return json.loads(line)

    async def said(self) -> str:
        """Wait for the end, and return what was said of troubles."""
        async with asyncio.timeout(SECONDS):
            _, err = await self.process.communicate()
        assert b"Traceback" not in err
        return err.decode()


@asynccontextmanager
async def listening(cli: Cli, world: World, *arguments: str, server: str = "") -> AsyncIterator[Listener]:
    """Listen until the block ends; the stream is open."""
    key = (await holder(world, ClientScope.EVENTS)).key
    process = await cli.start(
        *("listen", "--json", "--server", server or world.gateway_url, *arguments),
        env={"WXGATE_API_KEY": key},
    )
    try:
        listener = Listener(process)
        assert (await listener.line())["listening"] == (server or world.gateway_url)
        yield listener
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_events_are_posted_as_signed_webhooks_and_a_cut_loses_none(cli: Cli, world: World) -> None:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    parts = urlsplit(world.gateway_url)
    async with application() as app, Link((str(parts.hostname), parts.port or 0)) as link:
        options = ("--forward", app.url, "--secret", secret, "--name", "text", "--count", "4")
        server = f"http://127.0.0.1:{link.port}"
        async with listening(cli, world, *options, server=server) as listener:
            made = [await record(world.node, content="一")]
            await record(world.node, name="image")
            told = [await listener.line()]
            app.status = 500
            made.append(await record(world.node))
            told.append(await listener.line())
            link.set(Wire.CUT)
            made += [await record(world.node) for _ in range(2)]
            link.set(Wire.OPEN)
            told += [await listener.line() for _ in range(2)]
            assert "trying again" in await listener.said()
            assert listener.process.returncode == 0
    assert [one["event"]["data"]["id"] for one in told] == app.ids == made
    assert (told[0]["forwarded"]["status"], told[1]["forwarded"]["error"]) == (200, "HTTP 500")
    document = Webhook(secret).verify(app.got[0].body.decode(), app.got[0].headers)
    assert document["data"]["fields"]["Content"] == "一"


async def test_people_read_one_line_for_each_event(cli: Cli, world: World) -> None:
    made = await record(world.node)
    key = (await holder(world, ClientScope.EVENTS)).key
    done = await cli(
        *("listen", "--server", world.gateway_url, "--after", "0", "--count", "1", "--api-key", "-"),
        stdin=key,
    )
    assert done.code == 0, done.err
    assert done.out.startswith(f"listening at {world.gateway_url}")
    assert f"message.text                 wxshop  oUser  {made}" in done.out


async def test_a_server_that_speaks_wechats_form_sees_what_wechat_sends() -> None:
    keys = PushKeys.make("wxshop", [TOKEN], [KEY])
    contents = []
    async with application() as app:

        async def answer(request: web.Request) -> web.Response:
            query = PushQuery.parse(request.query_string.encode())
            now = int(query.timestamp or 0)
            opened = open_push(keys, query, await request.read(), now=now, max_age=60)
            contents.append(opened.fields["Content"])
            reply = render(Text("好的"), to_user="oUser", from_user="gh_shop", created_at=now)
            return web.Response(body=seal_reply(keys, opened, reply, timestamp=now, random=b"r" * 16))

        app.behaviour = answer
        secrets = SubscriberSecrets(token=PushToken(TOKEN), aes_key=EncodingAESKey(KEY))
        async with forwarding(app.url + "/$APPID$", Form.WECHAT, secrets) as local:
            fields = {"ToUserName": "gh_shop", "FromUserName": "oUser", "MsgType": "text", "Content": "在吗"}
            # Through the JSON of the stream, which has no XML in it.
            forwarded = await local.post(read_payload(payload(an_event(fields=fields))))
    assert contents == ["在吗"]
    assert forwarded.reply == Text("好的")
    assert app.got[0].path == "/hooks/wxshop"


async def test_what_is_wrong_with_the_local_server_is_said_in_words() -> None:
    async with application() as app, forwarding(app.url, Form.WEBHOOK, SubscriberSecrets()) as local:
        app.body = b"<html>"
        assert "not JSON" in (await local.post(an_event())).error
        app.status, app.headers = 302, {"location": "http://elsewhere/"}
        assert "redirects are not followed" in (await local.post(an_event())).error
    async with forwarding("http://127.0.0.1:9/", Form.WEBHOOK, SubscriberSecrets()) as local:
        forwarded = await local.post(an_event())
    assert forwarded.status is None
    assert "127.0.0.1" in forwarded.error


async def test_what_is_wrong_with_the_stream_is_said_with_what_to_do(world: World) -> None:
    manage = (await holder(world, ClientScope.MANAGE)).key
    events = (await holder(world, ClientScope.EVENTS)).key
    cases = (
        (world.gateway_url, "wxg_0123456789ab_" + "A" * 43, "0", "this API key is wrong"),
        (world.gateway_url, manage, "0", "lacks the scope events"),
        (world.gateway_url, events, "soon", "after is the id of an event"),
        (world.gateway_url, events, "99", "?after=0"),
        ("http://127.0.0.1:9", events, "0", "check --server"),
        (world.emulator.url, events, "0", "no stream of events"),
    )
    async with aiohttp.ClientSession() as session:
        for server, key, after, told in cases:
            following = Following(session, server, ApiKey(key), (), after=after, note=print)
            with pytest.raises(ConfigError, match=re.escape(told)):
                async for _ in following.events():
                    pass


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--form", "wechat", "--forward", "http://localhost"), "--aes-key"),
        (("--forward", "localhost:3000"), "http://localhost:3000"),
        (("--secret", "sesame"), "whsec_"),
    ],
)
def test_a_mistake_in_the_options_is_named(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        command(["listen", "--api-key", "wxg_x", *arguments], standalone_mode=False)


@asynccontextmanager
async def forwarding(url: str, form: Form, secrets: SubscriberSecrets) -> AsyncIterator[Forwarding]:
    """Post events to an address as the command does."""
    clock, outgoing = SystemClock(), Outgoing(EVERYWHERE)
    try:
        yield Forwarding(outgoing, local_subscriber(url, form, secrets, clock.now()), now=clock.now)
    finally:
        await outgoing.close()
