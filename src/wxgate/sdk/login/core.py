"""What to do with a request: go on, send the visitor to the gateway, or refuse.

WeChat keeps an application's lasting cookies when its process is killed or another account logs in, and drops
those without an age. So two cookies make a session: a lasting one that says who it was, and a presence cookie
without an age that says "still the same process of WeChat". In WeChat a session without presence is checked
with the gateway, which shows nothing to the visitor; in other browsers presence means nothing, because they
lose it whenever they are closed.

                          in WeChat                             elsewhere
    session and presence  go on                                 go on
    session, no presence  page: check silently                  go on
                          reading script: anonymous, or 401
                          changing request: 401
    old proof             as without presence                   as in WeChat, but much later
    no session            as the policy says                    as the policy says

The gateway says when a session ends, but its word may be lost on the way; it is asked again everywhere, so
that whoever was logged out there is logged out here in the end.

Only a page that fills the window is ever sent away. A script gets 401 with the address to open, because a
redirect would end in WeChat's pages, which it cannot show; and a redirected POST would be lost.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from wxgate.errors import ConfigError
from wxgate.sdk.login.session import Session

MOST_HOPS = 2
"""How often within a minute a visitor may come back from the gateway and still be nobody."""


class Acr(StrEnum):
    """How strong WeChat's proof of a person is, weakest first."""

    SILENT = "urn:wxgw:silent"
    CONSENT = "urn:wxgw:consent"
    SCAN = "urn:wxgw:scan"


def satisfies(acr: str, least: Acr | None) -> bool:
    """Tell whether a proof is at least as strong as another; one we do not know satisfies nothing."""
    if least is None:
        return True
    order = [str(one) for one in Acr]
    return acr in order and order.index(acr) >= order.index(least)


class Need(StrEnum):
    """What a page needs of its visitor."""

    NOTHING = "nothing"
    SILENT = "silent"
    """Know who it is where that takes no question: in WeChat. Elsewhere, and when it fails, be anonymous."""

    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lives, and how old the gateway's last word may be: in WeChat, and elsewhere."""

    idle: timedelta = timedelta(days=7)
    absolute: timedelta = timedelta(days=30)
    recheck_after: timedelta = timedelta(hours=4)
    recheck_elsewhere: timedelta = timedelta(hours=12)
    """For pages; scripts and forms go on for as long again, for a page that is opened meanwhile renews it."""

    @property
    def slide_after(self) -> timedelta:
        """How long the last use may go unnoted: a cookie is not written with every page."""
        return min(timedelta(days=1), self.idle / 7)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a page demands: somebody or anybody, how strongly proved, and how long ago at most.

    With `profile` the gateway is asked for nickname and avatar, which in WeChat means a consent page.
    """

    need: Need = Need.NOTHING
    acr: Acr | None = None
    max_age: timedelta | None = None
    profile: bool = False

    @classmethod
    def demanding(
        cls, mode: str = "silent", acr: str | None = None, max_age: timedelta | float | None = None
    ) -> "Policy":
        """Demand a login: `silent` is content with knowing who it is, `consent` wants to be told by them.

        `max_age` may be given in seconds.
        """
        if mode not in ("silent", "consent"):
            raise ConfigError(f"mode must be silent or consent, not {mode!r}")
        if acr is not None and acr not in list(Acr):
            raise ConfigError(f"acr must be one of {', '.join(Acr)}, not {acr!r}")
        consent = mode == "consent"
        least = Acr(acr) if acr else Acr.CONSENT if consent else None
        age = max_age if isinstance(max_age, timedelta | None) else timedelta(seconds=max_age)
        return cls(Need.LOGIN, least, age, profile=consent)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the request itself tells.

    `navigation` is a GET of a page that fills the window; `changing` any method but GET and HEAD. `presence`
    is the presence cookie. `logged_out` says that the visitor has logged out and not in since, `refused` that
    a silent login has just failed, `hops` how often the visitor came back from the gateway lately.
    """

    in_wechat: bool = False
    navigation: bool = True
    changing: bool = False
    presence: str = ""
    logged_out: bool = False
    refused: bool = False
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Go:
    """Let the request through, as somebody or as nobody."""

    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the visitor to the gateway; `silent` means that nothing may be shown there."""

    silent: bool = False
    acr: Acr | None = None
    max_age: timedelta | None = None
    profile: bool = False


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse: a page of that name where a page was asked for, else JSON with `error`."""

    status: int
    error: str
    page: str = ""


Decision: TypeAlias = Go | Redirect | Deny

LOGIN_REQUIRED, REAUTH_REQUIRED = "login_required", "reauth_required"


def in_wechat(user_agent: str) -> bool:
    """Tell whether a browser is WeChat's, on a phone or a computer; WeCom says MicroMessenger too."""
    agent = user_agent.lower()
    return "micromessenger" in agent and "wxwork" not in agent


def is_live(session: Session, limits: Limits, now: datetime) -> bool:
    """Tell whether a session has neither lain idle for too long nor reached its end."""
    return now - session.seen_at < limits.idle and now - session.began_at < limits.absolute


def decide(
    facts: Facts, session: Session | None, policy: Policy, now: datetime, limits: Limits | None = None
) -> Decision:
    """Decide what to do with a request."""
    limits = limits or Limits()
    if session is None or not is_live(session, limits, now):
        return _without_session(facts, policy)
    if (facts.in_wechat and not session.is_present(facts.presence)) or _is_old(facts, session, now, limits):
        return _check_again(facts, policy)
    if policy.need is Need.LOGIN and not _satisfies(session, policy, now):
        return _send(facts, policy, REAUTH_REQUIRED)
    return Go(session)


def _without_session(facts: Facts, policy: Policy) -> Decision:
    match policy.need:
        case Need.NOTHING:
            return Go()
        case Need.SILENT:
            asks = facts.in_wechat and facts.navigation and not facts.logged_out and not facts.refused
            return Redirect(silent=True) if asks and facts.hops < MOST_HOPS else Go()
        case Need.LOGIN:
            if facts.navigation and facts.logged_out:
                # Silently logging in again would make the logout a lie.
                return Deny(401, LOGIN_REQUIRED, "logged_out")
            return _send(facts, policy, LOGIN_REQUIRED)


def _check_again(facts: Facts, policy: Policy) -> Decision:
    """The session may be of whoever used this phone before: until that is checked it is nobody's."""
    if facts.navigation:
        if facts.hops >= MOST_HOPS:
            return Go() if policy.need is not Need.LOGIN else Deny(400, LOGIN_REQUIRED, "loop")
        return Redirect(silent=True)
    if facts.changing or policy.need is Need.LOGIN:
        return Deny(401, REAUTH_REQUIRED)
    return Go()


def _is_old(facts: Facts, session: Session, now: datetime, limits: Limits) -> bool:
    """Tell whether the gateway has to say again who it is."""
    if facts.in_wechat:
        return now - session.proved_at >= limits.recheck_after
    return now - session.proved_at >= limits.recheck_elsewhere * (1 if facts.navigation else 2)


def _satisfies(session: Session, policy: Policy, now: datetime) -> bool:
    fresh = policy.max_age is None or now - session.person.auth_time <= policy.max_age
    return fresh and satisfies(session.person.acr, policy.acr)


def _send(facts: Facts, policy: Policy, error: str) -> Decision:
    if not facts.navigation:
        return Deny(401, error)
    if facts.hops >= MOST_HOPS:
        return Deny(400, error, "loop")
    return Redirect(acr=policy.acr, max_age=policy.max_age, profile=policy.profile)
