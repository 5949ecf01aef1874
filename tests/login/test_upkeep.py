"""What login keeps no longer is deleted, and what is still needed stays."""

from datetime import UTC, datetime, timedelta

from tests.server.login_records import make_session
from tests.store.login_rows import know
from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.login.records import Attempt, Goal, LoginCode, Mode, Outcome, Purpose, Realm
from wxgate.login.upkeep import OUTCOMES_KEPT, SESSIONS_KEPT, LoginUpkeep
from wxgate.store import Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=10)


async def nothing_due() -> None:
    """Stand for keys that are young."""


async def test_each_record_goes_when_nobody_needs_it_any_more(sqlite_url: str) -> None:
    clock, removed = ManualClock(NOW), list[tuple[str, int]]()
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    try:
        login = store.login
        upkeep = LoginUpkeep(
            attempts=login.attempts,
            sessions=login.sessions,
            codes=login.codes,
            grants=login.grants,
            scans=login.scans,
            clock=clock,
            turn_keys=nothing_due,
            on_removed=lambda kind, count: removed.append((kind, count)),
        )
        await login.realms.put_realm(Realm("main", "Main", NOW))
        goal = Goal(Purpose.PAGE)
        await login.attempts.create(Attempt("state", "key", "main", "shop", Mode.SILENT, goal, NOW, SOON))
        await login.attempts.claim("state", holder="me", now=NOW, lease_until=SOON)
        await login.attempts.finish("state", holder="me", outcome=Outcome("session", "/"), now=NOW)
        code = LoginCode("code", Purpose.OIDC, "main", "wxcl_1", "u_1", "s_1", "f_1", {}, NOW, SOON)
        await login.codes.put(code)
        await know(store, "u_1", realm="main")
        assert await login.sessions.create(make_session("u_1", "s_1", NOW))

        assert (await upkeep.forget_outcomes(), await upkeep.tend()) == (0, 0)

        clock.advance(OUTCOMES_KEPT + timedelta(seconds=1))
        assert await upkeep.forget_outcomes() == 1
        attempt = await login.attempts.load("state")
        assert attempt is not None
        assert attempt.outcome is None

        clock.advance(timedelta(days=2))
        assert (await upkeep.forget_outcomes(), await upkeep.tend()) == (1, 1)
        assert await login.attempts.load("state") is None
        assert await login.sessions.by_sid("s_1") is not None

        clock.advance(timedelta(days=30) + SESSIONS_KEPT)
        await upkeep.tend()
        assert await login.sessions.by_sid("s_1") is None
        assert removed == [("login_code", 1), ("login_session", 1)]
    finally:
        await store.close()
