"""The login pages, made of the texts and the templates; what each may load is said here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from wxgate.login.addresses import CALLBACK
from wxgate.server.pages import Allowed, Pages
from wxgate.server.qr import draw_qr
from wxgate.server.texts import Lang

SELF = "'self'"

WXLOGIN_PATH = "/connect/zh_CN/htmledition/js/wxLogin.js"

LONGEST_DRAWN = 1000
"""Characters of an address that still make a QR code a phone can read from a screen."""


class Why(StrEnum):
    """Why a login waits for a tap."""

    ASKED = "asked"
    LOGGED_OUT = "logged_out"
    LOST = "lost"


STATUS: Mapping[str, int] = {
    "cancelled": 400,
    "snapshot": 200,
    "loop": 400,
    "no_app": 404,
    "unknown_app": 404,
    "bad_return": 400,
    "bad_request": 400,
    "bad_redirect": 400,
    "no_client": 400,
    "prefetch": 403,
    "too_many": 429,
    "forged": 403,
    "stranger": 400,
    "unknown": 410,
    "wrong_account": 400,
    "expired_code": 410,
    "app_unavailable": 503,
    "configuration": 503,
    "restricted": 403,
    "not_this_person": 403,
    "busy": 503,
    "unreachable": 502,
    "trouble": 503,
    "logged_out": 200,
    "done": 200,
}
"""How a visit ends that leads to no login, with its status; the words are those of texts and metrics."""

NO_FIGURES: Mapping[str, str] = {"name": "", "appid": "", "realm": "", "client": "wxcl_…", "why": ""}

GOOD = frozenset({"logged_out", "done"})
WAITING = frozenset({"snapshot"})


@dataclass(frozen=True, slots=True)
class Notice:
    """One page that says how a visit ended, and where it can go on: again, or back to the site."""

    word: str
    figures: Mapping[str, str] = field(default_factory=dict)
    again: str = ""
    back: str = ""


class LoginPages:
    """Renders the login pages."""

    def __init__(self, *, res_base_url: str, open_base_url: str) -> None:
        self.pages = Pages()
        self.script = res_base_url + WXLOGIN_PATH
        self._framed = Allowed(
            script="login_qr.js",
            script_hosts=(self.script,),
            frame_hosts=(open_base_url,),
        )

    def notice(self, request: Request, lang: Lang, notice: Notice) -> Response:
        """Say how a visit ended."""
        word = notice.word if notice.word in STATUS else "trouble"
        context = {
            "word": word,
            "kind": "good" if word in GOOD else "wait" if word in WAITING else "bad",
            # The word may come from an address, so every text finds its fields.
            "figures": {**NO_FIGURES, **notice.figures},
            "again": notice.again,
            "back": notice.back,
            "switch": switch(request, lang),
        }
        return self.pages.render("login_notice.html", lang, context, status=STATUS[word])

    def tap(self, request: Request, lang: Lang, *, name: str, why: Why, start: str) -> Response:
        """Wait for a tap: `start` is where it leads."""
        context = {"name": name, "why": why.value, "start": start, "switch": switch(request, lang)}
        return self.pages.render("login_tap.html", lang, context)

    def qr(self, request: Request, lang: Lang, *, name: str, login: str, full: str) -> Response:
        """Show WeChat's QR code in a frame of WeChat's; `login` is what wxLogin.js takes, as JSON."""
        context = {
            "name": name,
            "login": login,
            "full": full,
            "script": self.script,
            "switch": switch(request, lang),
        }
        return self.pages.render("login_qr.html", lang, context, allowed=self._framed)

    def open_in_wechat(
        self,
        request: Request,
        lang: Lang,
        *,
        name: str,
        address: str,
        wecom: bool,
        computer: bool = False,
    ) -> Response:
        """Ask the visitor to open this very address in WeChat: on a computer by scanning it."""
        context = {
            "name": name,
            "address": address,
            "wecom": wecom,
            "computer": computer,
            "qr": draw_qr(address) if len(address) <= LONGEST_DRAWN else None,
            "switch": switch(request, lang),
        }
        return self.pages.render("login_open.html", lang, context, allowed=Allowed(script="login_open.js"))

    def logout(
        self,
        request: Request,
        lang: Lang,
        *,
        name: str,
        action: str,
        fields: Mapping[str, str],
        back: str,
        everywhere: bool = False,
    ) -> Response:
        """Ask whether to log out; the form leads on to `back`, so its origin has to be allowed."""
        context = {
            "name": name,
            "action": action,
            "fields": list(fields.items()),
            "everywhere": everywhere,
            "back": back,
            "switch": switch(request, lang),
        }
        return self.pages.render(
            "login_logout.html", lang, context, allowed=Allowed(form_to=(SELF, *_origin(back)))
        )


def _origin(address: str) -> tuple[str, ...]:
    """Return the origin of a whole address; nothing else of it may get into a policy."""
    parts = urlsplit(address)
    return (f"{parts.scheme}://{parts.netloc}",) if parts.scheme in ("http", "https") else ()


def switch(request: Request, lang: Lang) -> str:
    """Make a relative link to this page in the other language; everything else of its query stays, but
    for the mark of a tap, which is good for one.

    None where WeChat comes back: that address holds a code, which no page repeats.
    """
    if request.url.path == CALLBACK:
        return ""
    given = request.query_params.multi_items()
    kept = [(name, value) for name, value in given if name not in ("lang", "tap")]
    return "?" + urlencode([*kept, ("lang", lang.other.value)])
