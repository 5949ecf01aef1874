"""Token answers, rendered once for each version: what changes from read to read is one number."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from wxgate.custody.jsapi import TICKET_TYPES
from wxgate.custody.records import KeptToken
from wxgate.protocol.tokens import TokenKey

MOST_RENDERED = 10_000


@dataclass(frozen=True, slots=True)
class Rendered:
    """One version of one token as it is answered; `head` is the JSON up to the seconds that are left."""

    kept: KeptToken
    tag: str
    head: bytes = field(repr=False)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that go with it."""
        return [(b"etag", self.tag.encode())]

    def body(self, now: datetime) -> bytes:
        """Write the answer as of now."""
        return b'%b,"expires_in":%d}' % (self.head, seconds_left(self.kept, now))


class Renderings:
    """Remembers how tokens are rendered; it forgets everything rather than grow without end."""

    def __init__(self) -> None:
        self._known: dict[TokenKey, Rendered] = {}

    def of(self, kept: KeptToken) -> Rendered:
        """Return a token rendered."""
        known = self._known.get(kept.key)
        if known is not None and known.kept is kept:
            return known
        if len(self._known) >= MOST_RENDERED:
            self._known.clear()
        name = "ticket" if kept.key.kind in TICKET_TYPES else "access_token"
        document = {name: kept.token.reveal(), **described(kept)}
        head = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
        rendered = self._known[kept.key] = Rendered(kept, etag(kept), head)
        return rendered


def etag(kept: KeptToken) -> str:
    """Name one version of one token; nothing of the token goes into it."""
    key = kept.key
    named = f"{key.issuer}/{key.account}/{key.kind}/{kept.version}/{kept.fetched_at.timestamp()}"
    return f'"{urlsafe_b64encode(sha256(named.encode()).digest()[:15]).decode()}"'


def described(kept: KeptToken) -> dict[str, object]:
    """Tell what stays the same of a version, but for the token."""
    return {
        "kind": kept.key.kind,
        "issuer": kept.key.issuer,
        "appid": kept.key.account,
        "expires_at": kept.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": kept.version,
    }


def seconds_left(kept: KeptToken, now: datetime) -> int:
    """Tell for how many seconds a token is good."""
    return max(0, int((kept.expires_at - now).total_seconds()))
