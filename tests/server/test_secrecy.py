"""A whole life of a gateway, with trouble, at the most talkative level: no secret is told to anybody."""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from sqlalchemy import text

from tests.cast import Follower, add_direct, add_follower, authorize, authorized_account, click, settle
from tests.harness import Harness, World
from tests.pushing import Sealer, post, text_message
from wxgate.custody.records import AuthorizationFilter, ExchangeSource, NewExchange
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.errors import GatewayError
from wxgate.events.handlers import Handlers
from wxgate.logs import configure_logs
from wxgate.secret import AuthorizationCode


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged or printed, as a server that is set to debug writes it."""
    form: Literal["text", "json"] = request.param
    output = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with redirect_stderr(output), redirect_stdout(output):
        configure_logs("debug", form)
        try:
            yield output
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.reset_defaults()


def known_secrets(world: World, key_file: Path) -> set[str]:
    """Collect every secret that this world has seen."""
    theirs = world.emulator.world
    found = {
        part.partition(":")[2] for part in key_file.read_text().replace("\n", ",").split(",") if ":" in part
    }
    found.add(world.platform.redirect_key.reveal())
    for platform in theirs.platforms.values():
        found |= {platform.secret, platform.token, platform.aes_key}
        found |= {ticket.value for ticket in theirs.tickets.all(platform.appid)}
    for account in theirs.accounts.values():
        found.add(account.secret)
        found |= {account.server.token, account.server.aes_key} if account.server else set()
    for authorization in theirs.authorizations.all():
        found |= {authorization.refresh_token, *authorization.retired}
    found |= theirs.tokens._by_value.keys() | theirs.codes._codes.keys() | theirs.codes._pre.keys()
    assert len(found) > 20
    assert min(map(len, found)) >= 16
    return found


async def live(world: World) -> Follower:
    """Go through everything that can happen, and much that should not."""
    platform, account = world.platform.appid, await authorized_account(world)
    appid = account["appid"]
    direct = await add_direct(world, account=account)
    follower = await add_follower(world, appid)
    calls = world.node.calls.account(appid, issuer=platform)
    await follower.writes("正常")
    await follower.writes("出错")
    await world.node.calls.account(direct.appid, issuer="direct").get("cgi-bin/user/get")
    await world.control("POST", "tokens/expire", {"appid": appid})
    await calls.get("cgi-bin/user/get")
    for action in ("cut", "status", "errcode"):
        await world.add_fault("/cgi-bin/", action, errcode=40001, times=2)
        with suppress(GatewayError):
            await calls.post("cgi-bin/message/custom/send", json={"touser": follower.openid})
    await world.control("DELETE", "faults")
    await world.control("POST", "switches", {"renewal_rotates_refresh_token": True})
    await world.advance(timedelta(hours=2))
    await calls.get("cgi-bin/user/get")
    await world.act("update-authorization", platform=platform, appid=appid, func_ids=[1, 2])
    await settle(world)
    await world.act("unauthorize", platform=platform, appid=appid)
    await authorize(world, appid)
    return follower


async def stumble(world: World, follower: Follower) -> None:
    """Bring bad pushes, come back from WeChat with codes, and lose the database for a while."""
    sealer = Sealer.of_platform(world, account="gh_1")
    letter = sealer.seal(text_message("gh_1"))
    path = f"/wechat/{world.platform.appid}/messages/wx1"
    for bad in (letter.ask(msg_signature="0" * 40), letter.carry(b"<xml"), letter.ask(timestamp="1")):
        await post(world, path, bad)
    start = await world.fetch(f"/authorize/{world.platform.appid}/start?kind=pc", Referer=world.gateway_url)
    assert start.status == 302
    told = await world.authorize(follower.appid, func_ids=[1, 3])
    flow, code = await click(world, told["pre_auth_code"]), told["authorization_code"]
    back = f"/authorize/{world.platform.appid}/return?flow={flow}&auth_code={code}&expires_in=3600"
    await world.fetch(back)
    for table in ("tickets", "events", "exchanges", "platforms"):
        await rename(world, table, "hidden")
        await asyncio.gather(
            world.push_ticket(),
            follower.writes("数据库不在"),
            world.fetch("/metrics"),
            world.fetch("/readyz"),
        )
        await world.fetch(back)
        await rename(world, "hidden", table)
    await settle(world)


async def rename(world: World, table: str, name: str) -> None:
    """Take a table away, or give it back."""
    async with world.node.store.database.write() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


async def records(world: World, follower: Follower) -> list[Any]:
    """Load one of everything that custody keeps."""
    store, platform, now = world.node.store, world.platform.appid, world.clock.now()
    code = next(iter(world.emulator.world.codes._codes))
    job = NewExchange(platform, AuthorizationCode(code), ExchangeSource.REDIRECT, now)
    keys = (component_key(platform), authorizer_key(platform, follower.appid), direct_key(follower.appid))
    return [
        *await store.platforms.list_platforms(),
        *await store.platforms.list_directs(),
        *await store.tickets.newest(platform),
        *await store.authorizations.find(AuthorizationFilter()),
        *await store.authorizations.history(platform, follower.appid),
        *await store.inbox.find(),
        *[await world.node.keeper.peek(key) for key in keys],
        await world.node.registry.platform(platform),
        await world.node.registry.direct(follower.appid),
        await store.exchanges.open(job, now=now),
        job,
    ]


async def test_no_secret_is_told_to_anybody(tmp_path: Path, written: io.StringIO) -> None:
    handlers = Handlers()

    def answer(message: Any, account: Any, event: Any) -> str:
        if message.content == "出错":
            raise ValueError(f"{account!r} {event!r} {message!r}")
        return "好的"

    handlers.add(("text",), answer)
    async with Harness(tmp_path, handlers=handlers) as world:
        follower = await live(world)
        await stumble(world, follower)
        pages = [await world.fetch(path) for path in ("/metrics", "/readyz", "/healthz")]
        shown = repr([world.node, *(getattr(world.node, name) for name in world.node.__slots__)])
        shown += repr(await records(world, follower)) + str(await records(world, follower))
    log = written.getvalue()
    for event in (
        "token.renewed",
        "token.rejected",
        "exchange.done",
        "handler.failed",
        "push.refused",
        "push.not_recorded",
    ):
        assert event in log
    assert "DEBUG" in log or "debug" in log
    secrets = known_secrets(world, tmp_path / "wxgate.key")
    assert [secret for secret in secrets if secret in log] == []
    assert [secret for secret in secrets for page in pages if secret in page.text] == []
    assert [secret for secret in secrets if secret in shown] == []
