"""What login asks of the database at every request, and what it forgets, is found by an index."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import event as hook
from sqlalchemy import text

from tests.store.login_rows import (
    ACCESS,
    ATTEMPT,
    CODE,
    OPENID,
    OUTCOME,
    SCAN,
    SESSION,
    SIGNING_KEY,
    UNIONID,
    put_session,
)
from tests.store.moments import NOW, after
from wxgate.login.records import GrantKind, Profile, ScanState
from wxgate.store import Store

SMALL = {
    *("login_realms", "login_apps", "login_clients", "login_signing_keys", "login_conflicts"),
    "login_codes",  # of one minute
}
"""Tables of a few rows, which may be read whole where it is seldom done."""

READ_WHOLE = re.compile(
    r"(?:Seq Scan on|SCAN) (login_\w+)"
    # Small by themselves: they have only what waits to be forgotten.
    r"(?! USING (?:COVERING )?INDEX (?:ix_login_attempts_outcome|ix_login_sessions_ended_at))\b"
)


@contextmanager
def watched(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Note the statements that a store has its database run."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    database = store.database
    engines = {database._writer.sync_engine, database._reader.sync_engine}
    if database.is_sqlite:
        engines.add(database._batches)
    for engine in engines:
        hook.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        hook.remove(engine, "before_cursor_execute", note)


async def use(store: Store) -> None:
    """Do what logins, applications and the sweeps do, and an operator who looks somebody up."""
    login, old = store.login, after(-9999)
    await login.attempts.load(ATTEMPT.state_hash)
    await login.attempts.claim(ATTEMPT.state_hash, holder="h", now=NOW, lease_until=after(10))
    await login.attempts.finish(ATTEMPT.state_hash, holder="h", outcome=OUTCOME, now=NOW)
    await login.attempts.prune(expired_before=old, outcomes_before=old)
    await login.identities.resolve("shops", [OPENID, UNIONID], new_sub="u", profile=Profile("n"), now=NOW)
    await login.identities.find("shops", [OPENID, UNIONID])
    await login.identities.subjects("shops", search="o-anna")
    await login.identities.names("shops", "u_anna")
    await login.identities.openids("shops", "wxsite", after="o")
    await login.identities.count_openids("shops", "wxsite")
    await login.identities.forget("shops", "u_nobody")
    await put_session(store, replace(SESSION, id_hash="n", sid="n"), instead_of=SESSION.id_hash)
    await put_session(store, replace(SESSION, id_hash="g", sid="g"), instead_of="n")
    await login.sessions.load(SESSION.id_hash)
    await login.sessions.by_sid("sid-1")
    await login.sessions.touch(SESSION.id_hash, seen_at=NOW)
    await login.sessions.learn_unionid("shops", "u_anna", appid="wx1", openid="o-anna", unionid="u-anna")
    await login.sessions.end(SESSION.id_hash, reason="r", now=NOW)
    await login.sessions.live("shops", now=NOW)
    await login.sessions.live("shops", sub="u_anna", now=NOW)
    await login.sessions.end_all(realm="shops", sub="u_anna", reason="r", now=NOW)
    await login.sessions.end_all(realm="shops", client="wxcl_shop", reason="r", now=NOW)
    await login.sessions.prune(ended_before=old)
    await login.codes.take(CODE.code_hash, now=NOW)
    await login.codes.take(CODE.code_hash, now=NOW)
    await login.codes.prune(expired_before=old)
    await login.grants.put([replace(ACCESS, token_hash="n", kind=GrantKind.REFRESH)])
    await login.grants.load("n")
    await login.grants.replace("n", [replace(ACCESS, token_hash="m")], now=NOW)
    await login.grants.clients_of("sid-1")
    await login.grants.revoke_family("family-1", now=NOW)
    await login.grants.revoke_session("sid-1", now=NOW)
    await login.grants.revoke_client("wxcl_shop", now=NOW)
    await login.grants.revoke_all("shops", sub="u_anna", now=NOW)
    await login.grants.revoke_all("shops", client="wxcl_shop", now=NOW)
    await login.grants.prune(expired_before=old)
    await login.scans.load("scan-1")
    await login.scans.by_scene(SCAN.scene_hash)
    await login.scans.advance("scan-1", before=ScanState.SHOWN, after=ScanState.SCANNED, now=NOW)
    await login.scans.prune(expired_before=old)


async def test_no_table_that_grows_is_read_whole(store: Store) -> None:
    login = store.login
    await login.attempts.create(ATTEMPT)
    await put_session(store, SESSION)
    await login.codes.put(CODE)
    await login.keys.put(SIGNING_KEY)
    await login.scans.create(SCAN)
    with watched(store) as seen:
        await use(store)
    asked = [(sql, values) for sql, values in seen if "login_" in sql and not sql.startswith("INSERT")]
    assert len(asked) > 40
    explain = "EXPLAIN QUERY PLAN " if store.database.is_sqlite else "EXPLAIN "
    whole: list[str] = []
    async with store.database.write() as connection:
        if not store.database.is_sqlite:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        for sql, values in asked:
            rows = await connection.exec_driver_sql(explain + sql, values)
            plan = "\n".join(str(row[-1]) for row in rows)
            if set(READ_WHOLE.findall(plan)) - SMALL:
                whole.append(f"{sql}\n{plan}")
    assert not whole, "\n\n".join(whole)
