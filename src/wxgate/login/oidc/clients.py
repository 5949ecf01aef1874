"""Client authentication at the token endpoint and its neighbours (RFC 6749 2.3): basic, post, or none."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from wxgate.errors import ClientRefused, OAuthRefused
from wxgate.login.ports import Realms
from wxgate.login.records import Client
from wxgate.secret import Secret, equal, fingerprint

LONGEST = 512


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a client says it is, and how it proves it."""

    client_id: str
    secret: Secret | None
    basic: bool


def read_credentials(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """Read how a request authenticates; one that does it in two ways is refused (RFC 6749 2.3)."""
    posted_id, posted_secret = form.get("client_id"), form.get("client_secret")
    if authorization is None:
        if posted_id is None:
            raise ClientRefused("the request does not say which client it comes from")
        return Credentials(posted_id, None if posted_secret is None else Secret(posted_secret), basic=False)
    client_id, secret = _read_basic(authorization)
    if posted_secret is not None:
        raise OAuthRefused("invalid_request", "the client authenticates in two ways at once")
    if posted_id not in (None, client_id):
        raise OAuthRefused("invalid_request", "client_id is not the one that authenticates")
    return Credentials(client_id, secret, basic=True)


def judge(credentials: Credentials, client: Client | None, realm: str) -> Client:
    """Return the client if it is what it says; the answer does not tell which part of it is wrong."""
    refused = ClientRefused("client authentication failed", basic=credentials.basic)
    if client is None or client.realm != realm or client.disabled_at is not None:
        raise refused
    if client.secret_hash is None:
        # A public client proves nothing; one that shows a secret is not what it was registered as.
        if credentials.secret is not None and credentials.secret.reveal():
            raise refused
        return client
    if credentials.secret is None or not equal(fingerprint(credentials.secret), client.secret_hash):
        raise refused
    return client


class Authentication:
    """Authenticates relying parties of a realm."""

    def __init__(self, realms: Realms) -> None:
        self._realms = realms

    async def require(self, realm: str, authorization: str | None, form: Mapping[str, str]) -> Client:
        """Return the client that a request comes from, or raise ClientRefused."""
        credentials = read_credentials(authorization, form)
        known = len(credentials.client_id) <= LONGEST and credentials.client_id.isprintable()
        client = await self._realms.client(credentials.client_id) if known else None
        return judge(credentials, client, realm)


def _read_basic(authorization: str) -> tuple[str, Secret]:
    """Read `Basic`: both halves are form-encoded before they are joined."""
    kind, _, encoded = authorization.partition(" ")
    try:
        if kind.lower() != "basic":
            raise ValueError(kind)
        text = base64.b64decode(encoded.strip(), validate=True).decode()
        name, colon, secret = text.partition(":")
        if not colon:
            raise ValueError("no colon")
        return unquote_plus(name, errors="strict"), Secret(unquote_plus(secret, errors="strict"))
    except (ValueError, binascii.Error):
        raise ClientRefused("the Authorization header is not understood", basic=True) from None
