"""API keys: what one looks like, what it may do, and the pure rules that say so.

    key = wxg_ + id (12 hex digits) + _ + secret (43 characters)

The secret is drawn with 256 bits of chance, so that a plain SHA-256 of it can be kept: there is nothing to
guess, and nothing in the database that opens anything.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from wxgate.custody.records import AuthorizationState
from wxgate.errors import ConfigError
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import ApiKey, equal

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

PREFIX = "wxg"
ID_BYTES = 6
SECRET_BYTES = 32

LIST_LIMIT = 1000
"""The most entries of one list of a key; a tag holds more accounts than that."""

_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([A-Za-z0-9_-]{{43}})")


class ClientScope(StrEnum):
    """What a key may ask for."""

    COMPONENT = "component"
    AUTHORIZER = "authorizer"
    DIRECT = "direct"
    JSAPI_TICKET = "jsapi_ticket"
    JSAPI_SIGNATURE = "jsapi_signature"
    WX_CARD = "wx_card"
    REPORT = "report"
    EVENTS = "events"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a key is for: an empty set narrows nothing, and what is named narrows.

    `platforms` are issuers (a platform's appid, or `direct`); an account is in reach by its appid or by one
    of its tags.
    """

    platforms: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing is narrowed."""
        return not (self.platforms or self.accounts or self.tags)

    @property
    def names_accounts(self) -> bool:
        """Tell whether it is for some accounts only."""
        return bool(self.accounts or self.tags)

    def has_issuer(self, issuer: str) -> bool:
        """Tell whether an issuer is in reach."""
        return not self.platforms or issuer in self.platforms

    def has_account(self, appid: str, tags: frozenset[str]) -> bool:
        """Tell whether an account with these tags is in reach."""
        return not self.names_accounts or appid in self.accounts or not self.tags.isdisjoint(tags)


@dataclass(frozen=True, slots=True)
class Client:
    """The holder of an API key; `digest` is the SHA-256 of the key's secret in hex.

    Without `may_renew` it is served what is there and never causes a renewal. An empty `networks` lets it
    come from anywhere.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    scopes: frozenset[ClientScope]
    reach: Reach
    may_renew: bool
    networks: Networks
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def opens_with(self, secret: str) -> bool:
        """Tell in constant time whether this is the secret of its key."""
        return equal(self.digest, digest(secret))

    def ended(self, now: datetime) -> str:
        """Say why the key is good no more ("revoked", "expired"), or ""."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else ""

    def may_come_from(self, ip: str) -> bool:
        """Tell whether the key may be used from an address."""
        if not self.networks:
            return True
        try:
            address = ip_address(ip)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Target:
    """An account as requests see it: who may act for it, its tags, and the hosts its pages may be on."""

    appid: str
    authorizations: tuple[tuple[str, AuthorizationState], ...] = ()
    is_direct: bool = False
    tags: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    @property
    def live(self) -> tuple[str, ...]:
        """The issuers that may act for it now."""
        issuers = tuple(
            platform for platform, state in self.authorizations if state is not AuthorizationState.REVOKED
        )
        return (*issuers, DIRECT_ISSUER) if self.is_direct else issuers

    @property
    def issuers(self) -> tuple[str, ...]:
        """All issuers that act for it or did."""
        issuers = tuple(platform for platform, _ in self.authorizations)
        return (*issuers, DIRECT_ISSUER) if self.is_direct else issuers


@dataclass(frozen=True, slots=True)
class AuditLine:
    """What one key did to one target the same way within a moment; `count` says how often."""

    first_at: datetime
    last_at: datetime
    client: str
    action: str
    issuer: str
    account: str
    ip: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class Labels:
    """What an operator wrote on an account: tags for keys, and hosts whose pages it signs."""

    tags: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()


def digest(secret: str) -> str:
    """Make what is kept of a key's secret."""
    return sha256(secret.encode()).hexdigest()


def read_key(text: str) -> tuple[str, str] | None:
    """Split a key into its id and its secret; None for what is no key."""
    match = _KEY.fullmatch(text)
    return (match[1], match[2]) if match else None


def new_key(hex_of: Callable[[int], str], text_of: Callable[[int], str]) -> tuple[ApiKey, str, str]:
    """Draw a key; return it with its id and the digest of its secret."""
    identity, secret = hex_of(ID_BYTES), text_of(SECRET_BYTES)
    return ApiKey(f"{PREFIX}_{identity}_{secret}"), identity, digest(secret)


def check_rights(reach: Reach, scopes: frozenset[ClientScope], *, everything: bool, may_renew: bool) -> None:
    """Refuse a key that could do nothing, or more than was said; raise ConfigError with what to change."""
    if not scopes:
        raise ConfigError(f"a key needs a scope; there are {', '.join(ClientScope)}")
    if reach.is_everything and not everything:
        raise ConfigError(
            "name platforms, accounts or tags the key is for, or say that it is for everything (--all)"
        )
    if everything and not reach.is_everything:
        raise ConfigError("either --all, or platforms, accounts and tags: not both")
    if reach.names_accounts and ClientScope.COMPONENT in scopes:
        raise ConfigError(
            "a component token acts for every account of its platform; a key for some accounts cannot have "
            "the scope `component`: leave out the scope, or the accounts and tags"
        )
    if ClientScope.MANAGE in scopes and not may_renew:
        raise ConfigError("managing renews tokens; a read-only key cannot have the scope `manage`")
    if ClientScope.REPORT in scopes and not may_renew:
        raise ConfigError("a report makes the gateway renew; a read-only key cannot have the scope `report`")
    if any(len(part) > LIST_LIMIT for part in (reach.platforms, reach.accounts, reach.tags)):
        raise ConfigError(f"a key names at most {LIST_LIMIT} of a kind; give the accounts a tag instead")


def read_networks(texts: Iterable[str]) -> Networks:
    """Read addresses and networks; raise ConfigError that names the one that is none."""
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise ConfigError(f"{text!r} is no address or network; write 203.0.113.7 or 10.0.0.0/8") from None
    return tuple(networks)
