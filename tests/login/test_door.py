"""Who is kept from WeChat: without a tap where one is needed, in a loop, or where nothing may be shown."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.login.test_sessions import SESSION
from wxgate.login.browsers import Browser, Entrance, Obstacle
from wxgate.login.door import held_back, silent_entrance, wanted_app
from wxgate.login.proofs import least_acr
from wxgate.login.records import Acr, App, AppKind, Goal, Mode, Purpose, Realm
from wxgate.login.visits import Demand, Held, Page, Prompt, Refuse, Show, Visitor

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
REALM = Realm("r", "R", LONG_AGO)
APP = App("shop", "r", AppKind.OFFICIAL, "wx1", "wxc", "Shop", LONG_AGO)
DEMAND = Demand("r", Goal(Purpose.PAGE))
NONE = replace(DEMAND, prompt=frozenset({Prompt.NONE}))
TAPPED = replace(DEMAND, tapped=True)
IN_WECHAT, ELSEWHERE = Visitor(Browser.WECHAT), Visitor(Browser.OTHER)
LOGGED_OUT = {"held": {"r": Held(logged_out=True)}}

SILENT, CONSENT = Entrance(Mode.SILENT, APP), Entrance(Mode.CONSENT, APP)
QR, SCAN = Entrance(Mode.QR, APP), Entrance(Mode.SCAN, APP)

TABLE = {
    "silently in WeChat": (REALM, DEMAND, IN_WECHAT, SILENT, None),
    "the realm wants a tap": (replace(REALM, silent=False), DEMAND, IN_WECHAT, SILENT, Page.TAP),
    "tapped": (replace(REALM, silent=False), TAPPED, IN_WECHAT, SILENT, None),
    "a consent, too": (replace(REALM, silent=False), DEMAND, IN_WECHAT, CONSENT, Page.TAP),
    "a consent, tapped for": (replace(REALM, silent=False), TAPPED, IN_WECHAT, CONSENT, None),
    "a consent where silence will do": (REALM, DEMAND, IN_WECHAT, CONSENT, None),
    "a tap is wanted, but elsewhere": (replace(REALM, silent=False), DEMAND, ELSEWHERE, QR, None),
    "logged out by hand": (REALM, DEMAND, replace(IN_WECHAT, **LOGGED_OUT), SILENT, Page.TAP),
    "logged out, then tapped": (REALM, TAPPED, replace(IN_WECHAT, **LOGGED_OUT), SILENT, None),
    "logged out elsewhere": (REALM, DEMAND, replace(ELSEWHERE, **LOGGED_OUT), QR, Page.TAP),
    "once within a minute": (REALM, DEMAND, replace(IN_WECHAT, loops=1), SILENT, None),
    "in a loop": (REALM, DEMAND, replace(IN_WECHAT, loops=2), SILENT, Page.LOOP),
    "in a loop elsewhere": (REALM, DEMAND, replace(ELSEWHERE, loops=2), QR, Page.LOOP),
    "out of the loop by a tap": (REALM, TAPPED, replace(IN_WECHAT, loops=9), SILENT, None),
    "to a QR code": (REALM, DEMAND, ELSEWHERE, QR, None),
    "to a scan": (REALM, DEMAND, ELSEWHERE, SCAN, None),
    "prompt=none in WeChat": (REALM, NONE, IN_WECHAT, SILENT, None),
    "prompt=none elsewhere": (REALM, NONE, ELSEWHERE, QR, "login_required"),
    "prompt=none by a scan": (REALM, NONE, ELSEWHERE, SCAN, "login_required"),
    "prompt=none with a consent": (REALM, NONE, IN_WECHAT, CONSENT, "login_required"),
    "prompt=none, logged out": (REALM, NONE, replace(IN_WECHAT, **LOGGED_OUT), SILENT, "login_required"),
    "prompt=none in a loop": (REALM, NONE, replace(IN_WECHAT, loops=2), SILENT, "login_required"),
    "prompt=none, a tap wanted": (replace(REALM, silent=False), NONE, IN_WECHAT, SILENT, "login_required"),
}


@pytest.mark.parametrize(("realm", "demand", "visitor", "entrance", "expected"), TABLE.values(), ids=TABLE)
def test_who_is_kept_from_wechat(
    realm: Realm, demand: Demand, visitor: Visitor, entrance: Entrance, expected: Page | str | None
) -> None:
    match held_back(realm, demand, visitor, entrance):
        case Show(page=page):
            assert page is expected
        case Refuse(word=word):
            assert word == expected
        case None:
            assert expected is None


@pytest.mark.parametrize(
    ("demand", "session", "mode"),
    [
        (DEMAND, SESSION, Mode.SILENT),
        (replace(DEMAND, profile=True), SESSION, Mode.SILENT),
        (replace(DEMAND, acr=Acr.CONSENT), SESSION, Mode.CONSENT),
        (replace(DEMAND, acr=Acr.CONSENT), replace(SESSION, acr=Acr.CONSENT), Mode.SILENT),
        (replace(DEMAND, mode=Mode.CONSENT), SESSION, Mode.CONSENT),
        (replace(DEMAND, mode=Mode.CONSENT), replace(SESSION, acr=Acr.CONSENT), Mode.SILENT),
        (replace(DEMAND, max_age=300), replace(SESSION, acr=Acr.CONSENT), Mode.CONSENT),
        (replace(DEMAND, prompt=frozenset({Prompt.LOGIN})), SESSION, Mode.CONSENT),
        (replace(DEMAND, prompt=frozenset({Prompt.NONE})), SESSION, Mode.SILENT),
    ],
)
def test_a_lost_presence_is_proved_silently_where_the_session_is_strong_enough(
    demand: Demand, session: object, mode: Mode
) -> None:
    assert silent_entrance(CONSENT, demand, session).mode is mode  # type: ignore[arg-type]
    assert silent_entrance(QR, demand, session) is QR  # type: ignore[arg-type]


def test_a_session_by_the_app_that_was_asked_for_is_as_good_as_one_by_the_app_that_would_be_chosen() -> None:
    site = Entrance(Mode.QR, replace(APP, name="site"))
    by_site = replace(SESSION, app="site")
    assert wanted_app(replace(DEMAND, app="shop"), site, SESSION) == "shop"
    assert wanted_app(replace(DEMAND, app="shop"), site, by_site) == "site"
    assert wanted_app(DEMAND, site, SESSION) == "site"
    assert wanted_app(replace(DEMAND, app="own"), site, None) == "site"
    assert wanted_app(DEMAND, Obstacle.OPEN_IN_WECHAT, SESSION) is None


def test_who_asks_for_a_consent_does_not_want_a_silent_proof() -> None:
    assert least_acr(DEMAND) is None
    assert least_acr(replace(DEMAND, mode=Mode.CONSENT)) is Acr.CONSENT
    assert least_acr(replace(DEMAND, mode=Mode.CONSENT, acr=Acr.SCAN)) is Acr.SCAN
    assert least_acr(replace(DEMAND, acr=Acr.SILENT)) is Acr.SILENT
