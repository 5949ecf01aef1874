"""The store: all ports on one database, with its schema up to date."""

from dataclasses import dataclass
from typing import Self

from wxgate.custody.vault import Vault
from wxgate.store.accounts import SqlAccounts
from wxgate.store.authorizations import SqlAuthorizations
from wxgate.store.database import Database, read_url
from wxgate.store.exchanges import SqlExchanges
from wxgate.store.inbox import SqlInbox
from wxgate.store.links import SqlLinks
from wxgate.store.platforms import SqlPlatforms
from wxgate.store.schema import upgrade
from wxgate.store.tickets import SqlTickets
from wxgate.store.tokens import SqlTokens


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that is kept."""

    database: Database
    platforms: SqlPlatforms
    tickets: SqlTickets
    tokens: SqlTokens
    authorizations: SqlAuthorizations
    exchanges: SqlExchanges
    accounts: SqlAccounts
    links: SqlLinks
    inbox: SqlInbox

    @classmethod
    async def open(cls, url: str, vault: Vault) -> Self:
        """Open the database at an address, bringing its schema up to date first."""
        parsed = read_url(url)
        await upgrade(parsed)
        database = Database(parsed)
        return cls(
            database,
            SqlPlatforms(database, vault),
            SqlTickets(database, vault),
            SqlTokens(database, vault),
            SqlAuthorizations(database, vault),
            SqlExchanges(database, vault),
            SqlAccounts(database),
            SqlLinks(database),
            SqlInbox(database),
        )

    async def ping(self) -> bool:
        """Tell whether the database answers."""
        return await self.database.ping()

    async def close(self) -> None:
        """Commit what is waiting and close."""
        await self.inbox.drain()
        await self.database.close()
