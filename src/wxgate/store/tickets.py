"""Tickets, sealed, the newest by WeChat's own time first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, select

from wxgate.custody.records import KeptTicket
from wxgate.custody.vault import Vault
from wxgate.secret import Ticket
from wxgate.store.database import Database
from wxgate.store.seals import Seals, fingerprint
from wxgate.store.tables import tickets
from wxgate.store.upsert import insert_for

ALWAYS_KEPT = 2

# WeChat counts in seconds: of two tickets of the same second, the one that came later.
NEWEST_FIRST = (tickets.c.pushed_at.desc(), tickets.c.received_at.desc())


class SqlTickets:
    """Implements custody's TicketStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "tickets")

    async def keep(self, ticket: KeptTicket, *, prune_before: datetime) -> None:
        """Keep a ticket and drop those of the same platform that are too old."""
        name = fingerprint(ticket.ticket)
        newest = (
            select(tickets.c.fingerprint)
            .where(tickets.c.platform == ticket.platform)
            .order_by(*NEWEST_FIRST)
            .limit(ALWAYS_KEPT)
        )
        async with self._database.write() as connection:
            statement = insert_for(connection, tickets).values(
                platform=ticket.platform,
                fingerprint=name,
                ticket=self._seals.seal(ticket.ticket, "ticket", ticket.platform, name),
                pushed_at=ticket.pushed_at,
                received_at=ticket.received_at,
            )
            forward = {
                column: case(
                    (statement.excluded[column] > tickets.c[column], statement.excluded[column]),
                    else_=tickets.c[column],
                )
                for column in ("pushed_at", "received_at")
            }
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["platform", "fingerprint"], set_=forward)
            )
            await connection.execute(
                delete(tickets).where(
                    tickets.c.platform == ticket.platform,
                    tickets.c.pushed_at < prune_before,
                    tickets.c.fingerprint.not_in(newest),
                )
            )

    async def newest(self, platform: str, count: int = 2) -> Sequence[KeptTicket]:
        """Load the newest tickets, without those that do not open."""
        query = select(tickets).where(tickets.c.platform == platform).order_by(*NEWEST_FIRST).limit(count)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return self._seals.open_each(rows, self._read, "platform", "fingerprint")[0]

    def _read(self, row: Row[Any]) -> KeptTicket:
        return KeptTicket(
            row.platform,
            Ticket(self._seals.open(row.ticket, "ticket", row.platform, row.fingerprint)),
            row.pushed_at,
            row.received_at,
        )
