"""When each push token and AES key was last seen in use, so that an operator knows when the old one may go.

What pushes show is kept in memory and written down about once a minute: a push never waits for it, and a
node that is killed forgets a minute. Values are named by fingerprints made with the AppSecret, since a token
may be a word that anybody can guess; after a new AppSecret the record begins anew.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TypeAlias

from wxgate.clock import Clock
from wxgate.custody.ports import KeyUseStore
from wxgate.custody.records import DirectAccount, KeyUse, Platform
from wxgate.errors import StorageError
from wxgate.secret import Secret

Receiver = Platform | DirectAccount

LATELY = timedelta(days=1)
"""What was seen this long ago is still in use: quiet accounts may get one push a day."""

HEARD_FOR = timedelta(days=7)
"""How long after a push a receiver counts as one that WeChat brings pushes to."""


class PushKey(StrEnum):
    """What a push is verified and opened with."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    AES_KEY = "aes"


_Key: TypeAlias = tuple[str, PushKey, Secret, Secret]
"""Whose value, which kind, the value, and the AppSecret."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One of a receiver's values: `place` 0 is the current one, 1 the one before."""

    kind: PushKey
    place: int
    last_seen_at: datetime | None

    def lately(self, now: datetime) -> bool:
        """Tell whether it is still in use."""
        return self.last_seen_at is not None and now - self.last_seen_at < LATELY


class KeyUses:
    """Notes which values open pushes, and tells when each last did."""

    def __init__(self, store: KeyUseStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[_Key, datetime] = {}
        self._unwritten: set[_Key] = set()

    def saw(self, receiver: Receiver, *, token_index: int, key_index: int | None) -> None:
        """Note what a push was verified with, and opened with if it was sealed; nothing is written yet."""
        now, push = self._clock.now(), receiver.push
        used: list[_Key] = [(receiver.appid, PushKey.TOKEN, push.tokens[token_index], receiver.secret)]
        if key_index is not None:
            used.append((receiver.appid, PushKey.AES_KEY, push.aes_keys[key_index], receiver.secret))
        for key in used:
            self._seen[key] = now
            self._unwritten.add(key)

    async def write(self) -> None:
        """Write down what was noted since the last time."""
        unwritten, self._unwritten = self._unwritten, set()
        uses = [
            KeyUse(key[0], key[1], _fingerprint(key[1], key[2], key[3]), self._seen[key]) for key in unwritten
        ]
        try:
            await self._store.note(uses)
        except StorageError:
            self._unwritten |= unwritten
            raise

    async def of(self, receiver: Receiver) -> Sequence[Seen]:
        """Tell of each token and key, current first, when it was last seen."""
        written = {
            (use.kind, use.fingerprint): use.last_seen_at for use in await self._store.load(receiver.appid)
        }
        found = []
        values = ((PushKey.TOKEN, receiver.push.tokens), (PushKey.AES_KEY, receiver.push.aes_keys))
        for kind, each in values:
            for place, value in enumerate(each):
                at = written.get((kind, _fingerprint(kind, value, receiver.secret)))
                noted = self._seen.get((receiver.appid, kind, value, receiver.secret))
                found.append(Seen(kind, place, max((one for one in (at, noted) if one), default=None)))
        return found

    async def is_heard(self, receiver: Receiver) -> bool:
        """Tell whether a push has come to a receiver lately, as far as is known here."""
        since = self._clock.now() - HEARD_FOR
        return any(seen.last_seen_at and seen.last_seen_at > since for seen in await self.of(receiver))


def _fingerprint(kind: PushKey, value: Secret, salt: Secret) -> str:
    return hmac.digest(salt.reveal().encode(), f"{kind}\0{value.reveal()}".encode(), sha256).hex()
