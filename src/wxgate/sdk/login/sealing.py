"""Cookies that only we can read and write: AES-256-GCM under a key made of the application's secret.

sealed = base64url(nonce (12 bytes) + ciphertext and tag), bound to the name of its cookie
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wxgate.errors import ConfigError

NONCE_BYTES = 12
SHORTEST_SECRET = 32

Random = Callable[[int], bytes]


class Sealer:
    """Seals small JSON documents; the first of several secrets seals, all of them open."""

    def __init__(self, secrets: Sequence[str], random: Random) -> None:
        if not secrets or any(len(secret) < SHORTEST_SECRET for secret in secrets):
            raise ConfigError(
                f"secret_key must have at least {SHORTEST_SECRET} characters; make one with "
                '`python -c "import secrets; print(secrets.token_urlsafe(48))"`'
            )
        self._ciphers = [AESGCM(_stretch(secret)) for secret in secrets]
        self._random = random

    def seal(self, document: Mapping[str, Any], purpose: str) -> str:
        """Seal a document for one purpose."""
        nonce = self._random(NONCE_BYTES)
        plain = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        sealed = nonce + self._ciphers[0].encrypt(nonce, plain, purpose.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, sealed: str, purpose: str) -> dict[str, Any] | None:
        """Open what was sealed for this purpose; None for anything else."""
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        except (ValueError, binascii.Error):
            return None
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode())
            except (InvalidTag, ValueError):
                continue
            document = json.loads(plain)
            return document if isinstance(document, dict) else None
        return None


def _stretch(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"wxgate login cookies").derive(secret.encode())
