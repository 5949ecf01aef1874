"""What is done with a request: the table of the package, row by row."""

from datetime import UTC, datetime, timedelta

import pytest

from wxgate.errors import ConfigError
from wxgate.sdk.login.core import Acr, Deny, Facts, Go, Need, Policy, Redirect, decide, in_wechat, satisfies
from wxgate.sdk.login.session import Person, Session

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
SESSION = Session(Person("u_zhang", NOW, acr=Acr.SILENT), "sid", "here", NOW, NOW, NOW)

ANYBODY, SILENT, LOGIN = Policy(), Policy(Need.SILENT), Policy(Need.LOGIN)
IN_WECHAT = Facts(in_wechat=True, presence="here")
KILLED = Facts(in_wechat=True)
SCRIPT = Facts(in_wechat=True, navigation=False)
POST = Facts(in_wechat=True, navigation=False, changing=True)
DESKTOP = Facts()
DESKTOP_SCRIPT = Facts(navigation=False)


@pytest.mark.parametrize(
    ("facts", "session", "policy", "decision"),
    [
        # In WeChat, with a session and its presence: go on.
        (IN_WECHAT, SESSION, ANYBODY, Go(SESSION)),
        (IN_WECHAT, SESSION, LOGIN, Go(SESSION)),
        # Presence missing, or of another session: a page is checked silently, whatever it needs.
        (KILLED, SESSION, ANYBODY, Redirect(silent=True)),
        (KILLED, SESSION, LOGIN, Redirect(silent=True)),
        (Facts(in_wechat=True, presence="elsewhere"), SESSION, LOGIN, Redirect(silent=True)),
        # A script is never redirected, and never answered as somebody it may not be.
        (SCRIPT, SESSION, ANYBODY, Go()),
        (SCRIPT, SESSION, LOGIN, Deny(401, "reauth_required")),
        (POST, SESSION, ANYBODY, Deny(401, "reauth_required")),
        (POST, SESSION, LOGIN, Deny(401, "reauth_required")),
        # An ordinary browser was only restarted.
        (DESKTOP, SESSION, ANYBODY, Go(SESSION)),
        (DESKTOP, SESSION, LOGIN, Go(SESSION)),
        (DESKTOP_SCRIPT, SESSION, LOGIN, Go(SESSION)),
        # Without a session: as the policy says.
        (KILLED, None, ANYBODY, Go()),
        (KILLED, None, SILENT, Redirect(silent=True)),
        (DESKTOP, None, SILENT, Go()),
        (SCRIPT, None, SILENT, Go()),
        (DESKTOP, None, LOGIN, Redirect()),
        (SCRIPT, None, LOGIN, Deny(401, "login_required")),
        (POST, None, LOGIN, Deny(401, "login_required")),
        # After a logout, and after a silent login that failed, nobody is logged in unasked.
        (Facts(in_wechat=True, logged_out=True), None, SILENT, Go()),
        (Facts(in_wechat=True, refused=True), None, SILENT, Go()),
        (Facts(in_wechat=True, refused=True), None, LOGIN, Redirect()),
        (Facts(logged_out=True), None, LOGIN, Deny(401, "login_required", "logged_out")),
        # The loop guard: twice within a minute, then no more.
        (Facts(in_wechat=True, hops=2), None, SILENT, Go()),
        (Facts(hops=1), None, LOGIN, Redirect()),
        (Facts(hops=2), None, LOGIN, Deny(400, "login_required", "loop")),
        (Facts(in_wechat=True, hops=2), SESSION, ANYBODY, Go()),
        (Facts(in_wechat=True, hops=2), SESSION, LOGIN, Deny(400, "login_required", "loop")),
    ],
)
def test_a_request_is_decided_as_the_table_says(
    facts: Facts, session: Session | None, policy: Policy, decision: object
) -> None:
    assert decide(facts, session, policy, NOW) == decision


def test_in_wechat_the_last_proof_may_be_four_hours_old_and_elsewhere_twelve() -> None:
    for facts, hours in ((IN_WECHAT, 4), (DESKTOP, 12)):
        for later, checked in ((timedelta(hours=hours - 0.1), False), (timedelta(hours=hours), True)):
            decided = decide(facts, SESSION, ANYBODY, NOW + later)
            assert decided == (Redirect(silent=True) if checked else Go(SESSION))


def test_a_script_elsewhere_goes_on_for_a_day_and_no_longer_than_that() -> None:
    assert decide(DESKTOP_SCRIPT, SESSION, LOGIN, NOW + timedelta(hours=23)) == Go(SESSION)
    refused = decide(DESKTOP_SCRIPT, SESSION, LOGIN, NOW + timedelta(hours=24))
    assert refused == Deny(401, "reauth_required")


def test_a_session_ends_when_it_lies_idle_and_in_the_end_anyway() -> None:
    week, month, moment = timedelta(days=7), timedelta(days=30), timedelta(seconds=1)
    for began_at, seen_at, goes_on in (
        (NOW - month + moment, NOW - week + moment, True),
        (NOW - month, NOW, False),
        (NOW, NOW - week, False),
    ):
        session = Session(SESSION.person, "sid", "here", began_at, NOW, seen_at)
        assert decide(DESKTOP, session, LOGIN, NOW) == (Go(session) if goes_on else Redirect())


def test_a_page_may_demand_a_stronger_and_a_fresher_proof() -> None:
    strong = Policy.demanding("consent")
    assert strong == Policy(Need.LOGIN, Acr.CONSENT, None, profile=True)
    assert decide(IN_WECHAT, SESSION, strong, NOW) == Redirect(acr=Acr.CONSENT, profile=True)
    assert decide(Facts(navigation=False), SESSION, strong, NOW) == Deny(401, "reauth_required")

    fresh = Policy.demanding(max_age=300)
    assert decide(DESKTOP, SESSION, fresh, NOW + timedelta(seconds=300)) == Go(SESSION)
    later = NOW + timedelta(seconds=301)
    assert decide(DESKTOP, SESSION, fresh, later) == Redirect(max_age=timedelta(seconds=300))


def test_a_demand_that_is_misspelt_is_refused() -> None:
    for wrong in ({"mode": "loud"}, {"acr": "urn:wxgw:blood"}):
        with pytest.raises(ConfigError, match="must be"):
            Policy.demanding(**wrong)


def test_proofs_are_ordered_and_an_unknown_one_satisfies_nothing() -> None:
    assert satisfies(Acr.SCAN, Acr.CONSENT)
    assert satisfies(Acr.SILENT, Acr.SILENT)
    assert not satisfies(Acr.SILENT, Acr.CONSENT)
    assert not satisfies("urn:somebody:else", Acr.SILENT)
    assert satisfies("", None)


@pytest.mark.parametrize(
    ("agent", "is_wechat"),
    [
        ("Mozilla/5.0 (iPhone) MicroMessenger/8.0.50 NetType/WIFI Language/zh_CN", True),
        ("Mozilla/5.0 (Windows NT 10.0) MicroMessenger/7.0.20 WindowsWechat", True),
        ("Mozilla/5.0 (iPhone) wxwork/4.1 MicroMessenger/7.0.1", False),
        ("Mozilla/5.0 (X11; Linux) Chrome/140", False),
        ("", False),
    ],
)
def test_wechat_is_told_from_other_browsers_and_from_wecom(agent: str, is_wechat: bool) -> None:
    assert in_wechat(agent) is is_wechat
