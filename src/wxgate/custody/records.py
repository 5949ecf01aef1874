"""What custody keeps, as frozen records; storage sees nothing else. It is one list, and no logic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wxgate.protocol.envelope import Format, Mode
from wxgate.protocol.tokens import TokenKey
from wxgate.secret import (
    AccessToken,
    AppSecret,
    AuthorizationCode,
    EncodingAESKey,
    PushToken,
    RefreshToken,
    Secret,
    Ticket,
)


@dataclass(frozen=True, slots=True)
class PushCredentials:
    """The tokens that sign and the keys that seal pushes, current first, previous after."""

    tokens: tuple[PushToken, ...]
    aes_keys: tuple[EncodingAESKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Platform:
    """One third-party platform we run; `redirect_key` signs what we tell tenants' own sites."""

    appid: str
    name: str
    secret: AppSecret
    push: PushCredentials
    redirect_key: Secret
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DirectAccount:
    """An account configured with its own appid and secret; `user_name` is its original id (gh_...)."""

    appid: str
    name: str
    secret: AppSecret
    user_name: str
    push: PushCredentials
    mode: Mode
    format: Format
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeptTicket:
    """A ticket as it was pushed; `pushed_at` is WeChat's CreateTime and orders tickets."""

    platform: str
    ticket: Ticket
    pushed_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class TicketRequests:
    """How often WeChat was asked for tickets since the last came in time, and when it may be asked again."""

    count: int
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class FetchedToken:
    """A token as WeChat has just given it, with its lifetime turned into a moment.

    `renew_at` says when to renew it ahead, where that is not the usual moment.
    """

    token: AccessToken
    fetched_at: datetime
    expires_at: datetime
    renew_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token in custody; `version` grows by one with every change of this key."""

    key: TokenKey
    token: AccessToken
    version: int
    fetched_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRow:
    """How a key stands: its token if there is one, whose turn it is, and when to try again after failures.

    `not_before` is for renewals that nobody waits for, `held_until` for all.
    """

    kept: KeptToken | None = None
    lease_until: datetime | None = None
    not_before: datetime | None = None
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DueToken:
    """A token somebody must look at now, without its value; `renew_at` is since when."""

    key: TokenKey
    version: int
    expires_at: datetime
    renew_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fetch one token until a moment; `fence` grows with every lease and every drop.

    `failures` counts the fetches that failed in a row before this one; `rejected` is the fingerprint of the
    token whose rejection by WeChat made this fetch necessary, if that is why.
    """

    key: TokenKey
    holder: str
    fence: int
    until: datetime
    failures: int = 0
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """What became of the proof that a token does not work.

    `dropped` is true when the token was the current one and is no more; `retry_at` is set when its budget of
    rejections is used up and it was left as it is.
    """

    dropped: bool = False
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InvalidReport:
    """The answer to a report that a token does not work: `renewed`, or it was not the current one.

    `current` is the token to use instead; None where a stale report finds none at the moment.
    """

    renewed: bool
    current: KeptToken | None


class AuthorizationState(StrEnum):
    """Where one platform's right to act for one account stands."""

    PENDING = "pending"
    ACTIVE = "active"
    DEGRADED = "degraded"
    NEEDS_REAUTHORIZATION = "needs_reauthorization"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Authorization:
    """One platform's right to act for one account.

    `event_at` is WeChat's time of the newest event applied, so that a late, older event changes nothing.
    `func_ids` are the permission sets as WeChat last told them, `granted_ids` those the merchant gave with
    the last code. `repair_at` is when WeChat may be asked again about a refresh token that it refused,
    `repairs` how often it was asked in a row.
    """

    platform: str
    appid: str
    state: AuthorizationState
    refresh_token: RefreshToken | None
    func_ids: tuple[int, ...]
    reason: str
    reference: str
    authorized_at: datetime
    event_at: datetime
    updated_at: datetime
    granted_ids: tuple[int, ...] = ()
    repair_at: datetime | None = None
    repairs: int = 0

    @property
    def lost_ids(self) -> tuple[int, ...]:
        """The permission sets that the merchant gave and WeChat no longer tells."""
        return tuple(sorted(set(self.granted_ids) - set(self.func_ids)))


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a piece of news or evidence did; `before` is None where the authorization was unknown."""

    before: AuthorizationState | None
    after: AuthorizationState

    @property
    def moved(self) -> bool:
        """Whether the state is another one now."""
        return self.before is not self.after


@dataclass(frozen=True, slots=True)
class Evidence:
    """What our own calls found out about an authorization, with which of its states it was about.

    It counts only if `event_at` and `held` (the refresh token) are still the authorization's. `found` is a
    refresh token and `func_ids` are the permission sets WeChat told meanwhile; None tells nothing.
    `link` is where the merchant can authorise again.
    """

    platform: str
    appid: str
    event_at: datetime | None
    held: RefreshToken | None
    reason: str
    found: RefreshToken | None = None
    func_ids: tuple[int, ...] | None = None
    authorized_at: datetime | None = None
    link: str = ""


class Brought(StrEnum):
    """What became of an authorization that was brought from elsewhere."""

    ADDED = "added"
    REPLACED = "replaced"
    SAME = "same"
    EXISTS = "exists"
    NEWER = "newer_here"


@dataclass(frozen=True, slots=True)
class RefreshTokenChange:
    """One line of a refresh token's history: a fingerprint, never the value.

    Of one that was imported `at` is when it was last known to be right where it comes from.
    """

    platform: str
    appid: str
    fingerprint: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """What WeChat tells of an account; `kind` is official_account or mini_program, `raw` the whole answer."""

    appid: str
    kind: str
    nick_name: str
    user_name: str
    head_img: str
    principal_name: str
    raw: dict[str, Any]
    fetched_at: datetime


class ExchangeState(StrEnum):
    """The life of one authorization code."""

    PENDING = "pending"
    EXCHANGING = "exchanging"
    DONE = "done"
    FAILED = "failed"


class ExchangeSource(StrEnum):
    """How an authorization code reached us."""

    REDIRECT = "redirect"
    AUTHORIZED = "authorized"
    UPDATED = "updateauthorized"
    REGISTERED = "notify_third_fasteregister"


@dataclass(frozen=True, slots=True)
class NewExchange:
    """A code to be exchanged, as it arrived.

    `appid` is known from a push, unknown from a redirect; `flow` is known from a redirect, or from a push
    through its pre_auth_code.
    """

    platform: str
    code: AuthorizationCode
    source: ExchangeSource
    event_at: datetime
    appid: str | None = None
    flow: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """The durable job of turning one code into an authorization; `fence` grows with every attempt.

    `maybe_spent` is true once WeChat may have taken the code from us without our hearing the answer.
    """

    id: str
    platform: str
    code: AuthorizationCode
    source: ExchangeSource
    state: ExchangeState
    appid: str | None
    flow: str | None
    event_at: datetime
    created_at: datetime
    fence: int
    lease_until: datetime | None
    maybe_spent: bool
    errcode: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What api_query_auth (or reading back) yields for one account."""

    appid: str
    refresh_token: RefreshToken | None
    func_ids: tuple[int, ...]
    access: FetchedToken | None


@dataclass(frozen=True, slots=True)
class LinkChoices:
    """What an authorization link asks WeChat to show (auth_type, biz_appid, category_id_list)."""

    auth_type: int = 3
    biz_appid: str | None = None
    category_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Invite:
    """A tenant-bound authorization link; `max_uses` 0 means any number."""

    id: str
    platform: str
    reference: str
    choices: LinkChoices
    return_url: str | None
    max_uses: int
    uses: int
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """One click on an authorization link: binds a pre_auth_code to a tenant's reference."""

    id: str
    platform: str
    pre_auth_fingerprint: str
    invite: str | None
    reference: str
    return_url: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AuthorizationFilter:
    """Which authorizations to list; None means any."""

    platform: str | None = None
    appid: str | None = None
    states: frozenset[AuthorizationState] = field(default_factory=frozenset)


class ClearWay(StrEnum):
    """What proves the right to clear a quota: an access token, or the AppSecret."""

    ACCESS = "token"
    APPSECRET = "secret"


class ClearOutcome(StrEnum):
    """What is known of one clearing of a quota; SENT until WeChat's answer is known."""

    SENT = "sent"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Clear:
    """One of the ten clearings of an appid's quota in a month (`2026-11`, China's time)."""

    appid: str
    month: str
    number: int
    way: ClearWay
    outcome: ClearOutcome
    at: datetime


@dataclass(frozen=True, slots=True)
class FetchCount:
    """How often tokens of one kind were fetched today by all nodes, and until when nobody should.

    `key.account` is the platform itself where what counts is the platform's.
    """

    key: TokenKey
    day: str
    fetched: int
    open_until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Duty:
    """Work that one node at a time does for all: who does it, when it is due again, what came of it last.

    `fence` grows each time somebody takes it; `due_at` is None before the first time. `result` is whatever
    the work wants to be remembered, as JSON; it stays until the next result.
    """

    name: str
    fence: int = 0
    holder: str | None = None
    lease_until: datetime | None = None
    due_at: datetime | None = None
    done_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When a push token or AES key was last seen in use; `receiver` is the appid that it belongs to."""

    receiver: str
    kind: str
    fingerprint: str
    last_seen_at: datetime
