"""How stores seal what they keep: every value bound to its table, column and row."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
from sqlalchemy import Row

from wxgate.custody.records import PushCredentials
from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.secret import EncodingAESKey, PushToken, Secret

log = structlog.get_logger("wxgate.seals")

T = TypeVar("T")


class Seals:
    """The vault, as seen from one table."""

    def __init__(self, vault: Vault, table: str) -> None:
        self._vault = vault
        self._table = table
        self._told: set[str] = set()

    def seal(self, secret: Secret, column: str, *row: str) -> bytes:
        """Seal a secret for one column of one row."""
        return self._vault.seal(secret.reveal(), self._place(column, row))

    def open(self, sealed: bytes, column: str, *row: str) -> str:
        """Open what was sealed for this column of this row."""
        return self._vault.open(sealed, self._place(column, row))

    def seal_again(self, sealed: bytes, column: str, *row: str) -> bytes:
        """Seal a value anew, under the current key."""
        place = self._place(column, row)
        return self._vault.seal(self._vault.open(sealed, place), place)

    def seal_push(self, push: PushCredentials, *row: str) -> bytes:
        """Seal push tokens and keys together: they are always needed together."""
        plain = {
            "tokens": [token.reveal() for token in push.tokens],
            "aes_keys": [key.reveal() for key in push.aes_keys],
        }
        return self._vault.seal(json.dumps(plain), self._place("push", row))

    def open_push(self, sealed: bytes, *row: str) -> PushCredentials:
        """Open push tokens and keys."""
        plain = json.loads(self._vault.open(sealed, self._place("push", row)))
        return PushCredentials(
            tuple(map(PushToken, plain["tokens"])), tuple(map(EncodingAESKey, plain["aes_keys"]))
        )

    def open_each(
        self, rows: Sequence[Row[Any]], read: Callable[[Row[Any]], T], *key: str
    ) -> tuple[list[T], list[str]]:
        """Read the rows that open, and name those that do not by their key: one must not stop the others."""
        opened, shut = [], []
        for row in rows:
            try:
                opened.append(read(row))
            except ConfigError as error:
                shut.append("/".join(str(row._mapping[column]) for column in key))
                self.tell_shut(shut[-1], error)
        return opened, shut

    def tell_shut(self, key: str, error: ConfigError) -> None:
        """Log that a row does not open; once, since some are read every few seconds."""
        if key not in self._told:
            self._told.add(key)
            log.error("seal.not_opened", table=self._table, key=key, error=str(error))

    def _place(self, column: str, row: tuple[str, ...]) -> str:
        return "/".join((self._table, column, *row))
