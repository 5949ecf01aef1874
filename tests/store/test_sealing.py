"""What is at rest: no secret in the database's bytes, an error or a log, none that opens in another row."""

import asyncio
import logging
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, Table, literal, make_url, select, text, update
from structlog.testing import capture_logs

from tests.store.login_rows import APP, ATTEMPT, OUTCOME, SIGNING_KEY
from tests.store.moments import NOW, TTL, after
from tests.store.test_platforms import DIRECT, PLATFORM
from tests.store.test_release_tests import TESTED
from tests.store.test_subscribers import SUBSCRIBER
from wxgate.custody.records import (
    AuthorizationFilter,
    ExchangeSource,
    FetchedToken,
    Grant,
    KeptTicket,
    NewExchange,
)
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError, StorageError
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, AuthorizerToken, RefreshToken, Ticket
from wxgate.store import Store
from wxgate.store.platforms import SqlPlatforms
from wxgate.store.tables import authorizations, direct_accounts, platforms, tickets, tokens

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
SECRETS = (
    *("platform-secret", "direct-secret", "redirect-key", "current-token", "previous-token", "k" * 43),
    *("ticket@@@value", "the-auth-code", "the-refresh-token", "the-next-refresh-token", "the-access-token"),
    *("website-secret", "the-session-id", "the-presence", "the-handed-code", "the-private-key"),
    *("the-tested-code", "whsec_current", "whsec_previous", "subscriber-token", "s" * 43),
)


async def fill(store: Store) -> None:
    """Put every kind of secret in."""
    await store.platforms.put_platform(PLATFORM)
    await store.platforms.put_direct(DIRECT)
    await store.tickets.keep(
        KeptTicket("wxplatform", Ticket("ticket@@@value"), NOW, NOW), prune_before=after(-60)
    )
    code = AuthorizationCode("the-auth-code")
    job = await store.exchanges.open(
        NewExchange("wxplatform", code, ExchangeSource.AUTHORIZED, NOW, "wxaccount"), now=NOW
    )
    claimed = await store.exchanges.claim(job.id, now=NOW, ttl=TTL)
    assert claimed is not None
    access = FetchedToken(AuthorizerToken("the-access-token"), NOW, after(7200))
    await store.exchanges.finish(
        claimed, Grant("wxaccount", RefreshToken("the-refresh-token"), (1,), access), now=NOW
    )
    await store.authorizations.keep_refresh_token(
        "wxplatform",
        "wxaccount",
        RefreshToken("the-next-refresh-token"),
        replacing=None,
        reason="renewal",
        now=NOW,
    )
    await store.release_tests.begin(TESTED)
    await store.subscribers.add(SUBSCRIBER)
    await fill_login(store)


async def fill_login(store: Store) -> None:
    """Put every kind of secret in that login keeps."""
    await store.login.realms.put_app(APP)
    await store.login.keys.put(SIGNING_KEY)
    state, holder = ATTEMPT.state_hash, "node"
    await store.login.attempts.create(ATTEMPT)
    await store.login.attempts.claim(state, holder=holder, now=NOW, lease_until=after(10))
    await store.login.attempts.finish(state, holder=holder, outcome=OUTCOME, now=NOW)


async def test_the_bytes_of_the_database_hold_no_secret(store: Store, database_url: str) -> None:
    await fill(store)
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        files = Path(url.database or "").parent.glob("test.db*")
        content = b"".join(file.read_bytes() for file in files)
    else:
        dump = ("pg_dump", "-h", str(url.host), "-p", str(url.port), "-U", str(url.username))
        content = subprocess.run([*dump, str(url.database)], check=True, capture_output=True).stdout
    assert b"wxaccount" in content
    for secret in SECRETS:
        assert secret.encode() not in content
        assert secret.encode().hex().encode() not in content


async def test_neither_log_nor_error_shows_what_is_written(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
    try:
        await fill(store)
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    assert not [secret for secret in SECRETS if secret in caplog.text]
    refused = await asyncio.gather(
        store.platforms.put_platform(replace(PLATFORM, name=None)),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    assert isinstance(refused[0], StorageError)
    assert "wxplatform" not in f"{refused[0]} {refused[0].__cause__}"


async def test_a_sealed_value_copied_to_another_row_does_not_open(store: Store) -> None:
    await store.platforms.put_platform(PLATFORM)
    await store.platforms.put_platform(replace(PLATFORM, appid="wxattacker"))
    copied = select(platforms.c.secret).where(platforms.c.appid == "wxplatform").scalar_subquery()
    async with store.database.write() as connection:
        await connection.execute(
            update(platforms).where(platforms.c.appid == "wxattacker").values(secret=copied)
        )
    with pytest.raises(ConfigError, match="platforms/secret/wxattacker"):
        await store.platforms.load_platform("wxattacker")
    assert await store.platforms.load_platform("wxplatform") == PLATFORM


async def test_a_sealed_value_copied_to_another_column_does_not_open(store: Store) -> None:
    await store.platforms.put_platform(PLATFORM)
    async with store.database.write() as connection:
        await connection.execute(update(platforms).values(secret=platforms.c.redirect_key))
    with pytest.raises(ConfigError, match="platforms/secret/wxplatform"):
        await store.platforms.load_platform("wxplatform")


async def test_without_the_key_the_error_names_the_key_and_no_secret(store: Store) -> None:
    await fill(store)
    stranger = SqlPlatforms(store.database, Vault(KeyRing.generate()))
    with pytest.raises(ConfigError, match="not in the key ring"):
        await stranger.load_platform("wxplatform")


LASTING = ("platforms", "direct_accounts", "authorizations", "login_apps", "login_signing_keys")


@pytest.mark.parametrize("kept", LASTING, ids=lambda kept: f"only_{kept}")
async def test_a_database_is_not_opened_with_keys_that_open_none_of_its_secrets(
    store: Store, database_url: str, vault: Vault, kept: str
) -> None:
    await fill(store)
    async with store.database.write() as connection:
        for table in {*LASTING} - {kept}:
            await connection.execute(text(f"DELETE FROM {table}"))
    with pytest.raises(ConfigError, match="does not fit this database"):
        await Store.open(database_url, Vault(KeyRing.generate()))
    await (await Store.open(database_url, vault)).close()


async def test_one_row_that_does_not_open_stops_nobody_and_is_told_once(
    store: Store, database_url: str, vault: Vault
) -> None:
    await fill(store)
    await store.platforms.put_platform(replace(PLATFORM, appid="wxspoilt"))
    await store.platforms.put_direct(replace(DIRECT, appid="wxspoiltdirect"))
    async with store.database.write() as connection:
        for table, appid in ((platforms, "wxspoilt"), (direct_accounts, "wxspoiltdirect")):
            spoilt = update(table).where(table.c.appid == appid).values(push=b"\x01nonsense")
            await connection.execute(spoilt)
        for table in (authorizations, tickets, tokens):
            await connection.execute(table.insert().from_select(*spoilt_copy(table)))
    opened = await Store.open(database_url, vault)
    try:
        with capture_logs() as logs:
            for _ in range(2):
                assert list(await opened.platforms.list_platforms()) == [PLATFORM]
                assert list(await opened.platforms.list_directs()) == [DIRECT]
                assert await opened.platforms.list_shut() == ["wxspoilt", "wxspoiltdirect"]
                found = await opened.authorizations.find(AuthorizationFilter())
                assert [each.appid for each in found] == ["wxaccount"]
                assert [each.ticket.reveal() for each in await opened.tickets.newest("wxplatform")] == [
                    "ticket@@@value"
                ]
                assert await opened.tokens.load(KEY) is not None
                assert await opened.tokens.load(replace(KEY, account="wxspoilt")) is None
        with pytest.raises(ConfigError):
            await opened.platforms.load_platform("wxspoilt")
    finally:
        await opened.close()
    told = [(line["table"], line["key"]) for line in logs if line["event"] == "seal.not_opened"]
    assert told == [
        ("platforms", "wxspoilt"),
        ("direct_accounts", "wxspoiltdirect"),
        ("authorizations", "wxplatform/wxspoilt"),
        ("tickets", "wxplatform/spoilt"),
        ("tokens", "wxplatform/wxspoilt/authorizer"),
    ]


def spoilt_copy(table: Table) -> tuple[list[str], Select[tuple[Any, ...]]]:
    """Select a table's row once more, under another key, at which its sealed value does not open."""
    names = [column.name for column in table.columns]
    other = {"appid": "wxspoilt", "account": "wxspoilt", "fingerprint": "spoilt"}
    changed = [literal(other[name]) if name in other else table.c[name] for name in names]
    return names, select(*changed)


async def test_after_rotation_old_values_open_and_new_ones_need_the_new_key(
    store: Store, database_url: str
) -> None:
    old, new = KeyRing.generate(), KeyRing.generate()

    async def put_and_load(ring: KeyRing, put: bool) -> bool:
        opened = await Store.open(database_url, Vault(ring))
        try:
            if put:
                await opened.platforms.put_platform(PLATFORM)
            return await opened.platforms.load_platform("wxplatform") == PLATFORM
        finally:
            await opened.close()

    both = KeyRing(new.keys + old.keys)
    assert await put_and_load(old, put=True)
    assert await put_and_load(both, put=False)
    assert await put_and_load(both, put=True)
    assert await put_and_load(new, put=False)
    with pytest.raises(ConfigError):
        await put_and_load(old, put=False)
