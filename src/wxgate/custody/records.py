"""What custody keeps, as frozen records; storage sees nothing else."""

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
class FetchedToken:
    """A token as WeChat has just given it, with its lifetime turned into a moment."""

    token: AccessToken
    fetched_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token in custody; `version` grows by one with every change of this key."""

    key: TokenKey
    token: AccessToken
    version: int
    fetched_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fetch one token until a moment; `fence` grows with every lease and every drop."""

    key: TokenKey
    holder: str
    fence: int
    until: datetime


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


@dataclass(frozen=True, slots=True)
class RefreshTokenChange:
    """One line of a refresh token's history: a fingerprint, never the value."""

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
