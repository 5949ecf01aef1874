"""Every sealed column of the database, in one place: what is not listed here would survive a key it needs."""

from dataclasses import dataclass

from sqlalchemy import Column, Table

from wxgate.store import login_tables
from wxgate.store.tables import (
    authorizations,
    direct_accounts,
    exchanges,
    platforms,
    release_tests,
    subscribers,
    tickets,
    tokens,
)


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values and the columns whose values each is bound to."""

    column: Column[bytes]
    bound_to: tuple[Column[str], ...]

    @property
    def table(self) -> Table:
        """The table it is in."""
        assert isinstance(self.column.table, Table)
        return self.column.table

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.column.name}"


def _sealed(table: Table, column: str, *bound_to: str) -> SealedColumn:
    """Describe a column; bound to its row's primary key unless told otherwise."""
    names = bound_to or tuple(key.name for key in table.primary_key)
    return SealedColumn(table.c[column], tuple(table.c[name] for name in names))


SEALED = (
    _sealed(platforms, "secret"),
    _sealed(platforms, "push"),
    _sealed(platforms, "redirect_key"),
    _sealed(direct_accounts, "secret"),
    _sealed(direct_accounts, "push"),
    _sealed(tickets, "ticket"),
    _sealed(tokens, "token"),
    _sealed(authorizations, "refresh_token"),
    _sealed(exchanges, "code", "platform", "fingerprint"),
    _sealed(release_tests, "code", "event_key", "step"),
    _sealed(subscribers, "secrets"),
    _sealed(login_tables.apps, "secret"),
    _sealed(login_tables.attempts, "outcome"),
    _sealed(login_tables.signing_keys, "private"),
)
"""What key rotation seals anew."""
