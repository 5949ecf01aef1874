"""The vault: seals secrets with AES-256-GCM, bound to the row they belong to, under keys that can be rotated.

    sealed = version (1 byte) + key id (4 bytes) + nonce (12 bytes) + ciphertext and tag

What a value is bound to ("tokens/wx…/…") is authenticated with it, so a sealed value copied to another row
does not open there. The same keys, stretched for their purpose, sign our links.

A vault looks for a changed ring whenever it seals, and when it meets a key it does not know: so of several
processes that share a key file none is ever behind the others.
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

from wxgate.errors import BadKey, ConfigError, NotFound
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

    @property
    def name(self) -> str:
        """The id as people see it."""
        return self.id.hex()


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
        return ",".join(f"{key.name}:{base64.b64encode(key.key).decode()}" for key in self.keys)

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of the keys, current first."""
        return tuple(key.name for key in self.keys)

    def find(self, name: str) -> SealingKey:
        """Find a key by its id or raise NotFound."""
        for key in self.keys:
            if key.name == name.lower():
                return key
        raise NotFound(f"no sealing key {name} in the ring, which has {', '.join(self.names)}")

    def with_new(self, random: Random = os.urandom) -> Self:
        """Add a new key at the end: it opens, and does not seal yet."""
        identity = random(ID_BYTES)
        while any(key.id == identity for key in self.keys):
            identity = random(ID_BYTES)
        return type(self)((*self.keys, SealingKey(identity, random(KEY_BYTES))))

    def led_by(self, name: str) -> Self:
        """Make a key the current one; the others keep opening."""
        first = self.find(name)
        return type(self)((first, *(key for key in self.keys if key is not first)))

    def without(self, name: str) -> Self:
        """Take a key out; the current one stays."""
        gone = self.find(name)
        if gone is self.keys[0]:
            raise ConfigError(f"{name} is the current sealing key; make another one current first")
        return type(self)(tuple(key for key in self.keys if key is not gone))

    def shares_a_key_with(self, other: "KeyRing") -> bool:
        """Tell whether two rings can be of one gateway."""
        mine = {key.id: key.key for key in self.keys}
        return any(key.id in mine and equal(mine[key.id], key.key) for key in other.keys)


Reread = Callable[[], KeyRing | None]
"""Loads the ring again if it may have changed since it was last loaded, else returns None."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A ring with its ciphers; replaced as a whole, so that threads see the old one or the new one."""

    ring: KeyRing
    ciphers: dict[bytes, AESGCM] = field(repr=False)

    @classmethod
    def make(cls, ring: KeyRing) -> Self:
        return cls(ring, {key.id: AESGCM(key.key) for key in ring.keys})


class Vault:
    """Seals and opens, signs and verifies, with the keys of one ring."""

    def __init__(self, ring: KeyRing, random: Random = os.urandom, *, reread: Reread | None = None) -> None:
        self._random = random
        self._reread = reread
        self._ready = _Ready.make(ring)

    @property
    def ring(self) -> KeyRing:
        """The keys in use, looked for anew."""
        return self._look().ring

    def seal(self, value: str, bound_to: str) -> bytes:
        """Seal a value for one row, with the current key."""
        ready = self._look()
        current = ready.ring.keys[0].id
        nonce = self._random(NONCE_BYTES)
        head = VERSION + current
        ciphertext = ready.ciphers[current].encrypt(nonce, value.encode(), _context(head, bound_to))
        return head + nonce + ciphertext

    def open(self, sealed: bytes, bound_to: str) -> str:
        """Open a sealed value for the row it was sealed for; raise ConfigError when it does not open."""
        head, nonce, ciphertext = sealed[:5], sealed[5:17], sealed[17:]
        if head[:1] != VERSION:
            raise ConfigError(f"{bound_to} does not open: this version does not know how it was sealed")
        cipher = self._ready.ciphers.get(head[1:]) or self._look().ciphers.get(head[1:])
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
        return _signature(self._look().ring.keys[0].key, purpose, data)

    def verify(self, purpose: str, data: str, signature: str) -> bool:
        """Check a signature made for this purpose with any key of the ring."""
        keys = self._look().ring.keys
        return any(equal(_signature(key.key, purpose, data), signature) for key in keys)

    def __repr__(self) -> str:
        ring = self._ready.ring
        return f"Vault({len(ring.keys)} keys, current {ring.keys[0].name})"

    def _look(self) -> _Ready:
        changed = self._reread() if self._reread else None
        if changed is not None and changed != self._ready.ring:
            self._ready = _Ready.make(changed)
        return self._ready


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
