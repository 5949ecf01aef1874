"""The store: all ports on one database, with its schema up to date and keys that fit."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.store.accounts import SqlAccounts
from wxgate.store.answers import SqlAnswers
from wxgate.store.audit import SqlAudit
from wxgate.store.authorizations import SqlAuthorizations
from wxgate.store.clients import SqlClients, SqlLabels
from wxgate.store.code_audits import SqlCodeAudits
from wxgate.store.configuration import SqlConfiguration
from wxgate.store.database import Database, read_url
from wxgate.store.deliveries import SqlDeliveries
from wxgate.store.duties import SqlDuties
from wxgate.store.event_log import SqlEventLog
from wxgate.store.exchanges import SqlExchanges
from wxgate.store.fitting_keys import check_keys, holds_secrets
from wxgate.store.inbox import SqlInbox
from wxgate.store.key_uses import SqlKeyUses
from wxgate.store.keyfile import load_vault
from wxgate.store.links import SqlLinks
from wxgate.store.login import LoginStore
from wxgate.store.notices import Notices
from wxgate.store.platforms import SqlPlatforms
from wxgate.store.policies import SqlPolicies
from wxgate.store.push_log import SqlPushLog
from wxgate.store.quota import SqlQuota
from wxgate.store.release_tests import SqlReleaseTests
from wxgate.store.rotation import SqlRotation
from wxgate.store.schema import upgrade
from wxgate.store.subscribers import SqlSubscribers
from wxgate.store.tickets import SqlTickets
from wxgate.store.tokens import SqlTokens
from wxgate.store.transfer import SqlTransfer
from wxgate.store.wakeups import Wakeups


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that is kept."""

    database: Database
    platforms: SqlPlatforms
    tickets: SqlTickets
    tokens: SqlTokens
    authorizations: SqlAuthorizations
    notices: Notices
    exchanges: SqlExchanges
    accounts: SqlAccounts
    links: SqlLinks
    inbox: SqlInbox
    clients: SqlClients
    labels: SqlLabels
    audit: SqlAudit
    wakeups: Wakeups
    rotation: SqlRotation
    configuration: SqlConfiguration
    quota: SqlQuota
    duties: SqlDuties
    transfer: SqlTransfer
    policies: SqlPolicies
    key_uses: SqlKeyUses
    release_tests: SqlReleaseTests
    answers: SqlAnswers
    code_audits: SqlCodeAudits
    subscribers: SqlSubscribers
    deliveries: SqlDeliveries
    event_log: SqlEventLog
    push_log: SqlPushLog
    login: LoginStore

    @classmethod
    async def open(cls, url: str, vault: Vault) -> Self:
        """Open the database at an address, bringing its schema up to date first.

        Raises ConfigError when none of the vault's keys opens what the database holds.
        """
        parsed = read_url(url)
        await upgrade(parsed)
        database = Database(parsed)
        notices = Notices()
        try:
            await check_keys(database, vault)
        except BaseException:
            await database.close()
            raise
        return cls(
            database,
            SqlPlatforms(database, vault),
            SqlTickets(database, vault),
            SqlTokens(database, vault),
            SqlAuthorizations(database, vault, notices),
            notices,
            SqlExchanges(database, vault),
            SqlAccounts(database),
            SqlLinks(database),
            SqlInbox(database),
            SqlClients(database),
            SqlLabels(database),
            SqlAudit(database),
            Wakeups(database),
            SqlRotation(database, vault),
            SqlConfiguration(database, vault),
            SqlQuota(database),
            SqlDuties(database),
            SqlTransfer(database, vault),
            SqlPolicies(database),
            SqlKeyUses(database),
            SqlReleaseTests(database, vault),
            SqlAnswers(database),
            SqlCodeAudits(database),
            SqlSubscribers(database, vault),
            SqlDeliveries(database),
            SqlEventLog(database),
            SqlPushLog(database),
            LoginStore.on(database, vault),
        )

    async def ping(self) -> bool:
        """Tell whether the database answers."""
        return await self.database.ping()

    async def close(self) -> None:
        """Commit what is waiting and close."""
        await asyncio.gather(self.inbox.drain(), self.deliveries.drain(), self.subscribers.drain())
        await self.database.close()


async def open_vault(url: str, keys: str, key_file: Path) -> Vault:
    """Open the vault of a database; a new key is made only where nothing is sealed with an old one."""
    if not keys and not await asyncio.to_thread(key_file.exists) and await holds_secrets(read_url(url)):
        raise ConfigError(
            f"the database holds secrets, but the key file {key_file} that opens them is gone; put it back, "
            "or say with WXGATE_KEY_FILE where it is"
        )
    return load_vault(keys, key_file)
