"""A file of lines sealed with a passphrase: nobody else reads it, and a single missing bit is noticed.

    header    two lines of text: the format with its version, and how the key is made of the passphrase
    chunks    length (4 bytes) + AES-256-GCM of some lines; the nonce counts and marks the last one

Every chunk is authenticated together with the header and its position, and the last one says that it is the
last, so that a file that was cut, reordered or put together of two does not open. It is written and read a
chunk at a time, however long it is.
"""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from typing import IO, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from wxgate.custody.vault import Random
from wxgate.errors import ConfigError
from wxgate.secret import Secret

FORMAT = b"wxgate export 1\n"
SCRYPT = {"n": 2**17, "r": 8, "p": 1}
"""128 megabytes and some tenths of a second for each guess at a passphrase."""

MOST_MEMORY = 2**30
MOST_ROUNDS = 16
"""What a header may ask of us: whoever made the file chose its numbers."""

CHUNK = 64 * 1024
LONGEST_CHUNK = 8 * 1024 * 1024
SHORTEST_PASSPHRASE = 12
PREFIX_BYTES = 7


class Passphrase(Secret):
    """What an export is sealed with."""


def check_passphrase(text: str) -> Passphrase:
    """Refuse a passphrase that is too short for what it protects."""
    if len(text) < SHORTEST_PASSPHRASE:
        raise ConfigError(
            f"the passphrase needs {SHORTEST_PASSPHRASE} characters at least: the file holds everything"
        )
    return Passphrase(text)


class SealedWriter:
    """Writes lines into a sealed file."""

    def __init__(
        self,
        file: IO[bytes],
        passphrase: Passphrase,
        random: Random = os.urandom,
        *,
        scrypt: Mapping[str, int] = SCRYPT,
    ) -> None:
        salt, prefix = random(16), random(PREFIX_BYTES)
        described = {"salt": _text(salt), "nonce": _text(prefix), "cipher": "AES-256-GCM", "kdf": "scrypt"}
        self._header = FORMAT + json.dumps({**described, **scrypt}).encode() + b"\n"
        self._cipher = _Cipher.make(passphrase, salt, prefix, scrypt, self._header)
        self._file = file
        self._waiting = bytearray()
        file.write(self._header)

    def write(self, line: str) -> None:
        """Add a line."""
        self._waiting += line.encode() + b"\n"
        if len(self._waiting) >= CHUNK:
            self._seal(last=False)

    def finish(self) -> None:
        """Write the end, without which the file does not open."""
        self._seal(last=True)

    def _seal(self, *, last: bool) -> None:
        sealed = self._cipher.seal(bytes(self._waiting), last=last)
        self._file.write(len(sealed).to_bytes(4, "big") + sealed)
        self._waiting.clear()


def is_sealed(file: IO[bytes]) -> bool:
    """Tell whether a file begins like one of ours; its position stays."""
    start = file.read(len(FORMAT))
    file.seek(0)
    return start[:14] == FORMAT[:14]


def read_sealed(file: IO[bytes], passphrase: Passphrase) -> Iterator[str]:
    """Read the lines of a sealed file.

    Raises ConfigError where it does not open. What was read before is authentic, but the file may have been
    cut: trust it only after the last line.
    """
    start = file.readline(64)
    if start != FORMAT:
        raise ConfigError("this is no export of wxgate, or one of a newer version")
    described = file.readline(4096)
    try:
        header = json.loads(described)
        numbers = {name: header[name] for name in SCRYPT}
        salt, prefix = base64.b64decode(header["salt"]), base64.b64decode(header["nonce"])
        if not _is_bounded(**numbers) or len(prefix) != PREFIX_BYTES:
            raise ValueError("out of bounds")
        cipher = _Cipher.make(passphrase, salt, prefix, numbers, start + described)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError("the export is damaged: its header cannot be read") from None
    last = False
    while not last:
        size = int.from_bytes(file.read(4), "big")
        sealed = file.read(size) if 0 < size <= LONGEST_CHUNK else b""
        plain, last = cipher.open(sealed if len(sealed) == size else b"")
        yield from plain.decode().split("\n")[:-1]
    if file.read(1):
        raise ConfigError("the export is damaged: something follows its end")


def _is_bounded(n: object, r: object, p: object) -> bool:
    """Tell whether scrypt takes these numbers, and how much of it is no more than an export needs."""
    if type(n) is not int or type(r) is not int or type(p) is not int:
        return False
    if min(n - 1, r, p) < 1 or n & (n - 1) or n.bit_length() > 16 * r:
        return False
    return p <= MOST_ROUNDS and 128 * r * (n + p) <= MOST_MEMORY


class _Cipher:
    """The cipher of one file, which counts chunks."""

    def __init__(self, key: bytes, prefix: bytes, header: bytes) -> None:
        self._gcm = AESGCM(key)
        self._prefix = prefix
        self._header = header
        self._count = 0

    @classmethod
    def make(
        cls, passphrase: Passphrase, salt: bytes, prefix: bytes, numbers: Mapping[str, int], header: bytes
    ) -> Self:
        key = Scrypt(salt=salt, length=32, **numbers).derive(passphrase.reveal().encode())
        return cls(key, prefix, header)

    def seal(self, plain: bytes, *, last: bool) -> bytes:
        sealed = self._gcm.encrypt(self._nonce(last), plain, self._header)
        self._count += 1
        return sealed

    def open(self, sealed: bytes) -> tuple[bytes, bool]:
        """Open the next chunk; also tell whether it is the last."""
        for last in (False, True):
            try:
                plain = self._gcm.decrypt(self._nonce(last), sealed, self._header)
            except (InvalidTag, ValueError):
                continue
            self._count += 1
            return plain, last
        if self._count:
            raise ConfigError("the export is damaged or was cut: it opens only in part; nothing was taken")
        raise ConfigError("the export does not open: the passphrase is another one, or the file is damaged")

    def _nonce(self, last: bool) -> bytes:
        return self._prefix + self._count.to_bytes(4, "big") + bytes([last])


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
