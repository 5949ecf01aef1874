"""Attempts to log in: one exchanges the code, everybody else reads what came of it."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.login.records import Attempt, AttemptState, Goal, Mode, Outcome, Purpose
from wxgate.secret import Secret
from wxgate.store.database import Database
from wxgate.store.login_tables import attempts
from wxgate.store.seals import Seals
from wxgate.store.steps import delete_in_steps

table = attempts.c

PENDING, EXCHANGING, DONE = (state.value for state in AttemptState)


class SqlAttempts:
    """Implements login's Attempts."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "login_attempts")

    async def create(self, attempt: Attempt) -> None:
        """Insert an attempt."""
        row = {
            "state_hash": attempt.state_hash,
            "browser_hash": attempt.browser_hash,
            "realm": attempt.realm,
            "app": attempt.app,
            "mode": attempt.mode.value,
            "purpose": attempt.goal.purpose.value,
            "data": dict(attempt.goal.data),
            "started_at": attempt.started_at,
            "expires_at": attempt.expires_at,
            "state": attempt.state.value,
            "restarts": attempt.restarts,
            "holder": attempt.holder,
            "lease_until": attempt.lease_until,
            "finished_at": attempt.finished_at,
            "outcome": attempt.outcome and self._seal(attempt.outcome, attempt.state_hash),
            "tapped": attempt.tapped,
            "code_hash": attempt.code_hash,
            "reclaimed": attempt.reclaimed,
            "successors": attempt.successors,
        }
        async with self._database.write() as connection:
            await connection.execute(attempts.insert().values(**row))

    async def load(self, state_hash: str) -> Attempt | None:
        """Load an attempt."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(attempts).where(table.state_hash == state_hash))).first()
        return self._read(row) if row is not None else None

    async def claim(
        self,
        state_hash: str,
        *,
        holder: str,
        now: datetime,
        lease_until: datetime,
        code_hash: str | None = None,
        again: bool = False,
    ) -> bool:
        """Take an attempt, if it is pending (or its holder's lease has ended) and has not expired."""
        takeable = table.state == PENDING
        if again:
            takeable |= (table.state == EXCHANGING) & (table.lease_until <= now)
        free = update(attempts).where(table.state_hash == state_hash, takeable, table.expires_at > now)
        values = {"state": EXCHANGING, "holder": holder, "lease_until": lease_until, "code_hash": code_hash}
        async with self._database.write() as connection:
            return (await connection.execute(free.values(**values))).rowcount > 0

    async def reclaim(
        self, state_hash: str, *, holder: str, now: datetime, lease_until: datetime, code_hash: str
    ) -> bool:
        """Take an attempt again, if it is done, was not taken again yet and has not expired."""
        over = update(attempts).where(
            table.state_hash == state_hash,
            table.state == DONE,
            table.reclaimed.is_(False),
            table.expires_at > now,
        )
        values = {
            "state": EXCHANGING,
            "holder": holder,
            "lease_until": lease_until,
            "code_hash": code_hash,
            "reclaimed": True,
            "finished_at": None,
            "outcome": None,
        }
        async with self._database.write() as connection:
            return (await connection.execute(over.values(**values))).rowcount > 0

    async def succeed(self, state_hash: str, *, most: int) -> bool:
        """Count one more successor, if there may be one."""
        free = update(attempts).where(table.state_hash == state_hash, table.successors < most)
        async with self._database.write() as connection:
            counted = await connection.execute(free.values(successors=table.successors + 1))
            return counted.rowcount > 0

    async def finish(self, state_hash: str, *, holder: str, outcome: Outcome, now: datetime) -> bool:
        """Write an attempt's outcome, if the holder still has it."""
        mine = update(attempts).where(
            table.state_hash == state_hash, table.state == EXCHANGING, table.holder == holder
        )
        values = {
            "state": DONE,
            "finished_at": now,
            "lease_until": None,
            "outcome": self._seal(outcome, state_hash),
        }
        async with self._database.write() as connection:
            return (await connection.execute(mine.values(**values))).rowcount > 0

    async def prune(self, *, expired_before: datetime, outcomes_before: datetime) -> int:
        """Delete old attempts and empty old outcomes."""
        # Written out, so that the index of the outcomes that are kept can be used.
        kept = table.outcome.is_not(None) & (table.finished_at < outcomes_before)
        async with self._database.write() as connection:
            emptied = (await connection.execute(update(attempts).where(kept).values(outcome=None))).rowcount
        return emptied + await delete_in_steps(self._database, attempts, table.expires_at < expired_before)

    def _seal(self, outcome: Outcome, state_hash: str) -> bytes:
        plain = {
            "word": outcome.word,
            "location": outcome.location,
            "session_id": outcome.session_id and outcome.session_id.reveal(),
            "presence": outcome.presence and outcome.presence.reveal(),
        }
        return self._seals.seal(Secret(json.dumps(plain)), "outcome", state_hash)

    def _open(self, sealed: bytes, state_hash: str) -> Outcome | None:
        """Open an outcome; one whose key is gone is gone, which is what comes of every outcome soon."""
        try:
            plain = json.loads(self._seals.open(sealed, "outcome", state_hash))
        except ConfigError as error:
            self._seals.tell_shut(state_hash, error)
            return None
        session_id, presence = plain["session_id"], plain["presence"]
        return Outcome(
            plain["word"],
            plain["location"],
            Secret(session_id) if session_id is not None else None,
            Secret(presence) if presence is not None else None,
        )

    def _read(self, row: Row[Any]) -> Attempt:
        return Attempt(
            state_hash=row.state_hash,
            browser_hash=row.browser_hash,
            realm=row.realm,
            app=row.app,
            mode=Mode(row.mode),
            goal=Goal(Purpose(row.purpose), row.data),
            started_at=row.started_at,
            expires_at=row.expires_at,
            state=AttemptState(row.state),
            restarts=row.restarts,
            holder=row.holder,
            lease_until=row.lease_until,
            finished_at=row.finished_at,
            outcome=self._open(row.outcome, row.state_hash) if row.outcome is not None else None,
            tapped=row.tapped,
            code_hash=row.code_hash,
            reclaimed=row.reclaimed,
            successors=row.successors,
        )
