"""Counts that WeChat limits: clearings of a quota by the month, fetches of tokens by the day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, case, delete, or_, select, update

from wxgate.custody.records import Clear, ClearOutcome, ClearWay, FetchCount
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.store.database import Database
from wxgate.store.tables import fetch_counts, quota_clears
from wxgate.store.upsert import insert_for


class SqlQuota:
    """Implements custody's QuotaStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve_clear(
        self, appid: str, month: str, *, most: int, way: ClearWay, at: datetime
    ) -> Clear | None:
        """Take the lowest number that is free; the primary key decides between two who want the same."""
        mine = and_(quota_clears.c.appid == appid, quota_clears.c.month == month)
        async with self._database.write() as connection:
            taken = set(await connection.scalars(select(quota_clears.c.number).where(mine)))
            for number in range(1, most + 1):
                if number in taken:
                    continue
                clear = Clear(appid, month, number, way, ClearOutcome.SENT, at)
                insert = insert_for(connection, quota_clears).values(
                    appid=appid,
                    month=month,
                    number=number,
                    way=way.value,
                    outcome=clear.outcome.value,
                    at=at,
                )
                inserted = await connection.execute(insert.on_conflict_do_nothing())
                if inserted.rowcount:
                    return clear
        return None

    async def settle_clear(self, clear: Clear, *, accepted: bool) -> None:
        """Note the outcome, or give the number back."""
        mine = and_(
            quota_clears.c.appid == clear.appid,
            quota_clears.c.month == clear.month,
            quota_clears.c.number == clear.number,
        )
        settled = update(quota_clears).where(mine).values(outcome=ClearOutcome.ACCEPTED.value)
        async with self._database.write() as connection:
            await connection.execute(settled if accepted else delete(quota_clears).where(mine))

    async def clears(self, appid: str, month: str) -> Sequence[Clear]:
        """List the clearings of a month."""
        query = (
            select(quota_clears)
            .where(quota_clears.c.appid == appid, quota_clears.c.month == month)
            .order_by(quota_clears.c.at, quota_clears.c.number)
        )
        async with self._database.read() as connection:
            return [_read_clear(row) for row in (await connection.execute(query)).all()]

    async def count_fetches(self, key: TokenKey, *, day: str, by: int) -> FetchCount:
        """Add to the count of a day."""
        row = {**_place(key), "day": day, "fetched": by, "open_until": None, "reason": ""}
        # A node whose clock is behind must not bring yesterday back; but a day further ahead than tomorrow is
        # what a wrong clock has left behind.
        tomorrow = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        is_over = or_(fetch_counts.c.day < day, fetch_counts.c.day > tomorrow)
        changes = {
            "fetched": case((is_over, by), else_=fetch_counts.c.fetched + by),
            "day": case((is_over, day), else_=fetch_counts.c.day),
        }
        async with self._database.write() as connection:
            statement = insert_for(connection, fetch_counts).values(**row)
            statement = statement.on_conflict_do_update(
                index_elements=["issuer", "account", "kind"], set_=changes
            )
            return _read_count((await connection.execute(statement.returning(*fetch_counts.c))).one())

    async def open_circuit(self, key: TokenKey, *, day: str, until: datetime, reason: str) -> None:
        """Note until when nobody should fetch."""
        row = {**_place(key), "day": day, "fetched": 0, "open_until": until, "reason": reason}
        async with self._database.write() as connection:
            statement = insert_for(connection, fetch_counts).values(**row)
            changes = {"open_until": statement.excluded.open_until, "reason": statement.excluded.reason}
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["issuer", "account", "kind"], set_=changes)
            )

    async def close_circuit(self, key: TokenKey) -> None:
        """Forget until when nobody should fetch."""
        mine = [fetch_counts.c[name] == value for name, value in _place(key).items()]
        async with self._database.write() as connection:
            await connection.execute(update(fetch_counts).where(*mine).values(open_until=None, reason=""))

    async def reset_fetches(self, issuer: str, account: str | None = None, *, day: str) -> int:
        """Begin the counts of a day anew and close the circuits."""
        mine = [fetch_counts.c.issuer == issuer]
        if account is not None:
            mine.append(fetch_counts.c.account == account)
        async with self._database.write() as connection:
            reset = await connection.execute(
                update(fetch_counts).where(*mine).values(day=day, fetched=0, open_until=None, reason="")
            )
        return int(reset.rowcount)

    async def fetch_counts(self) -> Sequence[FetchCount]:
        """List all counts."""
        query = select(fetch_counts).order_by(*fetch_counts.primary_key)
        async with self._database.read() as connection:
            return [_read_count(row) for row in (await connection.execute(query)).all()]


def _place(key: TokenKey) -> dict[str, str]:
    return {"issuer": key.issuer, "account": key.account, "kind": key.kind.value}


def _read_clear(row: Row[Any]) -> Clear:
    return Clear(row.appid, row.month, row.number, ClearWay(row.way), ClearOutcome(row.outcome), row.at)


def _read_count(row: Row[Any]) -> FetchCount:
    key = TokenKey(row.issuer, row.account, TokenKind(row.kind))
    return FetchCount(key, row.day, row.fetched, row.open_until, row.reason)
