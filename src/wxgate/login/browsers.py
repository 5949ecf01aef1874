"""Which browser somebody has, and by which app of a realm it can log in there.

The User-Agent chooses the entrance only; which app's secret redeems a code is written in the attempt (P8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from wxgate.login.records import App, AppKind, Mode


class Browser(StrEnum):
    """A kind of browser, as far as login cares."""

    WECOM = "wecom"
    MINI_PROGRAM = "miniprogram"
    WECHAT = "wechat"
    WECHAT_DESKTOP = "wechat_desktop"
    PHONE = "phone"
    OTHER = "other"

    @property
    def is_wechat(self) -> bool:
        """Tell whether a person is logged in to WeChat here, so that WeChat can be asked silently."""
        return self in (Browser.MINI_PROGRAM, Browser.WECHAT, Browser.WECHAT_DESKTOP)


_MARKS = (
    # The order counts: WeCom and mini programs say MicroMessenger too.
    (Browser.WECOM, ("wxwork",)),
    (Browser.MINI_PROGRAM, ("miniprogram",)),
    (Browser.WECHAT_DESKTOP, ("windowswechat", "macwechat", "xwechat")),
    (Browser.WECHAT, ("micromessenger",)),
    (Browser.PHONE, ("mobi", "android", "iphone", "openharmony")),
)
_IN_WECHAT = "micromessenger"


def browser_of(agent: str) -> Browser:
    """Tell a browser by its User-Agent."""
    agent = agent[:1000].lower()
    for browser, marks in _MARKS:
        if any(mark in agent for mark in marks) and (not browser.is_wechat or _IN_WECHAT in agent):
            return browser
    return Browser.OTHER


class Obstacle(StrEnum):
    """Why there is no entrance."""

    OPEN_IN_WECHAT = "open_in_wechat"
    NO_APP = "no_app"


@dataclass(frozen=True, slots=True)
class Entrance:
    """The app that somebody logs in by, and how WeChat is asked."""

    mode: Mode
    app: App


def choose(
    browser: Browser,
    apps: Sequence[App],
    *,
    named: str | None = None,
    mode: Mode | None = None,
    profile: bool = False,
) -> Entrance | Obstacle:
    """Choose the entrance for a browser among the apps of a realm, in their order.

    A named app is taken where the browser can use it; else the first of the kind that it can use.
    """
    official = _pick(apps, AppKind.OFFICIAL, named)
    website = _pick(apps, AppKind.WEBSITE, named)
    if mode is Mode.QR:
        return Entrance(Mode.QR, website) if website else Obstacle.NO_APP
    if mode is Mode.SCAN:
        return Entrance(Mode.SCAN, official) if official else Obstacle.NO_APP
    if browser.is_wechat:
        if official is None:
            return Obstacle.NO_APP
        asked = mode if mode in (Mode.SILENT, Mode.CONSENT) else None
        return Entrance(asked or (Mode.CONSENT if profile else Mode.SILENT), official)
    # What only WeChat's browser can do is not done in another one, whoever asks for it.
    if official is not None and (browser in (Browser.PHONE, Browser.WECOM) or mode is not None):
        return Obstacle.OPEN_IN_WECHAT
    if website is not None:
        return Entrance(Mode.QR, website)
    return Entrance(Mode.SCAN, official) if official else Obstacle.NO_APP


def _pick(apps: Sequence[App], kind: AppKind, named: str | None) -> App | None:
    fitting = [app for app in apps if app.kind is kind]
    return next((app for app in fitting if app.name == named), next(iter(fitting), None))
