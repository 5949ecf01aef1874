"""Invites, and the flows that begin with a click."""

from typing import Any

from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import Flow, Invite, LinkChoices
from wxgate.store.database import Database
from wxgate.store.tables import flows, invites


class SqlLinks:
    """Implements custody's LinkStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_invite(self, invite: Invite) -> None:
        """Insert an invite."""
        row = {
            "id": invite.id,
            "platform": invite.platform,
            "reference": invite.reference,
            "auth_type": invite.choices.auth_type,
            "biz_appid": invite.choices.biz_appid,
            "category_ids": list(invite.choices.category_ids),
            "return_url": invite.return_url,
            "max_uses": invite.max_uses,
            "uses": invite.uses,
            "expires_at": invite.expires_at,
            "created_at": invite.created_at,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(invites).values(**row))

    async def load_invite(self, invite_id: str) -> Invite | None:
        """Load one invite."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(invites).where(invites.c.id == invite_id))).first()
        return _read_invite(row) if row else None

    async def put_flow(self, flow: Flow) -> None:
        """Insert a flow."""
        row = {
            "id": flow.id,
            "platform": flow.platform,
            "pre_auth_fingerprint": flow.pre_auth_fingerprint,
            "invite": flow.invite,
            "spent": False,
            "reference": flow.reference,
            "return_url": flow.return_url,
            "created_at": flow.created_at,
            "expires_at": flow.expires_at,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(flows).values(**row))

    async def load_flow(self, flow_id: str) -> Flow | None:
        """Load one flow."""
        return await self._flow(flows.c.id == flow_id)

    async def find_flow(self, platform: str, pre_auth_fingerprint: str) -> Flow | None:
        """Find the flow that a pre_auth_code started."""
        return await self._flow(
            flows.c.platform == platform, flows.c.pre_auth_fingerprint == pre_auth_fingerprint
        )

    async def _flow(self, *where: ColumnElement[bool]) -> Flow | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(flows).where(*where))).first()
        return _read_flow(row) if row else None


async def use_flow(connection: AsyncConnection, flow_id: str) -> str:
    """Count a flow as one use of its invite, once, inside a transaction; return its reference.

    Where others have used the invite up, nothing is counted and the reference is "".
    """
    marked = (
        await connection.execute(
            update(flows)
            .where(flows.c.id == flow_id, flows.c.spent.is_(False))
            .values(spent=True)
            .returning(flows.c.invite, flows.c.reference)
        )
    ).first()
    if marked is None:  # counted before, or no such flow
        return await connection.scalar(select(flows.c.reference).where(flows.c.id == flow_id)) or ""
    if marked.invite is not None:
        counted = await connection.execute(
            update(invites)
            .where(invites.c.id == marked.invite, _has_uses_left())
            .values(uses=invites.c.uses + 1)
        )
        if counted.rowcount == 0:
            await connection.execute(update(flows).where(flows.c.id == flow_id).values(spent=False))
            return ""
    reference: str = marked.reference
    return reference


def _has_uses_left() -> ColumnElement[bool]:
    return or_(invites.c.max_uses == 0, invites.c.uses < invites.c.max_uses)


def _read_invite(row: Row[Any]) -> Invite:
    return Invite(
        id=row.id,
        platform=row.platform,
        reference=row.reference,
        choices=LinkChoices(row.auth_type, row.biz_appid, tuple(row.category_ids)),
        return_url=row.return_url,
        max_uses=row.max_uses,
        uses=row.uses,
        expires_at=row.expires_at,
        created_at=row.created_at,
    )


def _read_flow(row: Row[Any]) -> Flow:
    return Flow(
        id=row.id,
        platform=row.platform,
        pre_auth_fingerprint=row.pre_auth_fingerprint,
        invite=row.invite,
        reference=row.reference,
        return_url=row.return_url,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
