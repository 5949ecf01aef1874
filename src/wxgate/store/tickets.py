"""Tickets, sealed, the newest by WeChat's own time first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, select, update

from wxgate.custody.records import KeptTicket, TicketRequests
from wxgate.custody.vault import Vault
from wxgate.secret import Ticket, fingerprint
from wxgate.store.database import Database
from wxgate.store.seals import Seals
from wxgate.store.tables import platforms, tickets
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

    async def requests(self, platform: str) -> TicketRequests:
        """Tell how often WeChat was asked to push tickets to a platform."""
        query = select(platforms.c.ticket_requests, platforms.c.request_ticket_at)
        async with self._database.read() as connection:
            row = (await connection.execute(query.where(platforms.c.appid == platform))).first()
        return TicketRequests(row[0], row[1]) if row else TicketRequests(0, None)

    async def note_request(self, platform: str, seen: TicketRequests, *, not_before: datetime) -> bool:
        """Count one request more, unless somebody did."""
        unchanged = (platforms.c.appid == platform, platforms.c.ticket_requests == seen.count)
        async with self._database.write() as connection:
            noted = await connection.execute(
                update(platforms)
                .where(*unchanged)
                .values(ticket_requests=seen.count + 1, request_ticket_at=not_before)
            )
        return noted.rowcount > 0

    async def end_requests(self, platform: str) -> None:
        """Start counting anew."""
        async with self._database.write() as connection:
            await connection.execute(
                update(platforms)
                .where(platforms.c.appid == platform)
                .values(ticket_requests=0, request_ticket_at=None)
            )

    def _read(self, row: Row[Any]) -> KeptTicket:
        return KeptTicket(
            row.platform,
            Ticket(self._seals.open(row.ticket, "ticket", row.platform, row.fingerprint)),
            row.pushed_at,
            row.received_at,
        )
