"""`python -m bench.due_query`: what a look for due tokens costs, whether few accounts exist or a million.

Fills the tokens table of each engine, prints the plan of the query as the engine explains it, and times the
looks of a node: one that finds nothing, one that finds a page, and the settling of that page.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from tests.servers.postgres import PostgresServer, find_postgres
from wxgate.custody.planner import plan
from wxgate.custody.renewals import PAGE, TAKEN_FOR
from wxgate.custody.vault import KeyRing, Vault
from wxgate.store import Store
from wxgate.store.tables import EPOCH
from wxgate.store.tokens import due_query

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
WINDOW = timedelta(hours=48)
IN_USE = 5
"""Every how many-th account is in use; the others are parked."""

COLUMNS = "issuer, account, kind, token, version, fence, fetched_at, expires_at, renew_at, used_at"

# The renewals of those in use are spread over the next hour and three quarters: none is due now.
FILL = {
    "sqlite": """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
        INSERT INTO tokens ({columns})
        SELECT 'wxplatform', 'wx' || i, 'authorizer', zeroblob(250), 1, 1,
               :now - 900000000, :now + 6300000000,
               CASE WHEN i % :in_use = 0 THEN :now + 1000000 + (i * 6299) % 6300000000 END,
               CASE WHEN i % :in_use = 0 THEN :now - 3600000000 END
        FROM n""",
    "postgresql": """
        INSERT INTO tokens ({columns})
        SELECT 'wxplatform', 'wx' || i, 'authorizer', decode(repeat('00', 250), 'hex'), 1, 1,
               at - interval '15 min', at + interval '105 min',
               CASE WHEN i % CAST(:in_use AS int) = 0
                    THEN at + interval '1 s' + (i * 6299 % 6300000000) * interval '1 us' END,
               CASE WHEN i % CAST(:in_use AS int) = 0 THEN at - interval '1 h' END
        FROM generate_series(1, CAST(:rows AS bigint)) AS i, CAST(:now AS timestamptz) AS at""",
}


async def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(prog="python -m bench.due_query", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="tokens in the table")
    parser.add_argument("--looks", type=int, default=200, help="how often each look is timed")
    options = parser.parse_args()
    sizes = sorted({1000, options.rows})
    for engine in ("sqlite", "postgresql"):
        for rows in sizes:
            async with _store(engine) as store:
                if store is None:
                    print(f"{engine}: not installed")
                    continue
                await _fill(store, rows)
                if rows == sizes[-1]:
                    print(f"\n{engine}, {rows:,} tokens, {rows // IN_USE:,} of accounts in use:")
                    print("\n".join(f"    {line}" for line in await _explain(store)))
                await _time(store, engine, rows, options.looks)


@asynccontextmanager
async def _store(engine: str) -> AsyncIterator[Store | None]:
    vault = Vault(KeyRing.generate())
    if engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="wxgate-bench-") as folder:
            store = await Store.open(f"sqlite:///{Path(folder) / 'due.db'}", vault)
            yield store
            await store.close()
        return
    if (tools := find_postgres()) is None:
        yield None
        return
    with PostgresServer(tools) as server:
        store = await Store.open(server.create_database(), vault)
        yield store
        await store.close()


async def _fill(store: Store, rows: int) -> None:
    engine = "sqlite" if store.database.is_sqlite else "postgresql"
    now: Any = (NOW - EPOCH) // timedelta(microseconds=1) if store.database.is_sqlite else NOW
    async with store.database.write() as connection:
        statement = text(FILL[engine].format(columns=COLUMNS))
        await connection.execute(statement, {"rows": rows, "now": now, "in_use": IN_USE})
    async with store.database.write() as connection:
        await connection.execute(text("ANALYZE"))


async def _explain(store: Store) -> Sequence[str]:
    dialect = sqlite.dialect() if store.database.is_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped
    query = str(due_query(NOW, PAGE).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN QUERY PLAN " if store.database.is_sqlite else "EXPLAIN (ANALYZE, BUFFERS) "
    async with store.database.read() as connection:
        result = await connection.execute(text(explain + query.replace(":", r"\:")))
        return [str(row[-1]) for row in result]


async def _time(store: Store, engine: str, rows: int, looks: int) -> None:
    def look(now: datetime) -> Awaitable[object]:
        decide = partial(plan, now=now, window=WINDOW, room=PAGE)
        return store.tokens.take_due(decide, now=now, limit=PAGE, until=now + TAKEN_FOR)

    nothing = await _median(lambda: look(NOW), looks)
    # Far enough ahead that every look finds a page in a table of any size worth the name.
    later = NOW + timedelta(hours=1)
    page = await _median(lambda: look(later), min(looks, max(1, rows // IN_USE // 2 // PAGE)))
    print(f"{engine:>11} {rows:>10,} tokens: nothing due {nothing:6.2f} ms, a page of {PAGE} {page:7.2f} ms")


async def _median(work: Callable[[], Awaitable[object]], times: int) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    asyncio.run(main())
