"""Trouble with the database in the middle of a login: what fails changes nothing, and comes right later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.store.login_rows import (
    ACCESS,
    APP,
    ATTEMPT,
    CODE,
    OPENID,
    OUTCOME,
    REALM,
    SCAN,
    SESSION,
    SIGNING_KEY,
    UNIONID,
    put_session,
)
from tests.store.moments import NOW, after
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import StorageError
from wxgate.login.records import (
    AttemptState,
    Goal,
    GrantKind,
    IdentityKind,
    Name,
    Profile,
    Purpose,
)
from wxgate.store import Store
from wxgate.store.login import LoginStore

REFRESH = replace(ACCESS, token_hash="refresh", kind=GrantKind.REFRESH)


@asynccontextmanager
async def without(store: Store, table: str) -> AsyncIterator[None]:
    """Take a table away for a while; whatever needs it fails."""
    await execute(store, f"ALTER TABLE {table} RENAME TO away")
    with pytest.raises(StorageError) as raised:
        yield
    await execute(store, f"ALTER TABLE away RENAME TO {table}")
    assert not raised.value.refused


async def execute(store: Store, sql: str) -> None:
    async with store.database.write() as connection:
        await connection.execute(text(sql))


async def test_a_refresh_token_whose_successors_cannot_be_kept_stays_good(store: Store) -> None:
    grants = store.login.grants
    await grants.put([REFRESH])
    async with without(store, "login_sessions"):
        await grants.replace("refresh", [replace(REFRESH, token_hash="next")], now=after(1))
    assert await grants.load("refresh") == REFRESH
    assert await grants.load("next") is None
    assert await grants.replace("refresh", [replace(REFRESH, token_hash="next")], now=after(1))


async def test_a_session_ends_only_with_the_one_in_its_place(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, SESSION)
    with pytest.raises(StorageError) as raised:
        await put_session(store, replace(SESSION, id_hash="new"), instead_of=SESSION.id_hash)  # the same sid
    assert raised.value.refused
    assert await sessions.load(SESSION.id_hash) == SESSION


async def test_names_are_linked_all_or_none_of_them(store: Store) -> None:
    identities = store.login.identities
    await identities.resolve("shops", [OPENID], new_sub="u_1", profile=Profile(), now=NOW)
    await identities.resolve("shops", [UNIONID], new_sub="u_2", profile=Profile(), now=NOW)
    third = Name(IdentityKind.OPENID, "wxthird", "o")
    async with without(store, "login_conflicts"):
        await identities.resolve(
            "shops", [OPENID, UNIONID, third], new_sub="u_3", profile=Profile("n"), now=after(1)
        )
    assert third not in await identities.find("shops", [third])
    subject = await identities.subject("shops", "u_1")
    assert subject is not None
    assert (subject.profile, subject.last_login_at) == (Profile(), NOW)


async def test_a_merge_and_a_forgetting_that_fail_half_way_change_nothing(store: Store) -> None:
    identities = store.login.identities
    await identities.resolve("shops", [OPENID], new_sub="u_1", profile=Profile(), now=NOW)
    await identities.resolve("shops", [UNIONID], new_sub="u_2", profile=Profile(), now=NOW)
    async with without(store, "login_conflicts"):
        await identities.merge("shops", kept="u_1", other="u_2", now=NOW)
    async with without(store, "login_codes"):
        await identities.forget("shops", "u_1")
    assert await identities.find("shops", [OPENID, UNIONID]) == {OPENID: "u_1", UNIONID: "u_2"}
    assert await identities.merge("shops", kept="u_1", other="u_2", now=NOW)


async def test_a_realm_whose_removal_was_stopped_is_removed_by_the_next_one(store: Store) -> None:
    login = store.login
    await login.realms.put_realm(REALM)
    await put_session(store, SESSION)
    await login.grants.put([ACCESS])
    async with without(store, "login_grants"):
        await login.realms.remove_realm("shops")
    assert await login.realms.realm("shops") is None
    assert await login.sessions.load(SESSION.id_hash) is not None
    assert not await login.realms.remove_realm("shops")
    assert await login.sessions.load(SESSION.id_hash) is None
    assert await login.grants.load(ACCESS.token_hash) is None


async def test_what_is_there_is_not_made_twice(store: Store) -> None:
    """A random value that comes again is no accident of ours: nothing is written over."""
    login = store.login
    for make in (
        lambda: login.attempts.create(ATTEMPT),
        lambda: put_session(store, SESSION),
        lambda: login.codes.put(CODE),
        lambda: login.grants.put([ACCESS]),
        lambda: login.scans.create(SCAN),
    ):
        await make()
        with pytest.raises(StorageError) as raised:
            await make()
        assert raised.value.refused


async def test_text_that_no_database_takes_is_kept_as_well_as_it_can_be(store: Store) -> None:
    login, hostile = store.login, "a\0b\ud800🌸\x14"
    subject, _ = await login.identities.resolve(
        "shops", [OPENID], new_sub="u_1", profile=Profile(hostile, hostile), now=NOW
    )
    assert subject.profile.nickname == "a\ufffdb?🌸\x14"
    assert list(await login.identities.subjects("shops", search=hostile, after="")) == []
    await put_session(store, replace(SESSION, agent=hostile, address=hostile))
    attempt = replace(ATTEMPT, goal=Goal(Purpose.PAGE, {"return_to": "/\x14🌸"}))
    await login.attempts.create(attempt)
    assert await login.attempts.load(ATTEMPT.state_hash) == attempt
    for name in (hostile, "x" * 10_000):
        assert await login.realms.realm(name) is None
        assert await login.realms.app(name) is None
        assert await login.realms.client(name) is None
        assert await login.attempts.load(name) is None
        assert await login.sessions.by_sid(name) is None
        assert await login.scans.load(name) is None


async def test_what_does_not_open_stops_nobody(store: Store, vault: Vault) -> None:
    login, state = store.login, ATTEMPT.state_hash
    stranger = LoginStore.on(store.database, Vault(KeyRing.generate()))
    await login.realms.put_app(APP)
    await login.realms.put_app(replace(APP, name="plain", secret=None))
    await login.keys.put(SIGNING_KEY)
    await login.attempts.create(ATTEMPT)
    await login.attempts.claim(state, holder="h", now=NOW, lease_until=after(10))
    await login.attempts.finish(state, holder="h", outcome=OUTCOME, now=NOW)
    with capture_logs() as logs:
        assert [app.name for app in await stranger.realms.apps()] == ["plain"]
        assert list(await stranger.keys.of("shops")) == []
        attempt = await stranger.attempts.load(state)
    assert attempt is not None
    assert (attempt.state, attempt.outcome) == (AttemptState.DONE, None)
    told = [(line["table"], line["key"]) for line in logs if line["event"] == "seal.not_opened"]
    assert told == [
        ("login_apps", "shop-web"),
        ("login_signing_keys", "shops/2026-03"),
        ("login_attempts", state),
    ]
