"""What a session is good for, by a table: WeChat's browser loses cookies, and changes hands (LOGIN §6).

    browser      session     presence             page opened      script or form
    WeChat       live        there, proof young   GO               GO
    WeChat       live        missing or wrong     SILENT_HOP       REAUTH_401
    WeChat       live        proof too old        SILENT_HOP       REAUTH_401
    any          none, ended, expired, by another app              LOGIN
    another      live        any                  GO               GO

The session cookie outlives the browser's process, the presence does not: where it is gone, WeChat may be
logged in as somebody else, so WeChat is asked, silently. In other browsers nobody changes WeChat accounts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wxgate.login.browsers import Browser
from wxgate.login.records import Acr, Session, SessionLimits
from wxgate.login.visits import Held, Prompt
from wxgate.secret import equal, fingerprint

TOUCHED_AT_MOST = timedelta(days=1)
"""How often a session in use is written to the store, at most."""

BY_PERSON = "logged_out"
BY_OPERATOR = "operator"
BY_HAND = frozenset({BY_PERSON, BY_OPERATOR})
"""Why sessions end that somebody has ended, as it is kept with them: nobody comes back by silence."""


class Verdict(StrEnum):
    """What to do with a request."""

    GO = "go"
    SILENT_HOP = "silent_hop"
    LOGIN = "login"
    REAUTH_401 = "reauth_401"


@dataclass(frozen=True, slots=True)
class Shown:
    """How strong a proof there is for a session, and when it was given (`acr` and `auth_time`)."""

    acr: Acr
    at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session must be to satisfy somebody."""

    app: str | None = None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    acr: Acr | None = None


ANY = Terms()


def judge(
    session: Session | None,
    held: Held,
    browser: Browser,
    limits: SessionLimits,
    terms: Terms,
    now: datetime,
    *,
    top_level: bool = True,
) -> Verdict:
    """Decide by the table what a request may do."""
    if session is None or not is_live(session, limits, now):
        return Verdict.LOGIN
    if terms.app is not None and session.app != terms.app:
        return Verdict.LOGIN
    if browser.is_wechat and not _is_proved(session, held, limits, now):
        return Verdict.SILENT_HOP if top_level else Verdict.REAUTH_401
    asks_again = terms.prompt & {Prompt.LOGIN, Prompt.CONSENT, Prompt.SELECT_ACCOUNT}
    if asks_again or shown(session, now, acr=terms.acr, max_age=terms.max_age) is None:
        return Verdict.LOGIN if top_level else Verdict.REAUTH_401
    return Verdict.GO


def is_live(session: Session, limits: SessionLimits, now: datetime) -> bool:
    """Tell whether a session has neither ended nor been idle or there for too long."""
    if session.ended_at is not None or now >= session.expires_at:
        return False
    return now < min(session.started_at + limits.absolute, session.seen_at + limits.idle)


def shown(
    session: Session, now: datetime, *, acr: Acr | None = None, max_age: int | None = None
) -> Shown | None:
    """Return the proof that satisfies a demand; None if there is none.

    A session has two: that of its login, and the last silent one. Strength and age are never taken from
    different ones.
    """
    proofs = [Shown(session.acr, session.started_at)]
    if session.proved_at > session.started_at:
        proofs.append(Shown(Acr.SILENT, session.proved_at))
    oldest = now - timedelta(seconds=max_age) if max_age is not None else None
    for proof in proofs:
        strong = acr is None or proof.acr.satisfies(acr)
        if strong and (oldest is None or proof.at >= oldest):
            return proof
    return None


def is_ended_by_hand(session: Session | None) -> bool:
    """Tell whether somebody ended a session on purpose, at whatever browser: that is a logout here, too."""
    return session is not None and session.ended_at is not None and session.end_reason in BY_HAND


def is_touch_due(session: Session, limits: SessionLimits, now: datetime) -> bool:
    """Tell whether it is time to note that a session is in use."""
    return now - session.seen_at >= min(TOUCHED_AT_MOST, limits.idle / 4)


def has_presence(session: Session, held: Held) -> bool:
    """Tell whether the browser shows the presence that belongs to the session."""
    return held.presence is not None and equal(fingerprint(held.presence), session.presence_hash)


def _is_proved(session: Session, held: Held, limits: SessionLimits, now: datetime) -> bool:
    return has_presence(session, held) and now - session.proved_at < limits.recheck_after
