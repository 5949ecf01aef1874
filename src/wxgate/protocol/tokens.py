"""What a token is keyed by, and the pure rule that says when it must be renewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DIRECT_ISSUER = "direct"

_LONGEST_MARGIN = timedelta(minutes=10)
_SHORTEST_MARGIN = timedelta(seconds=30)
_GRACE = timedelta(seconds=10)  # a token this close to its end may die on the way to WeChat


class TokenKind(StrEnum):
    """Name the kinds of values that are fetched, cached and renewed."""

    COMPONENT = "component"
    AUTHORIZER = "authorizer"
    DIRECT = "direct"
    JSAPI_TICKET = "jsapi_ticket"
    WX_CARD = "wx_card"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Say whose token it is: the issuer (a platform's appid, or `direct`), the account and the kind.

    For a component token the account is the platform itself.
    """

    issuer: str
    account: str
    kind: TokenKind


class Freshness(StrEnum):
    """Say what may be done with a cached token."""

    FRESH = "fresh"
    DUE = "due"
    EXPIRED = "expired"


def renew_at(fetched_at: datetime, expires_at: datetime) -> datetime:
    """Give the moment from which a token should be renewed: 1 h 50 min for the usual two hours."""
    lifetime = expires_at - fetched_at
    margin = min(max(lifetime / 12, _SHORTEST_MARGIN), _LONGEST_MARGIN)
    # A token that lives less than a minute still gets half its life before it is renewed.
    return expires_at - min(margin, lifetime / 2)


def freshness(fetched_at: datetime, expires_at: datetime, now: datetime) -> Freshness:
    """Say whether a token is fresh, due for renewal while still usable, or expired."""
    grace = min(_GRACE, (expires_at - fetched_at) / 4)
    if now >= expires_at - grace:
        return Freshness.EXPIRED
    return Freshness.DUE if now >= renew_at(fetched_at, expires_at) else Freshness.FRESH
