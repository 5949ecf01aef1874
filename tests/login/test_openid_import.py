"""Openids of a moved account: converted in batches, foretold in a dry run, harmless to repeat."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.login.openid_import import BATCH, OpenidImport, Progress, Result, read_pairs
from wxgate.login.records import Conflict, IdentityKind, Name, Profile, Realm
from wxgate.store import Store

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
OLD, NEW = "wx-old", "wx-new"


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    """A store with one realm."""
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    await store.login.realms.put_realm(Realm("main", "晨光", START))
    yield store
    await store.close()


def openid(appid: str, value: str) -> Name:
    return Name(IdentityKind.OPENID, appid, value)


async def know(store: Store, *names: Name, sub: str) -> None:
    """Let somebody log in under names."""
    await store.login.identities.resolve("main", names, new_sub=sub, profile=Profile(), now=START)


async def of(store: Store, name: Name) -> str | None:
    """Tell whom a name stands for."""
    return (await store.login.identities.find("main", [name])).get(name)


def importer(
    store: Store,
    calls: list[Sequence[str]],
    refused: str = "",
    told: list[Conflict] | None = None,
) -> OpenidImport:
    async def convert(from_appid: str, to_appid: str, openids: Sequence[str]) -> Mapping[str, str]:
        assert (from_appid, to_appid) == (OLD, NEW)
        calls.append(openids)
        return {old: f"new-{old}" for old in openids if old != refused}

    async def hear(conflicts: Sequence[Conflict]) -> None:
        if told is not None:
            told.extend(conflicts)

    return OpenidImport(
        store.login.identities, store.login.realms, ManualClock(START), convert=convert, on_conflicts=hear
    )


async def last(progress: AsyncIterator[Progress]) -> Progress:
    return [each async for each in progress][-1]


async def test_every_openid_of_the_old_account_is_converted_a_hundred_at_a_time(store: Store) -> None:
    for number in range(BATCH + 5):
        await know(store, openid(OLD, f"o-{number:03}"), sub=f"u_{number:03}")
    await know(store, openid("wx-another", "x-1"), sub="u_x")
    calls: list[Sequence[str]] = []
    steps = [each async for each in importer(store, calls, refused="o-003").by_wechat("main", OLD, NEW)]
    assert [each.done for each in steps] == [0, BATCH, BATCH + 5]
    assert steps[-1].total == BATCH + 5
    assert [len(each) for each in calls] == [BATCH, 5]
    assert steps[-1].results[Result.LINKED] == BATCH + 4
    assert steps[-1].results[Result.REFUSED] == 1
    assert await of(store, openid(NEW, "new-o-104")) == "u_104"
    assert await of(store, openid(OLD, "o-104")) == "u_104"
    again = await last(importer(store, [], refused="o-003").by_wechat("main", OLD, NEW))
    assert (again.results[Result.KNOWN], again.results[Result.LINKED]) == (BATCH + 4, 0)


async def test_a_dry_run_says_what_would_come_of_it_and_changes_nothing(store: Store) -> None:
    await know(store, openid(OLD, "o-1"), sub="u_1")
    await know(store, openid(OLD, "o-2"), openid(NEW, "new-o-2"), sub="u_2")
    await know(store, openid(OLD, "o-3"), sub="u_3")
    await know(store, openid(NEW, "new-o-3"), sub="u_other")
    expected = {Result.LINKED: 1, Result.KNOWN: 1, Result.CONFLICT: 1, Result.UNKNOWN: 0, Result.REFUSED: 0}
    dry = await last(importer(store, []).by_wechat("main", OLD, NEW, dry_run=True))
    assert dry.results == expected
    assert await of(store, openid(NEW, "new-o-1")) is None
    assert not await store.login.identities.conflicts("main")
    told: list[Conflict] = []
    done = await last(importer(store, [], told=told).by_wechat("main", OLD, NEW))
    assert done.results == expected
    [conflict] = await store.login.identities.conflicts("main")
    assert told == [conflict]
    assert {conflict.kept, conflict.other} == {"u_3", "u_other"}


@pytest.mark.parametrize("dry_run", [False, True])
async def test_pairs_that_were_converted_elsewhere_are_linked_without_wechat(
    store: Store, dry_run: bool
) -> None:
    await know(store, openid(OLD, "o-1"), sub="u_1")
    calls: list[Sequence[str]] = []
    pairs = read_pairs(["\ufeffold,new", "o-1,n-1", "", '"o-9","n-9"'])
    done = await last(importer(store, calls).by_list("main", OLD, NEW, pairs, dry_run=dry_run))
    assert (done.results[Result.LINKED], done.results[Result.UNKNOWN], calls) == (1, 1, [])
    assert await of(store, openid(NEW, "n-1")) == (None if dry_run else "u_1")


async def test_an_account_does_not_move_to_itself(store: Store) -> None:
    with pytest.raises(ConfigError, match="give two"):
        await last(importer(store, []).by_wechat("main", OLD, OLD))


@pytest.mark.parametrize(
    "lines", [["o-1"], ["o-1,n-1,x"], ["o-1,"], ["o-1,n-1", "o-1,n-2"], [f"{'o' * 129},n"]]
)
def test_a_list_with_a_mistake_is_refused_by_its_line(lines: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"line {len(lines)}"):
        read_pairs(lines)
