"""Reply policies by account."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, select

from wxgate.events.policies import Policy, ReplyPolicy
from wxgate.store.database import Database
from wxgate.store.tables import reply_policies, subscribers
from wxgate.store.upsert import put


class SqlPolicies:
    """Implements the events' ReplyPolicies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_policies(self, appids: Sequence[str]) -> Mapping[str, ReplyPolicy]:
        """Load the policies that were set for these accounts."""
        query = select(reply_policies).where(reply_policies.c.appid.in_(appids))
        async with self._database.read() as connection:
            return {row.appid: _read(row) for row in await connection.execute(query)}

    async def list_policies(self) -> Sequence[ReplyPolicy]:
        """List every policy that was set, by appid."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(reply_policies).order_by(reply_policies.c.appid))
            return [_read(row) for row in rows]

    async def put_policy(self, policy: ReplyPolicy) -> None:
        """Set a policy."""
        row = {column.name: getattr(policy, column.name) for column in reply_policies.columns}
        async with self._database.write() as connection:
            await put(connection, reply_policies, {**row, "policy": policy.policy.value})

    async def remove_policy(self, appid: str) -> bool:
        """Let the default hold for an account again."""
        async with self._database.write() as connection:
            removed = await connection.execute(delete(reply_policies).where(reply_policies.c.appid == appid))
        return removed.rowcount > 0

    async def has_subscriber(self, subscriber_id: str) -> bool:
        """Tell whether there is a subscriber of this id."""
        query = select(subscribers.c.id).where(subscribers.c.id == subscriber_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None


def _read(row: Row[Any]) -> ReplyPolicy:
    return ReplyPolicy(**{**row._mapping, "policy": Policy(row.policy)})
