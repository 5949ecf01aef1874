"""Export, import and takeover: what one gateway knows another has afterwards, and nothing newer is lost."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cast import add_direct, authorized_account
from tests.harness import World
from wxgate.custody.clients import Labels
from wxgate.custody.handover import Finding, Takeover, read_list
from wxgate.custody.package import pack, unpack
from wxgate.custody.records import Authorization, AuthorizationFilter, AuthorizationState, Brought
from wxgate.custody.sealed_file import Passphrase, SealedWriter, read_sealed
from wxgate.custody.sources import authorizer_key
from wxgate.custody.states import Trigger
from wxgate.custody.transfer import Result
from wxgate.errors import BadFile, ConfigError
from wxgate.secret import RefreshToken
from wxgate.server.node import Node
from wxgate.settings import Settings

PASSPHRASE = Passphrase("correct horse battery")


@asynccontextmanager
async def empty_gateway(world: World, folder: Path) -> AsyncIterator[Node]:
    """A second gateway with a database and keys of its own, on the same WeChat."""
    given = {"database_url": f"sqlite:///{folder}/second.db", "key_file": folder / "second.key"}
    settings: Settings = world.node.settings.model_copy(update=given)
    async with await Node.open(settings, clock=world.clock) as node:
        yield node


async def exported(node: Node) -> list[str]:
    return [pack(record) async for record in node.transfer.export()]


async def take(
    node: Node, lines: list[str], *, replace_old: bool = False, dry_run: bool = False
) -> list[Result]:
    took = node.transfer.take(lambda: iter(lines), replace_old=replace_old, dry_run=dry_run)
    return [result async for result in took]


async def test_another_gateway_has_everything_and_acts_with_it(world: World, tmp_path: Path) -> None:
    direct = await add_direct(world)
    accounts = [(await authorized_account(world))["appid"] for _ in range(3)]
    labels = Labels(frozenset({"shops"}), frozenset({"shop.example.com"}))
    await world.node.store.labels.change(accounts[0], add=labels, remove=Labels())
    lines = await exported(world.node)
    async with empty_gateway(world, tmp_path) as node:
        rehearsed = await take(node, lines, dry_run=True)
        assert await node.store.platforms.list_platforms() == []
        assert await take(node, lines) == rehearsed
        assert {result.outcome for result in rehearsed} == {Brought.ADDED}
        assert list(await node.store.platforms.list_platforms()) == [world.platform]
        assert list(await node.store.platforms.list_directs()) == [direct]
        assert await node.store.labels.load(accounts[0]) == labels
        for each in await world.node.store.authorizations.find(AuthorizationFilter()):
            kept = await node.store.authorizations.load(each.platform, each.appid)
            assert kept is not None
            assert replace(kept, updated_at=each.updated_at) == each
        ticket = (await world.node.store.tickets.newest(world.platform.appid, 1))[0]
        await node.store.tickets.keep(ticket, prune_before=ticket.pushed_at)
        assert await node.keeper.get(authorizer_key(world.platform.appid, accounts[0]))
        assert {result.outcome for result in await take(node, lines)} == {Brought.SAME}


async def test_what_is_newer_here_stays_and_what_differs_is_replaced_only_when_asked(
    world: World, tmp_path: Path
) -> None:
    appid = (await authorized_account(world))["appid"]
    lines = await exported(world.node)
    renamed = replace(world.platform, name="renamed since")
    await world.node.store.platforms.put_platform(renamed)
    await world.act("unauthorize", platform=world.platform.appid, appid=appid)
    outcomes = {each.name: each.outcome for each in await take(world.node, lines)}
    pair = f"{world.platform.appid}/{appid}"
    assert outcomes == {world.platform.appid: Brought.EXISTS, pair: Brought.NEWER}
    outcomes = {each.name: each.outcome for each in await take(world.node, lines, replace_old=True)}
    assert outcomes == {world.platform.appid: Brought.REPLACED, pair: Brought.NEWER}
    kept = await world.node.authorizations.load(world.platform.appid, appid)
    assert kept is not None
    assert kept.state is AuthorizationState.REVOKED


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: lines[:-1], "the end is missing"),
        (lambda lines: [*lines[:1], *lines], "is in line 1 already"),
        (lambda lines: lines[1:], "counts other records"),
        (lambda lines: [*lines[:1], "{}", *lines[1:]], "export:2: a line of the export is not understood"),
        (lambda lines: [lines[0].replace('"name"', '"nmae"'), *lines[1:]], "export:1"),
        (lambda lines: [lines[0].replace('+00:00"', '"'), *lines[1:]], "export:1"),
        (lambda lines: [lines[0].replace('"secret": "', '"secret": 1, "x": "'), *lines[1:]], "export:1"),
    ],
)
async def test_of_an_export_that_is_not_whole_nothing_is_taken(
    world: World, tmp_path: Path, spoil: Callable[[list[str]], list[str]], told: str
) -> None:
    await authorized_account(world)
    lines = spoil(await exported(world.node))
    async with empty_gateway(world, tmp_path) as node:
        with pytest.raises(BadFile, match=told) as raised:
            await take(node, lines)
        assert world.platform.secret.reveal() not in str(raised.value)
        assert await node.store.platforms.list_platforms() == []
        assert await node.transfer.count() == 0


async def test_of_a_sealed_export_that_was_cut_nothing_is_taken(world: World, tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE)
    for line in await exported(world.node):
        writer.write(line + " " * 70_000)  # a chunk for each line

    def lines() -> Iterator[str]:
        return read_sealed(io.BytesIO(file.getvalue()), PASSPHRASE)

    async with empty_gateway(world, tmp_path) as node:
        with pytest.raises(ConfigError, match="was cut"):
            [each async for each in node.transfer.take(lines, replace_old=False, dry_run=False)]
        assert await node.store.platforms.list_platforms() == []


async def test_every_record_comes_back_from_its_line(world: World) -> None:
    await authorized_account(world)
    await add_direct(world)
    async for record in world.node.transfer.export():
        assert unpack(pack(record)) == record


async def take_list(node: Node, platform: str, text: str, *, replace: bool = False) -> list[Takeover]:
    handed = read_list(text, name="tokens.csv")
    return [each async for each in node.handover.take(platform, handed, replace=replace, dry_run=False)]


async def test_a_list_is_taken_over_as_far_as_wechat_confirms_it(world: World, tmp_path: Path) -> None:
    platform = world.platform.appid
    appids = [(await authorized_account(world))["appid"] for _ in range(3)]
    gone = appids[2]
    kept = {each.appid: each for each in await world.node.store.authorizations.find(AuthorizationFilter())}
    await world.act("unauthorize", platform=platform, appid=gone)
    rows = [(appids[0], kept[appids[0]].refresh_token), (appids[1], RefreshToken("an old one"))]
    rows += [(gone, kept[gone].refresh_token), ("wxstranger", RefreshToken("x"))]
    text = "appid,refresh_token\n" + "".join(f"{appid},{token and token.reveal()}\n" for appid, token in rows)
    async with empty_gateway(world, tmp_path) as node:
        await node.store.platforms.put_platform(world.platform)
        ticket = (await world.node.store.tickets.newest(platform, 1))[0]
        await node.store.tickets.keep(ticket, prune_before=ticket.pushed_at)
        took = await take_list(node, platform, text)
        assert [(each.line, each.finding, each.outcome) for each in took] == [
            (2, Finding.CONFIRMED, Brought.ADDED),
            (3, Finding.OTHER_TOKEN, Brought.ADDED),
            (4, Finding.NOT_LISTED, None),
            (5, Finding.NOT_LISTED, None),
        ]
        assert "took it back" in took[2].reason
        for appid in appids[:2]:
            brought = await node.authorizations.load(platform, appid)
            assert brought is not None
            assert (brought.refresh_token, brought.func_ids) == (
                kept[appid].refresh_token,
                kept[appid].func_ids,
            )
            assert await node.keeper.get(authorizer_key(platform, appid))
        assert await node.authorizations.load(platform, gone) is None
        again = await take_list(node, platform, text)
        assert [each.outcome for each in again[:2]] == [Brought.SAME, Brought.SAME]


async def take_back(node: Node, platform: str, appid: str, at: datetime) -> None:
    """Let the news come that a merchant ended an authorization; it counts whole seconds."""
    at = datetime.fromtimestamp(int(at.timestamp()), UTC)
    await node.authorizations.apply(Trigger.TAKEN_BACK, platform, appid, event_at=at, reason="unauthorized")
    kept = await node.authorizations.load(platform, appid)
    assert kept is not None
    assert kept.state is AuthorizationState.REVOKED


@pytest.mark.parametrize("factor", [2, 1000], ids=["ahead", "milliseconds"])
async def test_a_list_with_a_time_to_come_is_taken_over_and_puts_off_no_news(
    world: World, tmp_path: Path, factor: int
) -> None:
    platform, appid = world.platform.appid, (await authorized_account(world))["appid"]
    theirs = world.emulator.world.authorizations.require(platform, appid)
    theirs.authorized_at *= factor
    text = f"appid,refresh_token\n{appid},{theirs.refresh_token}\n"
    async with empty_gateway(world, tmp_path) as node:
        await node.store.platforms.put_platform(world.platform)
        ticket = (await world.node.store.tickets.newest(platform, 1))[0]
        await node.store.tickets.keep(ticket, prune_before=ticket.pushed_at)
        assert [each.outcome for each in await take_list(node, platform, text)] == [Brought.ADDED]
        await take_back(node, platform, appid, world.clock.now())


async def test_an_export_with_times_to_come_puts_off_no_news(world: World, tmp_path: Path) -> None:
    platform, appid = world.platform.appid, (await authorized_account(world))["appid"]
    ahead = world.clock.now() + timedelta(days=30)
    lines = [
        pack(
            replace(record, authorized_at=ahead, event_at=ahead)
            if isinstance(record, Authorization)
            else record
        )
        async for record in world.node.transfer.export()
    ]
    async with empty_gateway(world, tmp_path) as node:
        assert {each.outcome for each in await take(node, lines)} == {Brought.ADDED}
        await take_back(node, platform, appid, world.clock.now() + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the first line names the columns"),
        ("wxaccount1,token\n", "tokens.csv:1: the first line names the columns"),
        ("appid,refresh_token\n", "the list is empty"),
        ("appid,refresh_token\nwxaccount1,a\nwxaccount2,b\nwxaccount1,c\n", ":4: wxaccount1 is in line 2"),
        ("appid,refresh_token\nwxaccount1,\n", ":2: the refresh_token is missing"),
        ("appid,refresh_token\nno appid,x\n", ":2: 'no appid' is no appid"),
        ('[{"appid": "wxaccount1"}]', ":1: the refresh_token is missing"),
        ('[{"appid": "wxaccount1", "refresh_token": 5}]', "are texts"),
        ('[{"appid": "wxaccount1",\n}]', ":2:1: this is no JSON"),
        ('{"list": 5}', "a list of objects"),
    ],
)
def test_a_list_with_mistakes_is_refused_with_their_lines(text: str, told: str) -> None:
    with pytest.raises(BadFile) as raised:
        read_list(text, name="tokens.csv")
    assert told in str(raised.value)


def test_wechats_own_names_and_json_are_understood() -> None:
    json = '{"list": [{"authorizer_appid": "wxaccount1", "refresh_token": "r", "auth_time": 5}]}'
    csv = "\ufeffauthorizer_appid, authorizer_refresh_token ,reference\r\nwxaccount1,r,tenant\r\n"
    assert [one.appid for one in read_list(json, name="l")] == ["wxaccount1"]
    (one,) = read_list(csv, name="l")
    assert (one.refresh_token, one.reference) == (RefreshToken("r"), "tenant")


async def test_exports_of_a_gateway_at_work_are_whole(world: World, tmp_path: Path) -> None:
    await authorized_account(world)

    async def work() -> None:
        for _ in range(3):
            await authorized_account(world)

    lines, _ = await asyncio.gather(exported(world.node), work())
    async with empty_gateway(world, tmp_path) as node:
        assert {each.outcome for each in await take(node, lines)} == {Brought.ADDED}
