"""Who may change the names of a realm when: logins beside each other, what moves names alone.

SQLite has one writer and needs none of it. On PostgreSQL these are locks on texts, which end with the
transaction; everybody takes the realm's first and then those of names in one order, so nobody blocks another.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, text

from wxgate.login import records
from wxgate.store.tables import Name

TEXT = bindparam("key", type_=Name())

ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))").bindparams(TEXT)
BESIDE = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))").bindparams(TEXT)


def lock_realm(connection: Connection, realm: str) -> None:
    """Wait until nobody changes names of the realm, and keep everybody out until the transaction ends."""
    if connection.dialect.name != "sqlite":
        connection.execute(ALONE, {"key": f"login realm {realm}"})


def share_realm(connection: Connection, realm: str) -> None:
    """Keep out whoever changes names of the realm alone, until the transaction ends."""
    if connection.dialect.name != "sqlite":
        connection.execute(BESIDE, {"key": f"login realm {realm}"})


def lock_names(connection: Connection, realm: str, names: Iterable[records.Name]) -> None:
    """Wait until nobody changes these names, and keep others from them until the transaction ends."""
    if connection.dialect.name == "sqlite":
        return
    share_realm(connection, realm)
    for key in sorted(f"login name {realm} {name.kind} {name.space} {name.value}" for name in names):
        connection.execute(ALONE, {"key": key})
