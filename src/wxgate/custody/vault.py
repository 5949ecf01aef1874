"""The vault: seals secrets with AES-256-GCM, bound to the row they belong to, under keys that can be rotated.

    sealed = version (1 byte) + key id (4 bytes) + nonce (12 bytes) + ciphertext and tag

What a value is bound to ("tokens/wx…/…") is authenticated with it, so a sealed value copied to another row
does not open there. The same keys, stretched for their purpose, sign our links.
"""

import base64
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wxgate.errors import BadKey, ConfigError
from wxgate.secret import equal

VERSION = b"\x01"
KEY_BYTES = 32
ID_BYTES = 4
NONCE_BYTES = 12

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One 256-bit key with the short id that sealed values carry."""

    id: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Sealing keys: the first seals, all of them open."""

    keys: tuple[SealingKey, ...]

    @classmethod
    def generate(cls, random: Random = os.urandom) -> Self:
        """Make a ring of one new key."""
        return cls((SealingKey(random(ID_BYTES), random(KEY_BYTES)),))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ring written as id:base64, comma separated, current first."""
        keys = tuple(_parse_key(part.strip()) for part in text.split(",") if part.strip())
        if not keys:
            raise BadKey("there is no sealing key; write at least one as id:base64")
        if len({key.id for key in keys}) != len(keys):
            raise BadKey("two sealing keys have the same id; each needs one of its own")
        return cls(keys)

    def encode(self) -> str:
        """Write the ring the way `parse` reads it."""
        return ",".join(f"{key.id.hex()}:{base64.b64encode(key.key).decode()}" for key in self.keys)


class Vault:
    """Seals and opens, signs and verifies, with the keys of one ring."""

    def __init__(self, ring: KeyRing, random: Random = os.urandom) -> None:
        self._random = random
        self._current = ring.keys[0].id
        self._ciphers = {key.id: AESGCM(key.key) for key in ring.keys}
        self._keys = tuple(key.key for key in ring.keys)

    def seal(self, value: str, bound_to: str) -> bytes:
        """Seal a value for one row."""
        nonce = self._random(NONCE_BYTES)
        head = VERSION + self._current
        ciphertext = self._ciphers[self._current].encrypt(nonce, value.encode(), _context(head, bound_to))
        return head + nonce + ciphertext

    def open(self, sealed: bytes, bound_to: str) -> str:
        """Open a sealed value for the row it was sealed for; raise ConfigError when it does not open."""
        head, nonce, ciphertext = sealed[:5], sealed[5:17], sealed[17:]
        if head[:1] != VERSION:
            raise ConfigError(f"{bound_to} does not open: this version does not know how it was sealed")
        cipher = self._ciphers.get(head[1:])
        if cipher is None:
            raise ConfigError(
                f"{bound_to} was sealed with key {head[1:].hex()}, which is not in the key ring; "
                "put that key back (WXGATE_KEYS or the key file)"
            )
        try:
            return cipher.decrypt(nonce, ciphertext, _context(head, bound_to)).decode()
        except (InvalidTag, ValueError):  # the latter when so much is cut off that no nonce is left
            raise ConfigError(
                f"{bound_to} does not open: the stored value was changed or belongs to another row, or key "
                f"{head[1:].hex()} is another one than it was; go back to a backup of database and keys"
            ) from None

    def sign(self, purpose: str, data: str) -> str:
        """Sign data for one purpose, in URL-safe characters."""
        return _signature(self._keys[0], purpose, data)

    def verify(self, purpose: str, data: str, signature: str) -> bool:
        """Check a signature made for this purpose with any key of the ring."""
        return any(equal(_signature(key, purpose, data), signature) for key in self._keys)

    def __repr__(self) -> str:
        return f"Vault({len(self._keys)} keys, current {self._current.hex()})"


def _parse_key(text: str) -> SealingKey:
    identity, _, encoded = text.partition(":")
    try:
        key = SealingKey(bytes.fromhex(identity), base64.b64decode(encoded, validate=True))
    except ValueError:
        raise BadKey("a sealing key is written id:base64, the id in hex") from None
    if len(key.id) != ID_BYTES or len(key.key) != KEY_BYTES:
        raise BadKey(f"a sealing key has an id of {ID_BYTES} bytes in hex and {KEY_BYTES} bytes in base64")
    return key


def _context(head: bytes, bound_to: str) -> bytes:
    return head + bound_to.encode()


def _signature(key: bytes, purpose: str, data: str) -> str:
    derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"wxgate sign " + purpose.encode()).derive(key)
    return base64.urlsafe_b64encode(hmac.digest(derived, data.encode(), "sha256")).rstrip(b"=").decode()
