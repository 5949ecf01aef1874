"""The part of the store that is login's."""

from dataclasses import dataclass
from typing import Self

from wxgate.custody.vault import Vault
from wxgate.store.database import Database
from wxgate.store.login_attempts import SqlAttempts
from wxgate.store.login_codes import SqlCodes
from wxgate.store.login_grants import SqlGrants
from wxgate.store.login_identities import SqlIdentities
from wxgate.store.login_keys import SqlSigningKeys
from wxgate.store.login_realms import SqlRealms
from wxgate.store.login_scans import SqlScans
from wxgate.store.login_sessions import SqlSessions


@dataclass(frozen=True, slots=True)
class LoginStore:
    """Everything that login keeps."""

    realms: SqlRealms
    attempts: SqlAttempts
    identities: SqlIdentities
    sessions: SqlSessions
    codes: SqlCodes
    grants: SqlGrants
    keys: SqlSigningKeys
    scans: SqlScans

    @classmethod
    def on(cls, database: Database, vault: Vault) -> Self:
        """Make it on an open database."""
        return cls(
            SqlRealms(database, vault),
            SqlAttempts(database, vault),
            SqlIdentities(database),
            SqlSessions(database),
            SqlCodes(database),
            SqlGrants(database),
            SqlSigningKeys(database, vault),
            SqlScans(database),
        )
