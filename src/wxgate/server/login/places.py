"""Where login's own pages are, for whoever has to send a browser there."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from wxgate.login.handover import site_of
from wxgate.login.records import Attempt, Mode, Purpose
from wxgate.login.visits import Page

ENDED = "/login/ended/"

START_FIELDS = ("return_to", "result", "state", "nonce", "code_challenge", "client_id", "lang")
"""What a start link takes and a goal keeps, by the same names."""


class Places:
    """Makes the addresses of the pages that say how an attempt ended."""

    def __init__(self, base: str) -> None:
        self._base = base

    def ended(self, page: Page, why: str, attempt: Attempt | None) -> str:
        """Return the address of the page that says how an attempt ended; there is nothing secret in it."""
        word = why if page is Page.TROUBLE else page.value
        query = {}
        if attempt is not None:
            query["app"] = attempt.app
            if again := start_of(attempt):
                query["again"] = again
            if lang := attempt.goal.data.get("lang") or attempt.goal.data.get("ui_locales"):
                query["lang"] = lang
            if attempt.goal.purpose is Purpose.OIDC:
                # What the client asked for is its own, and whoever comes here may be a stranger.
                query |= {"client": attempt.goal.data["client"]}
                query |= {"back": back} if (back := home_of(attempt.goal.data["redirect_uri"])) else {}
            elif back := attempt.goal.data.get("return_to", ""):
                query["back"] = back
        return f"{self._base}{ENDED}{word}" + (f"?{urlencode(query)}" if query else "")


def home_of(redirect_uri: str) -> str:
    """Return the site of a client's address, or "" where that is no site."""
    return site_of(redirect_uri) if urlsplit(redirect_uri).scheme in ("http", "https") else ""


def start_of(attempt: Attempt) -> str:
    """Make the path on which the same login starts again, or "" where another site starts it."""
    if attempt.goal.purpose is Purpose.OIDC:
        return ""
    # The others are chosen by the browser; a consent may have been asked for.
    mode = {"mode": attempt.mode.value} if attempt.mode is Mode.CONSENT else {}
    return f"/login/wechat/{attempt.app}?{urlencode(given(attempt.goal.data) | mode)}"


def given(data: Mapping[str, str]) -> dict[str, str]:
    """Pick what a start link takes."""
    return {name: data[name] for name in START_FIELDS if data.get(name)}
