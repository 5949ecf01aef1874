"""What login keeps: realms, apps and clients; subjects and identities; attempts, sessions, codes and grants.

Whatever a browser or an application holds is kept as its SHA-256 only (`fingerprint`), so nobody who reads
the database can log in with what is found there. The file is long because it is one list, without logic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from wxgate.secret import AppSecret, Secret


class AppKind(StrEnum):
    """What an app of a realm is on WeChat's side."""

    OFFICIAL = "official"
    WEBSITE = "website"
    MINI_PROGRAM = "miniprogram"


class Mode(StrEnum):
    """How WeChat is asked who somebody is."""

    SILENT = "silent"
    CONSENT = "consent"
    QR = "qr"
    SCAN = "scan"
    MINI_PROGRAM = "miniprogram"


class Acr(StrEnum):
    """How strong a proof of identity is, weakest first (LOGIN P20)."""

    SILENT = "urn:wxgw:silent"
    CONSENT = "urn:wxgw:consent"
    SCAN = "urn:wxgw:scan"

    def satisfies(self, least: "Acr") -> bool:
        """Tell whether this proof is at least as strong as another."""
        order = list(Acr)
        return order.index(self) >= order.index(least)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lives, and when WeChat is asked again."""

    idle: timedelta = timedelta(days=7)
    absolute: timedelta = timedelta(days=30)
    recheck_after: timedelta = timedelta(hours=4)
    """In WeChat's browser only: how old its last proof may be before it is silently renewed."""


@dataclass(frozen=True, slots=True)
class Realm:
    """Apps that share a unionid space (one open-platform account), and the OpenID issuer of that name.

    `return_to` lists where people may be sent back to outside OpenID Connect: origins (`https://shop.example`)
    or whole addresses. Without `silent`, every login in WeChat waits for a tap, even a silent one.
    """

    name: str
    title: str
    created_at: datetime
    silent: bool = True
    unionid_backfill: bool = False
    return_to: tuple[str, ...] = ()
    limits: SessionLimits = SessionLimits()


@dataclass(frozen=True, slots=True)
class App:
    """An appid a realm can log in with: on behalf through a platform (`issuer`), or with its own secret.

    `issuer` is a platform's appid or `direct`. `secret` is the app's own where it is not kept elsewhere: of
    a website application always, of a direct account where custody has none.
    """

    name: str
    realm: str
    kind: AppKind
    appid: str
    issuer: str
    title: str
    created_at: datetime
    secret: AppSecret | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party of a realm; without a secret it is a public one, which must use PKCE."""

    id: str
    realm: str
    name: str
    created_at: datetime
    secret_hash: str | None = None
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    pairwise: bool = False
    sector: str = ""
    """What clients with the same pairwise subjects have in common; the client's id where it is empty."""
    grants: frozenset[str] = frozenset({"authorization_code"})
    scopes: frozenset[str] = frozenset({"openid", "profile"})
    require_pkce: bool = True
    algorithm: str = "RS256"
    limits: SessionLimits | None = None
    disabled_at: datetime | None = None

    @property
    def is_public(self) -> bool:
        """Tell whether the client can keep no secret."""
        return self.secret_hash is None


class IdentityKind(StrEnum):
    """Which of WeChat's names for a person."""

    OPENID = "openid"
    UNIONID = "unionid"


@dataclass(frozen=True, slots=True)
class Name:
    """One of WeChat's names for a person: an openid within an appid, or a unionid within a realm."""

    kind: IdentityKind
    space: str
    value: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A name of WeChat's that stands for a subject of a realm."""

    realm: str
    name: Name
    sub: str
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """What WeChat told of a person, for display only; None is not known."""

    nickname: str | None = None
    avatar: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person as applications know them: an opaque `sub` that never changes.

    An alias stands for another subject since an operator, or policy, merged the two.
    """

    sub: str
    realm: str
    created_at: datetime
    updated_at: datetime
    profile: Profile = Profile()
    alias_of: str | None = None
    last_login_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two subjects of a realm that one verified answer of WeChat's showed to be one person."""

    id: int
    realm: str
    kept: str
    other: str
    name: Name
    found_at: datetime
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What WeChat has just proved about whoever is at the browser."""

    app: str
    appid: str
    openid: str
    mode: Mode
    unionid: str | None = None
    snapshot: bool = False
    profile: Profile = Profile()

    @property
    def acr(self) -> Acr:
        """How strong the proof is."""
        return ACR_OF[self.mode]


ACR_OF: Mapping[Mode, Acr] = {
    Mode.SILENT: Acr.SILENT,
    Mode.MINI_PROGRAM: Acr.SILENT,
    Mode.CONSENT: Acr.CONSENT,
    Mode.QR: Acr.SCAN,
    Mode.SCAN: Acr.SCAN,
}


class AttemptState(StrEnum):
    """Where an attempt to log in stands."""

    PENDING = "pending"
    EXCHANGING = "exchanging"
    DONE = "done"


class Purpose(StrEnum):
    """Who wanted the login, and so who says what comes after it."""

    PAGE = "page"
    HANDOVER = "handover"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to happen after a login; `data` is for whoever serves the purpose."""

    purpose: Purpose
    data: Mapping[str, str] = field(default_factory=dict)


RESTARTED = "restarted"
"""The outcome of an attempt in whose place another one was begun."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: where the browser goes, and with which cookies.

    `word` is `session`, or why there is none: cancelled, snapshot, expired_code, trouble, not_this_person.
    Session id and presence are those of the cookies; they are kept sealed, for a minute, for WeChat calls
    back twice.
    """

    word: str
    location: str
    session_id: Secret | None = None
    presence: Secret | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether it led neither to a session nor to another try."""
        return self.session_id is None and self.word != RESTARTED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to log in, known by the fingerprint of its `state`, bound to a browser by that of a cookie."""

    state_hash: str
    browser_hash: str
    realm: str
    app: str
    mode: Mode
    goal: Goal
    started_at: datetime
    expires_at: datetime
    state: AttemptState = AttemptState.PENDING
    restarts: int = 0
    holder: str | None = None
    lease_until: datetime | None = None
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    tapped: bool = False
    """Whether a person has asked for it by hand."""
    code_hash: str | None = None
    """The fingerprint of the code that was exchanged, or is being."""
    reclaimed: bool = False
    """Whether it was taken once more after a refusal."""
    successors: int = 0
    """How many attempts were begun in its place."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody logged in at a browser; known by the fingerprint of the cookie's value.

    `proved_at` is when WeChat last said who it is, `acr` how; `started_at` is the login itself.
    """

    id_hash: str
    presence_hash: str
    realm: str
    sub: str
    app: str
    appid: str
    openid: str
    acr: Acr
    mode: Mode
    started_at: datetime
    proved_at: datetime
    seen_at: datetime
    expires_at: datetime
    sid: str
    """How applications know the session (OpenID `sid`); not what the cookie holds."""
    unionid: str | None = None
    agent: str = ""
    address: str = ""
    ended_at: datetime | None = None
    end_reason: str = ""
    replaced_by: str | None = None
    """The `id_hash` of the session that took the place of this one."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new session as it is kept, and the one that ended for it, if there was one."""

    session: Session
    ended: Session | None = None


@dataclass(frozen=True, slots=True)
class LoginCode:
    """A code of ours, for one use within a minute: what an application redeems for who it is.

    `data` is what the request said and the redeeming must fit: redirect_uri, code_challenge, nonce, scope.
    """

    code_hash: str
    purpose: Purpose
    realm: str
    client: str
    sub: str
    sid: str
    family: str
    data: Mapping[str, str]
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class GrantKind(StrEnum):
    """What a token of ours is for."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token of ours, access or refresh; all that came of one code are a family and end together."""

    token_hash: str
    kind: GrantKind
    family: str
    realm: str
    client: str
    sub: str
    sid: str
    scope: str
    issued_at: datetime
    expires_at: datetime
    data: Mapping[str, str] = field(default_factory=dict)
    replaced_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs a realm's ID tokens, from `signs_from` on; published until it is retired."""

    kid: str
    realm: str
    algorithm: str
    public: Mapping[str, str]
    private: Secret
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None = None


class ScanState(StrEnum):
    """Where a scan login (LOGIN 5.4) stands."""

    SHOWN = "shown"
    SCANNED = "scanned"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    REDEEMED = "redeemed"


@dataclass(frozen=True, slots=True)
class Scan:
    """A login by scanning an account's QR code: shown on one screen, confirmed on the phone.

    The scene is in the code for everybody to see; the browser's secret never is.
    """

    id: str
    scene_hash: str
    browser_hash: str
    realm: str
    app: str
    appid: str
    number: str
    goal: Goal
    asked_by: Mapping[str, str]
    """What the phone shows of the screen: site, browser, address."""
    started_at: datetime
    expires_at: datetime
    state: ScanState = ScanState.SHOWN
    openid: str | None = None
    proof_unionid: str | None = None
    decided_at: datetime | None = None
