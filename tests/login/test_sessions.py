"""What a session is good for: the table of LOGIN §6, its limits, and how strong and fresh its proof is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.login.browsers import Browser
from wxgate.login.records import Acr, Mode, Session, SessionLimits
from wxgate.login.sessions import ANY, Shown, Terms, Verdict, is_live, is_touch_due, judge, shown
from wxgate.login.visits import Held, Prompt
from wxgate.secret import Presence, SessionId, fingerprint

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMITS = SessionLimits()
PRESENCE = Presence("presence")
HELD = Held(SessionId("id"), PRESENCE)

SESSION = Session(
    id_hash="id",
    presence_hash=fingerprint(PRESENCE),
    realm="r",
    sub="u_1",
    app="shop",
    appid="wx1",
    openid="o1",
    acr=Acr.SILENT,
    mode=Mode.SILENT,
    started_at=NOW - timedelta(hours=1),
    proved_at=NOW - timedelta(hours=1),
    seen_at=NOW,
    expires_at=NOW + timedelta(days=29),
    sid="s_1",
)

GO, HOP, LOGIN, REAUTH = Verdict.GO, Verdict.SILENT_HOP, Verdict.LOGIN, Verdict.REAUTH_401
WECHAT, OTHER = Browser.WECHAT, Browser.OTHER
NO_PRESENCE, WRONG_PRESENCE = replace(HELD, presence=None), replace(HELD, presence=Presence("another"))
OLD = replace(SESSION, started_at=NOW - timedelta(hours=5), proved_at=NOW - timedelta(hours=5))
ENDED = replace(SESSION, ended_at=NOW)

TABLE = {
    # session, cookies, browser -> a page that is opened, what a script or a form sends
    "in WeChat, all there": (SESSION, HELD, WECHAT, GO, GO),
    "in WeChat, presence missing": (SESSION, NO_PRESENCE, WECHAT, HOP, REAUTH),
    "in WeChat, presence of another process": (SESSION, WRONG_PRESENCE, WECHAT, HOP, REAUTH),
    "in WeChat, the proof is old": (OLD, HELD, WECHAT, HOP, REAUTH),
    "in WeChat on a computer": (SESSION, NO_PRESENCE, Browser.WECHAT_DESKTOP, HOP, REAUTH),
    "in a mini program": (SESSION, NO_PRESENCE, Browser.MINI_PROGRAM, HOP, REAUTH),
    "in WeChat, no session": (None, HELD, WECHAT, LOGIN, LOGIN),
    "in WeChat, ended": (ENDED, HELD, WECHAT, LOGIN, LOGIN),
    "elsewhere, all there": (SESSION, HELD, OTHER, GO, GO),
    "elsewhere, presence missing": (SESSION, NO_PRESENCE, OTHER, GO, GO),
    "elsewhere, the proof is old": (OLD, NO_PRESENCE, OTHER, GO, GO),
    "elsewhere, no session": (None, Held(), OTHER, LOGIN, LOGIN),
    "elsewhere, ended": (ENDED, HELD, Browser.PHONE, LOGIN, LOGIN),
}


@pytest.mark.parametrize(("session", "held", "browser", "opened", "scripted"), TABLE.values(), ids=TABLE)
def test_the_cookies_and_the_browser_decide(
    session: Session | None, held: Held, browser: Browser, opened: Verdict, scripted: Verdict
) -> None:
    assert judge(session, held, browser, LIMITS, ANY, NOW) is opened
    assert judge(session, held, browser, LIMITS, ANY, NOW, top_level=False) is scripted


TERMS = {
    "the same app": (Terms(app="shop"), GO),
    "another app": (Terms(app="own"), LOGIN),
    "prompt=none": (Terms(prompt=frozenset({Prompt.NONE})), GO),
    "prompt=login": (Terms(prompt=frozenset({Prompt.LOGIN})), LOGIN),
    "prompt=consent": (Terms(prompt=frozenset({Prompt.CONSENT})), LOGIN),
    "prompt=select_account": (Terms(prompt=frozenset({Prompt.SELECT_ACCOUNT})), LOGIN),
    "as strong": (Terms(acr=Acr.SILENT), GO),
    "stronger": (Terms(acr=Acr.CONSENT), LOGIN),
    "fresh enough": (Terms(max_age=3600), GO),
    "not fresh enough": (Terms(max_age=3599), LOGIN),
    "max_age=0": (Terms(max_age=0), LOGIN),
}


@pytest.mark.parametrize(("terms", "verdict"), TERMS.values(), ids=TERMS)
def test_a_session_must_be_what_is_asked_for(terms: Terms, verdict: Verdict) -> None:
    assert judge(SESSION, HELD, WECHAT, LIMITS, terms, NOW) is verdict


def test_a_session_ends_by_being_idle_or_by_its_age() -> None:
    second = timedelta(seconds=1)
    start = SESSION.started_at
    busy = replace(SESSION, expires_at=start + LIMITS.absolute)
    for at in (start + timedelta(days=20), start + LIMITS.absolute - second):
        assert is_live(replace(busy, seen_at=at), LIMITS, at)
    assert not is_live(replace(busy, seen_at=NOW), LIMITS, NOW + LIMITS.idle)
    assert is_live(replace(busy, seen_at=NOW), LIMITS, NOW + LIMITS.idle - second)
    end = start + LIMITS.absolute
    assert not is_live(replace(busy, seen_at=end), LIMITS, end)


def test_shorter_limits_count_at_once_for_the_application_that_has_them() -> None:
    strict = SessionLimits(idle=timedelta(minutes=30), absolute=timedelta(minutes=50))
    assert judge(SESSION, HELD, OTHER, strict, ANY, NOW) is LOGIN
    assert judge(SESSION, HELD, OTHER, replace(strict, absolute=timedelta(hours=2)), ANY, NOW) is GO


def test_a_session_in_use_is_written_once_a_day_and_oftener_where_it_would_end_sooner() -> None:
    seen = replace(SESSION, seen_at=NOW)
    assert not is_touch_due(seen, LIMITS, NOW + timedelta(hours=23))
    assert is_touch_due(seen, LIMITS, NOW + timedelta(days=1))
    assert is_touch_due(seen, SessionLimits(idle=timedelta(minutes=20)), NOW + timedelta(minutes=5))


def test_strength_and_age_are_those_of_one_proof() -> None:
    consented = replace(SESSION, acr=Acr.CONSENT, started_at=NOW - timedelta(hours=2), proved_at=NOW)
    by_consent = Shown(Acr.CONSENT, NOW - timedelta(hours=2))
    assert shown(consented, NOW) == by_consent
    assert shown(consented, NOW, acr=Acr.CONSENT) == by_consent
    assert shown(consented, NOW, max_age=300) == Shown(Acr.SILENT, NOW)
    assert shown(consented, NOW, acr=Acr.CONSENT, max_age=300) is None
    assert shown(consented, NOW, acr=Acr.SCAN) is None
