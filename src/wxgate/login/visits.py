"""A visit to the door: what is wanted, what the request tells, and what it is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from wxgate.login.browsers import Browser
from wxgate.login.records import Acr, Goal, Mode, Session, SessionLimits
from wxgate.secret import BrowserKey, Presence, SessionId


class Prompt(StrEnum):
    """What a login may or must show (OpenID Connect's `prompt`)."""

    NONE = "none"
    LOGIN = "login"
    CONSENT = "consent"
    SELECT_ACCOUNT = "select_account"


@dataclass(frozen=True, slots=True)
class Demand:
    """Who is wanted where, how surely, and what for.

    `app` names one app of the realm, None leaves the choice to us; `mode` None chooses by the browser.
    `profile` asks for nickname and avatar, which in WeChat takes a consent. `tapped` is true when a person
    has just asked for it by hand. `limits` are those of the application, else the realm's count.
    """

    realm: str
    goal: Goal
    app: str | None = None
    mode: Mode | None = None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    acr: Acr | None = None
    profile: bool = False
    lang: str = ""
    tapped: bool = False
    limits: SessionLimits | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What a browser has of one realm."""

    session_id: SessionId | None = None
    presence: Presence | None = None
    logged_out: bool = False


NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a request tells of whoever makes it; nothing of it is believed without a look at the store.

    `held` is by realm. `loops` counts the hops to WeChat that nobody tapped for, in the last minute.
    `top_level` is true for a page that is opened, false for what scripts and forms send: only an opened page
    can be sent to WeChat.
    """

    browser: Browser
    held: Mapping[str, Held] = field(default_factory=dict)
    browser_key: BrowserKey | None = None
    loops: int = 0
    top_level: bool = True
    address: str = ""
    agent: str = ""

    def at(self, realm: str) -> Held:
        """Return what the browser has of a realm."""
        return self.held.get(realm, NOTHING_HELD)

    def logged_out_of(self, realm: str) -> "Visitor":
        """Return the same visitor as one who has logged out of a realm."""
        return replace(self, held={**self.held, realm: replace(self.at(realm), logged_out=True)})


class Page(StrEnum):
    """What can be shown instead of going on."""

    TAP = "tap"
    QR = "qr"
    OPEN_IN_WECHAT = "open_in_wechat"
    SCAN = "scan"
    LOOP = "loop"
    SNAPSHOT = "snapshot"
    CANCELLED = "cancelled"
    TROUBLE = "trouble"
    NO_APP = "no_app"


@dataclass(frozen=True, slots=True)
class Cookies:
    """What a browser is to keep, or to give up; None leaves a cookie as it is.

    `forget` drops session and presence of the realm, `loops` 0 and `logged_out` False drop those. `attempt`
    is the mark of one that keeps a copy of the browser's key.
    """

    realm: str = ""
    session: SessionId | None = None
    session_until: datetime | None = None
    presence: Presence | None = None
    browser_key: BrowserKey | None = None
    loops: int | None = None
    logged_out: bool | None = None
    forget: bool = False
    attempt: str = ""


NO_COOKIES = Cookies()


@dataclass(frozen=True, slots=True)
class Enter:
    """A session satisfies the demand."""

    session: Session
    cookies: Cookies = NO_COOKIES


@dataclass(frozen=True, slots=True)
class Leave:
    """The browser goes elsewhere: to WeChat, or on to its goal. `url` may hold a code, so it is not shown.

    `turned_away` is true for a browser that has not begun what it comes back from.
    """

    url: str = field(repr=False)
    cookies: Cookies = NO_COOKIES
    turned_away: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """A page is shown; `facts` is what its texts need."""

    page: Page
    facts: Mapping[str, str] = field(default_factory=dict)
    cookies: Cookies = NO_COOKIES


@dataclass(frozen=True, slots=True)
class Refuse:
    """There is no login, and nothing may be shown; `word` is OAuth's."""

    word: str
    description: str = ""


Answer: TypeAlias = Enter | Leave | Show | Refuse
