"""Which browser it is, and which app it leads in by (P8)."""

from datetime import UTC, datetime

import pytest

from wxgate.login.browsers import Browser, Entrance, Obstacle, browser_of, choose
from wxgate.login.records import App, AppKind, Mode
from wxgate.testing import browser as known

AGENTS = {
    known.WECHAT: Browser.WECHAT,
    known.WECHAT_ANDROID: Browser.WECHAT,
    known.WECHAT_WINDOWS: Browser.WECHAT_DESKTOP,
    known.MINI_PROGRAM_VIEW: Browser.MINI_PROGRAM,
    known.WECOM: Browser.WECOM,
    known.PHONE: Browser.PHONE,
    known.DESKTOP: Browser.OTHER,
    "Mozilla/5.0 (Macintosh) AppleWebKit/605 MicroMessenger/6.8.0(0x16080000) MacWechat/3.8": (
        Browser.WECHAT_DESKTOP
    ),
    "Mozilla/5.0 (Linux; Android 14) Mobile Safari/537.36 wxwork/4.1 MicroMessenger/7.0 miniProgram": (
        Browser.WECOM
    ),
    "Mozilla/5.0 (Windows NT 10.0) WindowsWechat": Browser.OTHER,
    "": Browser.OTHER,
    "\u0000" * 5000: Browser.OTHER,
}


@pytest.mark.parametrize(("agent", "browser"), AGENTS.items(), ids=range(len(AGENTS)))
def test_a_browser_is_known_by_what_it_says_first_of_all(agent: str, browser: Browser) -> None:
    assert browser_of(agent) is browser


def _app(name: str, kind: AppKind) -> App:
    return App(name, "r", kind, f"wx{name}", "direct", name, datetime(2026, 1, 1, tzinfo=UTC))


SHOP, SHOP2 = _app("shop", AppKind.OFFICIAL), _app("shop2", AppKind.OFFICIAL)
SITE, PROGRAM = _app("site", AppKind.WEBSITE), _app("program", AppKind.MINI_PROGRAM)
ALL = [PROGRAM, SHOP, SHOP2, SITE]

OPEN, NONE = Obstacle.OPEN_IN_WECHAT, Obstacle.NO_APP
IN = (Browser.WECHAT, Browser.WECHAT_DESKTOP, Browser.MINI_PROGRAM)

TABLE = [
    # browsers, apps, named, mode, profile -> mode and app, or what is in the way
    (IN, ALL, None, None, False, (Mode.SILENT, SHOP)),
    (IN, ALL, "shop2", None, False, (Mode.SILENT, SHOP2)),
    (IN, ALL, "shop2", None, True, (Mode.CONSENT, SHOP2)),
    (IN, ALL, "shop", Mode.CONSENT, False, (Mode.CONSENT, SHOP)),
    (IN, ALL, "shop", Mode.SILENT, True, (Mode.SILENT, SHOP)),
    (IN, ALL, "site", None, False, (Mode.SILENT, SHOP)),
    (IN, ALL, "site", Mode.QR, False, (Mode.QR, SITE)),
    (IN, ALL, "program", None, False, (Mode.SILENT, SHOP)),
    (IN, [SITE], "site", None, False, NONE),
    ((Browser.OTHER,), ALL, "shop", None, False, (Mode.QR, SITE)),
    ((Browser.OTHER,), ALL, None, None, True, (Mode.QR, SITE)),
    ((Browser.OTHER,), [SHOP, SHOP2], "shop2", None, False, (Mode.SCAN, SHOP2)),
    ((Browser.OTHER,), ALL, "shop", Mode.SCAN, False, (Mode.SCAN, SHOP)),
    ((Browser.OTHER,), ALL, "shop", Mode.SILENT, False, OPEN),
    ((Browser.OTHER,), [PROGRAM], "program", None, False, NONE),
    ((Browser.OTHER,), [SHOP], "shop", Mode.QR, False, NONE),
    ((Browser.OTHER,), [SITE], "site", Mode.SCAN, False, NONE),
    ((Browser.PHONE, Browser.WECOM), ALL, "shop", None, False, OPEN),
    ((Browser.PHONE, Browser.WECOM), ALL, "shop", Mode.CONSENT, False, OPEN),
    ((Browser.PHONE,), [SITE], "site", None, False, (Mode.QR, SITE)),
    ((Browser.PHONE,), [], None, None, False, NONE),
]


@pytest.mark.parametrize(("browsers", "apps", "named", "mode", "profile", "expected"), TABLE)
def test_the_entrance_fits_the_browser_and_the_wish(
    browsers: tuple[Browser, ...],
    apps: list[App],
    named: str | None,
    mode: Mode | None,
    profile: bool,
    expected: tuple[Mode, App] | Obstacle,
) -> None:
    for browser in browsers:
        chosen = choose(browser, apps, named=named, mode=mode, profile=profile)
        assert chosen == (expected if isinstance(expected, Obstacle) else Entrance(*expected))
