"""The pages of a login by scanning: the code on the screen, the question on the phone, and what was said."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from starlette.requests import Request
from starlette.responses import Response

from wxgate.login.records import Scan, ScanState
from wxgate.login.scans import LIVES
from wxgate.server.login.pages import SELF, switch
from wxgate.server.pages import Allowed, Pages
from wxgate.server.qr import draw_qr
from wxgate.server.texts import Lang

BEIJING = timezone(timedelta(hours=8))

CONFIRMED, REFUSED, OVER = "confirmed", "refused", "over"
NOT_THIS_PERSON, UNKNOWN, FORGED, TROUBLE = "not_this_person", "unknown", "forged", "trouble"

STATUS: Mapping[str, int] = {
    CONFIRMED: 200,
    REFUSED: 200,
    OVER: 410,
    NOT_THIS_PERSON: 403,
    UNKNOWN: 404,
    FORGED: 403,
    TROUBLE: 503,
}
"""What the phone is told at the end, with its status."""


def scan_facts(facts: Mapping[str, str]) -> dict[str, object]:
    """Tell a page what it needs to show a code: its text and picture, the number, and where to ask on."""
    here = f"/login/scan/{facts['id']}"
    return {
        "url": facts["url"],
        "svg": str(draw_qr(facts["url"])),
        "number": facts["number"],
        "expires_in": int(LIVES.total_seconds()),
        "events": f"{here}/events",
        "redeem": f"{here}/redeem",
    }


class ScanPages:
    """Renders the pages."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def code(self, request: Request, lang: Lang, *, name: str, facts: Mapping[str, str]) -> Response:
        """Show the code; the page asks by itself what has become of it, and goes on when it is confirmed."""
        context = {
            "name": name,
            "account": facts["account"],
            "state": ScanState.SHOWN.value,
            "qr": draw_qr(facts["url"]),
            "switch": switch(request, lang),
            **scan_facts(facts),
        }
        allowed = Allowed(script="login_scan.js", connect=True)
        return self._pages.render("login_scan.html", lang, context, allowed=allowed)

    def ask(self, request: Request, lang: Lang, scan: Scan, *, token: str, action: str) -> Response:
        """Ask on the phone whether the login is meant."""
        context = {
            "site": scan.asked_by.get("site", ""),
            "browser": scan.asked_by.get("browser", ""),
            "address": scan.asked_by.get("address", ""),
            "when": _moment(scan.started_at),
            "number": scan.number,
            "token": token,
            "action": action,
            "switch": switch(request, lang),
        }
        return self._pages.render("login_scan_confirm.html", lang, context, allowed=Allowed(form_to=(SELF,)))

    def said(self, request: Request, lang: Lang, word: str) -> Response:
        """Say how it ended."""
        context = {"word": word, "switch": None}
        return self._pages.render("login_scan_said.html", lang, context, status=STATUS[word])


def _moment(at: datetime) -> str:
    return f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M}"
