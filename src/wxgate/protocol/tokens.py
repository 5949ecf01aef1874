"""What a token is keyed by, and the pure rule that says when it must be renewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DIRECT_ISSUER = "direct"

_LONGEST_MARGIN = timedelta(minutes=10)
# stable_token gives the same token again until five minutes before its end: to ask earlier is in vain.
_STABLE_MARGIN = timedelta(minutes=3, seconds=50)
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


def renew_at(
    fetched_at: datetime, expires_at: datetime, kind: TokenKind | None = None, *, early: float = 0.0
) -> datetime:
    """Give the moment from which a token should be renewed: 1 h 50 min for the usual two hours.

    `early`, from 0 to 1, moves it up to half as much further from the token's end, so that tokens fetched
    together are not renewed together.
    """
    lifetime = expires_at - fetched_at
    longest, share = (_STABLE_MARGIN, 0.25) if kind is TokenKind.DIRECT else (_LONGEST_MARGIN, 0.5)
    margin = min(max(lifetime / 12, _SHORTEST_MARGIN), longest)
    # A token that lives less than a minute still gets half its life before it is renewed.
    return expires_at - min(margin * (1 + share * early), lifetime / 2)


def freshness(
    fetched_at: datetime, expires_at: datetime, now: datetime, kind: TokenKind | None = None
) -> Freshness:
    """Say whether a token is fresh, due for renewal while still usable, or expired."""
    grace = min(_GRACE, (expires_at - fetched_at) / 4)
    if now >= expires_at - grace:
        return Freshness.EXPIRED
    return Freshness.DUE if now >= renew_at(fetched_at, expires_at, kind) else Freshness.FRESH


REJECTIONS_MOST = 5
REPORTS_MOST = 3
REJECTIONS_WINDOW = timedelta(minutes=10)


def count_rejection(
    count: int, since: datetime | None, now: datetime, most: int = REJECTIONS_MOST
) -> tuple[int, datetime] | datetime:
    """Count one more rejection of a key's token: (count, since), or the moment from which one counts again.

    A token that is rejected, renewed and rejected again has a fault that no renewal mends, and each renewal
    costs a call: so many are tried in so many minutes, and no more.
    What others report counts only up to REPORTS_MOST: nobody can see whether it is true, and it must not use
    up what the gateway needs for the rejections it sees itself.
    """
    if since is None or not since <= now < since + REJECTIONS_WINDOW:
        return 1, now
    return (count + 1, since) if count < most else since + REJECTIONS_WINDOW
