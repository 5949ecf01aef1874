"""The keys that sign ID tokens: made when first needed, published before they sign, kept until they are done.

    published ──24 h──> signs ── a newer one signs ──48 h──> retired

Clients keep our key set for hours, so a key that signs must have been there before, and one that has signed
must stay for a while. Keys that a realm never signs with are made all the same, so that there is nothing to
learn later.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from wxgate.clock import Clock
from wxgate.errors import ConfigError
from wxgate.login.oidc.terms import ALGORITHMS
from wxgate.login.ports import SigningKeys
from wxgate.login.records import SigningKey
from wxgate.secret import Secret

log = structlog.get_logger("wxgate.login")

PUBLISHED_AHEAD = timedelta(hours=24)
STAYS = timedelta(hours=48)
ROTATED_AFTER = timedelta(days=90)

KNOWN_FOR = timedelta(seconds=30)
"""How long a node believes the keys it has loaded: another one may rotate or retire them."""

PAIRWISE = "pairwise"
"""The algorithm under which a realm's key for pairwise subjects is kept: never rotated, never published."""

MOST_IMPORTED = 512


def signing_key(keys: Sequence[SigningKey], algorithm: str, now: datetime) -> SigningKey | None:
    """Choose the key that signs: the newest that has been published for long enough."""
    ready = [key for key in keys if key.algorithm == algorithm and key.signs_from <= now]
    return max(ready, key=lambda key: (key.signs_from, key.created_at, key.kid), default=None)


def is_due(keys: Sequence[SigningKey], algorithm: str, now: datetime) -> bool:
    """Tell whether it is time for a new key: the newest is old, and none is waiting to sign."""
    newest = max((key.signs_from for key in keys if key.algorithm == algorithm), default=None)
    return newest is not None and newest + ROTATED_AFTER <= now


def done(keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    """List the keys whose last ID token is forgotten: another one has signed for long enough."""
    return [
        key
        for key in keys
        if key.algorithm in ALGORITHMS
        and (current := signing_key(keys, key.algorithm, now)) is not None
        and current.signs_from > key.signs_from
        and current.signs_from + STAYS <= now
    ]


@dataclass(slots=True)
class _Known:
    keys: Sequence[SigningKey]
    until: datetime


class Keyring:
    """A realm's keys: publishes them, signs and verifies with them, and turns them over."""

    def __init__(self, store: SigningKeys, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def keys(self, realm: str) -> Sequence[SigningKey]:
        """List the published keys of a realm, made now if it never had any."""
        return [key for key in await self._load(realm) if key.algorithm in ALGORITHMS]

    async def published(self, realm: str) -> dict[str, Any]:
        """Make the key set that clients verify with."""
        return {
            "keys": [
                {**key.public, "kid": key.kid, "use": "sig", "alg": key.algorithm}
                for key in await self.keys(realm)
            ]
        }

    async def sign(self, realm: str, algorithm: str, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """Sign claims with the key whose turn it is."""
        key = signing_key(await self._load(realm), algorithm, self._clock.now())
        if key is None:
            raise _unusable(realm, algorithm)
        header = {"alg": algorithm, "typ": typ, "kid": key.kid}
        return jwt.encode(header, dict(claims), _imported(key), algorithms=[algorithm])

    async def verify(self, realm: str, token: str, *, typ: str = "JWT") -> dict[str, Any] | None:
        """Return the claims of a token that one of the published keys signed; None where none did.

        Nothing but our own algorithms is accepted, whatever the token's header asks for, and only tokens of
        one type: a logout token is no ID token. Whether it has expired is for the caller: a hint may have.
        """
        keys = await self.keys(realm)
        try:
            opened = jwt.decode(token, KeySet([_public(key) for key in keys]), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            return None
        by_kid = {key.kid: key.algorithm for key in keys}
        head = opened.header
        fits = by_kid.get(head.get("kid", "")) == head["alg"] and head.get("typ") == typ
        return opened.claims if fits else None

    async def pairwise_key(self, realm: str) -> Secret:
        """Load the key that pairwise subjects are made with, which stays the same for ever."""
        return next(key.private for key in await self._load(realm) if key.algorithm == PAIRWISE)

    async def rotate(self, realm: str, *, at_once: bool = False) -> list[SigningKey]:
        """Publish new keys, which sign a day later.

        With `at_once` they sign now and the old ones are retired: for when a private key may be known to
        others. Clients that do not look for unknown keys then refuse logins for as long as they keep our set.
        """
        now = self._clock.now()
        before = await self.keys(realm)
        made = [
            await _make(realm, algorithm, now, now if at_once else now + PUBLISHED_AHEAD)
            for algorithm in ALGORITHMS
        ]
        for key in made:
            await self._store.put(key)
        if at_once:
            for key in before:
                await self._store.retire(realm, key.kid, now=now)
        self._known.pop(realm, None)
        log.info("oidc.keys_rotated", realm=realm, at_once=at_once)
        return made

    async def tend(self, realm: str) -> None:
        """Make the keys that are due and retire those that are done; any node may, at any time."""
        now = self._clock.now()
        self._known.pop(realm, None)
        keys = await self._store.of(realm)
        for algorithm in ALGORITHMS:
            if is_due(keys, algorithm, now):
                await self._store.put(await _make(realm, algorithm, now, now + PUBLISHED_AHEAD))
                log.info("oidc.key_published", realm=realm, algorithm=algorithm)
        for key in done(keys, now):
            await self._store.retire(realm, key.kid, now=now)
            log.info("oidc.key_retired", realm=realm, kid=key.kid)

    async def _load(self, realm: str) -> Sequence[SigningKey]:
        now = self._clock.now()
        known = self._known.get(realm)
        if known is not None and known.until > now:
            return known.keys
        keys = await self._store.of(realm)
        missing = {*ALGORITHMS, PAIRWISE} - {key.algorithm for key in keys}
        for algorithm in sorted(missing):
            await self._store.put(await _make(realm, algorithm, now, now), only_if_none=True)
        if missing:
            keys = await self._store.of(realm)
            # What is there and does not open is never replaced in silence: clients would refuse every login.
            if closed := missing - {key.algorithm for key in keys}:
                raise _unusable(realm, ", ".join(sorted(closed)))
        self._known[realm] = _Known(keys, now + KNOWN_FOR)
        return keys


def _unusable(realm: str, algorithm: str) -> ConfigError:
    return ConfigError(
        f"no signing key ({algorithm}) of the realm {realm} opens; the log says why, and which sealing key "
        "is missing (WXGATE_KEYS or the key file)"
    )


async def _make(realm: str, algorithm: str, now: datetime, signs_from: datetime) -> SigningKey:
    """Make a key, beside the loop: an RSA key takes a tenth of a second."""
    if algorithm == PAIRWISE:
        private = Secret(secrets.token_urlsafe(32))
        return SigningKey(f"pairwise-{secrets.token_hex(8)}", realm, algorithm, {}, private, now, signs_from)
    key = await asyncio.to_thread(_generate, algorithm)
    public = {name: str(value) for name, value in key.as_dict(private=False).items() if name != "kid"}
    private = Secret(json.dumps(key.as_dict(private=True)))
    return SigningKey(key.thumbprint(), realm, algorithm, public, private, now, signs_from)


def _generate(algorithm: str) -> RSAKey | ECKey:
    return RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")


@lru_cache(MOST_IMPORTED)
def _import(kid: str, private: Secret) -> RSAKey | ECKey:
    document = json.loads(private.reveal())
    return RSAKey.import_key(document) if document["kty"] == "RSA" else ECKey.import_key(document)


def _imported(key: SigningKey) -> RSAKey | ECKey:
    return _import(key.kid, key.private)


def _public(key: SigningKey) -> RSAKey | ECKey:
    document: dict[str, str | list[str]] = {**key.public, "kid": key.kid, "use": "sig", "alg": key.algorithm}
    return RSAKey.import_key(document) if key.public["kty"] == "RSA" else ECKey.import_key(document)
