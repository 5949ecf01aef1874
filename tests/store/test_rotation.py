"""Key rotation: everything sealed is sealed anew while others write, and no key goes that anything needs."""

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, select, update

from tests.store.login_rows import ATTEMPT
from tests.store.moments import NOW, TTL, after
from tests.store.test_platforms import DIRECT, PLATFORM
from tests.store.test_sealing import KEY, fill
from wxgate.clock import ManualClock
from wxgate.custody.records import AuthorizationFilter, ExchangeSource, FetchedToken, NewExchange
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError, NotFound
from wxgate.secret import AppSecret, AuthorizationCode, AuthorizerToken
from wxgate.store import Store
from wxgate.store.keyfile import change_key_file, load_key_file
from wxgate.store.keys import Keys
from wxgate.store.rotation import NodeKeys, Progress
from wxgate.store.sealed import SEALED
from wxgate.store.store import open_vault
from wxgate.store.tables import metadata, tickets

CODE = NewExchange(
    "wxplatform", AuthorizationCode("the-auth-code"), ExchangeSource.AUTHORIZED, NOW, "wxaccount"
)
"""The code that `fill` has exchanged."""


async def run(store: Store, *, batch: int = 3) -> Progress:
    return [progress async for progress in store.rotation.reseal(batch=batch)][-1]


async def open_all(store: Store) -> list[object]:
    """Read every kind of secret."""
    job = (await store.exchanges.open(CODE, now=NOW)).code.reveal()
    token = await store.tokens.load(KEY)
    assert token is not None
    found = await store.authorizations.find(AuthorizationFilter())
    return [
        *await store.platforms.list_platforms(),
        *await store.platforms.list_directs(),
        *await store.tickets.newest("wxplatform"),
        job,
        token.token.reveal(),
        *(one.refresh_token for one in found),
        *await store.subscribers.list_subscribers(),
        *await store.login.realms.apps(),
        *await store.login.keys.of("shops"),
        await store.login.attempts.load(ATTEMPT.state_hash),
    ]


def test_every_binary_column_is_in_the_list_of_sealed_ones() -> None:
    """What holds bytes is sealed; a column that is not must be named here with its reason."""
    binary = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert {sealed.name for sealed in SEALED} == binary
    assert len(SEALED) == len(binary)


async def test_every_sealed_value_is_sealed_anew_and_opens_with_the_new_key_alone(
    database_url: str,
) -> None:
    old = KeyRing.generate()
    new = old.with_new()
    new = new.led_by(new.names[-1])
    first = await Store.open(database_url, Vault(old))
    await fill(first)
    before = await open_all(first)
    counted = await first.rotation.counts()
    await first.close()

    second = await Store.open(database_url, Vault(new))
    progress = await run(second)
    assert (progress.sealed, progress.total, progress.shut) == (counted[old.names[0]], progress.sealed, [])
    assert progress.sealed == len(SEALED)
    assert await second.rotation.counts() == {new.names[0]: len(SEALED)}
    await second.close()

    third = await Store.open(database_url, Vault(new.without(old.names[0])))
    assert await open_all(third) == before
    await third.close()


async def test_a_rotation_that_was_stopped_goes_on_where_it_was(store: Store, database_url: str) -> None:
    for number in range(20):
        await store.platforms.put_platform(replace(PLATFORM, appid=f"wx{number:04}"))
    other = await Store.open(database_url, Vault(rotated(store)))
    rotation = other.rotation.reseal(batch=4)
    async for progress in rotation:
        if progress.sealed >= 8:
            break
    left = await run(other, batch=4)
    assert left.total == 60 - progress.sealed
    assert left.sealed == left.total
    assert len(await other.rotation.counts()) == 1
    await other.close()


async def test_what_somebody_writes_meanwhile_is_not_overwritten(store: Store, database_url: str) -> None:
    await fill(store)
    for number in range(30):
        await store.platforms.put_platform(replace(PLATFORM, appid=f"wx{number:04}"))
    ring = rotated(store)
    other, writer = (
        await Store.open(database_url, Vault(ring)),
        await Store.open(database_url, Vault(ring)),
    )
    written = []

    async def write() -> None:
        for number in range(40):
            lease = await writer.tokens.claim(KEY, holder="w", now=after(number * 60), ttl=TTL)
            assert lease is not None
            value = AuthorizerToken(f"token {number}")
            await writer.tokens.finish(lease, FetchedToken(value, NOW, after(7200)))
            await writer.platforms.put_platform(
                replace(PLATFORM, appid=f"wx{number % 30:04}", name=str(number))
            )
            written.append(value)

    await asyncio.gather(write(), run(other, batch=2))
    await run(other)
    kept = await other.tokens.load(KEY)
    assert kept is not None
    assert kept.token == written[-1]
    names = {platform.name for platform in await other.platforms.list_platforms()}
    assert {str(number) for number in range(10, 40)} <= names
    assert set(await other.rotation.counts()) == {ring.names[0]}
    await other.close()
    await writer.close()


async def test_a_value_that_changed_since_it_was_read_is_left_to_whoever_changed_it(
    store: Store, database_url: str
) -> None:
    await store.platforms.put_platform(PLATFORM)
    other = await Store.open(database_url, Vault(rotated(store)))
    secret = SEALED[0]
    async with store.database.read() as connection:
        stale = (await connection.execute(select(secret.column, secret.column.table.c.appid))).all()
        rows = [(*row, row.appid) for row in stale]
    changed = replace(PLATFORM, secret=AppSecret("another"))
    await store.platforms.put_platform(changed)
    progress = Progress(1)
    await other.rotation._replace(secret, rows, progress)  # type: ignore[arg-type] # rows are tuples
    assert (progress.sealed, progress.overtaken) == (0, 1)
    assert await other.platforms.load_platform(PLATFORM.appid) == changed
    await other.close()


async def test_a_value_that_does_not_open_is_named_and_stops_nothing(store: Store, database_url: str) -> None:
    await fill(store)
    async with store.database.write() as connection:
        spoilt = await connection.scalar(select(tickets.c.ticket))
        assert spoilt is not None
        await connection.execute(update(tickets).values(ticket=spoilt[:-1] + bytes([spoilt[-1] ^ 1])))
    other = await Store.open(database_url, Vault(rotated(store)))
    progress = await run(other)
    assert progress.done == progress.total == len(SEALED)
    assert len(progress.shut) == 1
    assert progress.shut[0].startswith("tickets/ticket/wxplatform/")
    assert sum((await other.rotation.counts()).values()) == len(SEALED)
    await other.close()


def rotated(store: Store) -> KeyRing:
    """The ring of a store with a new key in front."""
    ring = store.rotation._vault.ring.with_new()
    return ring.led_by(ring.names[-1])


class Machine:
    """A gateway whose keys are in a file."""

    def __init__(self, store: Store, vault: Vault, path: Path, holder: str, clock: ManualClock) -> None:
        self.store = store
        self.path = path
        self.keys = Keys(vault, store.rotation, clock, holder=holder, key_file=path)

    @classmethod
    async def open(cls, url: str, path: Path, holder: str, clock: ManualClock) -> "Machine":
        vault = await open_vault(url, "", path)
        return cls(await Store.open(url, vault), vault, path, holder, clock)


async def test_a_key_is_added_made_current_and_the_old_one_retired_without_a_restart(
    database_url: str, tmp_path: Path
) -> None:
    clock, path = ManualClock(NOW), tmp_path / "wxgate.key"
    server = await Machine.open(database_url, path, "server", clock)
    operator = await Machine.open(database_url, path, "operator", clock)
    await server.keys.tell()
    await server.store.platforms.put_platform(PLATFORM)
    old = load_key_file(path).names[0]

    new = operator.keys.add()
    assert load_key_file(path).names == (old, new)
    with pytest.raises(ConfigError, match="not known yet to"):
        await operator.keys.lead(new)
    await server.keys.tell()
    with pytest.raises(ConfigError, match="make another one current first"):
        await operator.keys.retire(old)
    await operator.keys.lead(new)

    await server.store.platforms.put_direct(DIRECT)
    assert await server.store.rotation.counts() == {old: 3, new: 2}
    with pytest.raises(ConfigError, match="still seals with key"):
        await operator.keys.retire(old)
    await server.keys.tell()
    with pytest.raises(ConfigError, match="3 values are still under key"):
        await operator.keys.retire(old)
    assert (await run(operator.store)).sealed == 3
    await operator.keys.retire(old)

    assert load_key_file(path).names == (new,)
    assert list(await server.store.platforms.list_platforms()) == [PLATFORM]
    assert [(key.name, key.current, key.values) for key in await server.keys.status()] == [(new, True, 5)]
    await server.store.close()
    await operator.store.close()


async def test_a_node_that_has_ended_or_died_holds_no_rotation_up(database_url: str, tmp_path: Path) -> None:
    clock, path = ManualClock(NOW), tmp_path / "wxgate.key"
    operator = await Machine.open(database_url, path, "operator", clock)
    for holder in ("ended", "died"):
        await operator.store.rotation.tell(NodeKeys(holder, socket.gethostname(), ("0badc0de",), NOW))
    new = operator.keys.add()
    await operator.store.rotation.leave("ended")
    with pytest.raises(ConfigError, match=r"node died\)"):
        await operator.keys.lead(new)
    clock.advance(timedelta(seconds=61))
    await operator.keys.lead(new)
    await operator.store.close()


async def test_keys_from_a_setting_are_not_changed_by_command(store: Store, vault: Vault) -> None:
    keys = Keys(vault, store.rotation, ManualClock(NOW), holder="h", key_file=None)
    with pytest.raises(ConfigError, match="WXGATE_KEYS"):
        keys.add()
    with pytest.raises(NotFound, match="no sealing key 0badc0de"):
        await keys.lead("0badc0de")


def test_of_many_that_change_a_key_file_at_once_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "wxgate.key"
    load_key_file(path)
    for _ in range(5):
        change_key_file(path, KeyRing.with_new)
    assert len(load_key_file(path).keys) == 6
    assert [file.name for file in tmp_path.iterdir()] == ["wxgate.key"]
