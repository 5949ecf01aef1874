"""Changes of what an operator configured, made together or not at all."""

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.clients import Labels
from wxgate.custody.edits import Change
from wxgate.custody.records import DirectAccount, Platform
from wxgate.custody.vault import Vault
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.store.clients import load_labels, put_labels
from wxgate.store.database import Database
from wxgate.store.platforms import CREATED_ONCE, SqlPlatforms
from wxgate.store.tables import account_labels, direct_accounts, platforms, tickets, tokens
from wxgate.store.tokens import EMPTY, FREE, forget_failures, is_key
from wxgate.store.upsert import put

Record: TypeAlias = Platform | DirectAccount | Labels | None

TABLES: dict[type, Table] = {Platform: platforms, DirectAccount: direct_accounts}


class SqlConfiguration:
    """Implements custody's ConfigurationStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._platforms = SqlPlatforms(database, vault)

    async def change(self, changes: Sequence[Change]) -> bool:
        """Make all changes, if every record is still as it was."""
        # In one order, so that two who change the same records wait for each other and do not block.
        ordered = sorted(changes, key=lambda change: (change.what.__name__, change.appid))
        async with self._database.write() as connection:
            for change in ordered:
                if await self._load(connection, change) != change.before:
                    await connection.rollback()
                    return False
                await self._make(connection, change)
                if (key := _fetched_with_new_secret(change)) is not None:
                    await forget_failures(connection, is_key(key))
        return True

    async def _load(self, connection: AsyncConnection, change: Change) -> Record:
        if change.what is Labels:
            return await load_labels(connection, change.appid)
        table = TABLES[change.what]
        query = select(table).where(table.c.appid == change.appid).with_for_update()
        row = (await connection.execute(query)).first()
        if row is None:
            return None
        return self._platforms.read_platform(row) if table is platforms else self._platforms.read_direct(row)

    async def _make(self, connection: AsyncConnection, change: Change) -> None:
        match change.after:
            case Platform() as platform:
                row = self._platforms.platform_row(platform)
                await put(connection, platforms, row, keep=CREATED_ONCE)
            case DirectAccount() as account:
                row = self._platforms.direct_row(account)
                await put(connection, direct_accounts, row, keep=CREATED_ONCE)
            case Labels() as labels:
                await connection.execute(delete(account_labels).where(account_labels.c.appid == change.appid))
                await put_labels(connection, change.appid, labels)
            case None:
                await _remove(connection, change)


async def _remove(connection: AsyncConnection, change: Change) -> None:
    table, appid = TABLES[change.what], change.appid
    await connection.execute(delete(table).where(table.c.appid == appid))
    if table is platforms:
        await connection.execute(delete(tickets).where(tickets.c.platform == appid))
        mine = tokens.c.issuer == appid
    else:
        mine = (tokens.c.issuer == DIRECT_ISSUER) & (tokens.c.account == appid)
    # Their rows stay with a higher fence, so that a fetch under way cannot bring a token back.
    await connection.execute(update(tokens).where(mine).values(fence=tokens.c.fence + 1, **FREE, **EMPTY))


def _fetched_with_new_secret(change: Change) -> TokenKey | None:
    before, after = change.before, change.after
    if isinstance(before, Labels) or isinstance(after, Labels) or before is None or after is None:
        return None
    if before.secret == after.secret:
        return None
    if isinstance(after, Platform):
        return TokenKey(after.appid, after.appid, TokenKind.COMPONENT)
    return TokenKey(DIRECT_ISSUER, after.appid, TokenKind.DIRECT)
