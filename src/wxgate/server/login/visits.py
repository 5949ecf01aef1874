"""One visit to a login page: what the address asks for, and what the browser tells of itself."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from starlette.requests import Request

from wxgate.errors import BadRequest, InvalidPush, PushTooLarge
from wxgate.login.records import Acr, Mode
from wxgate.login.values import mark_of
from wxgate.login.visits import Prompt, Visitor
from wxgate.secret import BrowserKey, LoginState, OAuthCode, equal
from wxgate.server.asgi import read_body
from wxgate.server.login.cookies import CookieJar
from wxgate.server.login.requests import is_by_script, visitor_of
from wxgate.server.requests import read_query
from wxgate.server.texts import choose_language
from wxgate.settings import Networks

LONGEST_QUERY = 8192

FORM_LIMIT = 16 * 1024
FORM_TYPE = "application/x-www-form-urlencoded"

TAP = "tap"
"""The parameter that a button of ours puts into the address."""

_APP = re.compile(r"[a-z0-9-]{1,64}")
_CODE = re.compile(r"[!-~]{1,512}")
_STATE = re.compile(r"[A-Za-z0-9]{1,128}")
_APPID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_AGE = re.compile(r"[0-9]{1,9}", re.ASCII)

ASKED_MODES = {
    "": None,
    "auto": None,
    "silent": Mode.SILENT,
    "consent": Mode.CONSENT,
    "qr": Mode.QR,
    "scan": Mode.SCAN,
}

ACRS = {"": None} | {acr.value: acr for acr in Acr} | {acr.value.rpartition(":")[2]: acr for acr in Acr}


class LoginVisit:
    """Reads a request; what is malformed is refused by BadRequest, what is not ours is taken as absent."""

    def __init__(self, request: Request, jar: CookieJar, proxies: Networks) -> None:
        self.request = request
        self._jar = jar
        self._too_long = len(request.scope["query_string"]) > LONGEST_QUERY
        # A query that nobody types is not taken apart, so that it costs nothing.
        self._query = {} if self._too_long else dict(request.query_params.multi_items())
        self.lang = choose_language(
            self.query("lang") or self.query("ui_locales"), request.headers.get("accept-language")
        )
        self.visitor = visitor_of(request, jar, proxies)
        self.browser = self.visitor.browser

    def query(self, name: str) -> str:
        """Return a parameter of the address, or "" where it is absent."""
        return self._query.get(name, "").strip()

    def check(self) -> None:
        """Refuse a query that is not understood as a whole."""
        if self._too_long:
            raise BadRequest(f"a query has up to {LONGEST_QUERY} characters")
        if not self.is_plain:
            raise BadRequest("a parameter is given twice")
        if any("\x00" in value for value in self._query.values()):
            raise BadRequest("a parameter has a NUL character in it")

    @property
    def is_plain(self) -> bool:
        """Tell whether every parameter is given once: of two, nobody knows which is meant."""
        return not self._too_long and len(self._query) == len(self.request.query_params.multi_items())

    @property
    def app(self) -> str:
        """The app that the path names, or "" for what can be none."""
        return as_name(str(self.request.path_params.get("app", "")))

    @property
    def is_head(self) -> bool:
        """Tell whether only the headers are asked for, which must start nothing."""
        return self.request.method == "HEAD"

    @property
    def is_prefetch(self) -> bool:
        """Tell whether the browser loads ahead of a click that may never come."""
        headers = self.request.headers
        return any("prefetch" in headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz"))

    def mode(self) -> Mode | None:
        """Read how WeChat is to be asked; None leaves it to the browser."""
        try:
            return ASKED_MODES[self.query("mode")]
        except KeyError:
            raise BadRequest("mode is auto, silent, consent, qr or scan") from None

    def prompt(self) -> frozenset[Prompt]:
        """Read what the login may or must show."""
        try:
            asked = frozenset(map(Prompt, self.query("prompt").split()))
        except ValueError:
            raise BadRequest("prompt is none, login, consent or select_account") from None
        if Prompt.NONE in asked and len(asked) > 1:
            raise BadRequest("prompt=none stands alone")
        return asked

    def max_age(self) -> int | None:
        """Read how old, in seconds, WeChat's word may be."""
        asked = self.query("max_age")
        if asked and not _AGE.fullmatch(asked):
            raise BadRequest("max_age is a number of seconds")
        return int(asked) if asked else None

    def acr(self) -> Acr | None:
        """Read how strong a proof is wanted at least."""
        try:
            return ACRS[self.query("acr")]
        except KeyError:
            raise BadRequest("acr is silent, consent or scan") from None

    async def form(self) -> Mapping[str, str]:
        """Read a form; raise BadRequest for what is none."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            body = await read_body(self.request.scope, self.request.receive, FORM_LIMIT)
        except InvalidPush as error:
            raise BadRequest(str(error), status=413 if isinstance(error, PushTooLarge) else 400) from None
        if not body:
            return {}
        if kind != FORM_TYPE:
            raise BadRequest(f"send the form as {FORM_TYPE}")
        return read_query(body.strip())

    @property
    def wants_json(self) -> bool:
        """Tell whether a script asks, which no page would help."""
        headers = self.request.headers
        return (
            is_by_script(self.request)
            or headers.get("sec-fetch-mode", "navigate") != "navigate"
            or headers.get("accept", "").startswith("application/json")
        )

    def code(self) -> OAuthCode | None:
        """Read WeChat's code; None where there is none, or what can be none."""
        code = self.query("code")
        return OAuthCode(code) if _CODE.fullmatch(code) else None

    def state(self) -> str | None:
        """Read the state that WeChat gives back."""
        state = self.query("state")
        return state if _STATE.fullmatch(state) else None

    def back_from(self, state: LoginState) -> Visitor:
        """Tell who comes back with a state: the attempt's own key counts before the browser's."""
        key = self._jar.key_of(self.request.cookies, mark_of(state))
        return replace(self.visitor, browser_key=key) if key is not None else self.visitor

    def account(self) -> str | None:
        """Read whom WeChat says it asked on behalf of."""
        account = self.query("appid")
        if account and not _APPID.fullmatch(account):
            return "?"
        return account or None

    def is_tapped(self) -> bool:
        """Tell whether a button of ours led here, in this very browser; nobody else can make the mark."""
        key, mark = self.visitor.browser_key, self.query(TAP)
        return key is not None and bool(mark) and equal(mark, tap_mark(key))


def tap_mark(key: BrowserKey) -> str:
    """Make the mark of a button for one browser."""
    return hmac.new(key.reveal().encode(), b"tap", sha256).hexdigest()[:32]


def as_name(text: str) -> str:
    """Return what can be the name of a realm or an app, or ""."""
    return text if _APP.fullmatch(text) else ""
