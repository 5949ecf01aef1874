"""One visit to an authorization page: what the address asks for, and what the browser tells of itself."""

import re
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request

from wxgate.custody.links import check_choices
from wxgate.custody.records import LinkChoices
from wxgate.errors import LinkRefused
from wxgate.protocol.links import AuthType, LinkKind
from wxgate.secret import AuthorizationCode
from wxgate.server.texts import choose_language

CHOICES = ("auth_type", "biz_appid", "category_id_list")
"""The parameters of WeChat's authorization page that ours takes, by WeChat's names."""

_SETS = re.compile(r"\d{1,5}(\|\d{1,5})*", re.ASCII)
_APPID = re.compile(r"[A-Za-z0-9]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODE = re.compile(r"[!-~]{1,512}")
_PHONE = re.compile(r"Mobi|Android|iPhone|OpenHarmony")
_WECHAT_ON_A_COMPUTER = re.compile(r"WindowsWechat|MacWechat")


class Visit:
    """Reads a request; whatever is malformed or too long is refused or taken as absent."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.lang = choose_language(self.query("lang"), request.headers.get("accept-language"))
        agent = request.headers.get("user-agent", "")[:1000]
        self.in_wechat = "MicroMessenger" in agent
        on_phone = bool(_PHONE.search(agent)) and not _WECHAT_ON_A_COMPUTER.search(agent)
        self.on_phone = {"phone": True, "computer": False}.get(self.query("device"), on_phone)

    def query(self, name: str) -> str:
        """Return a parameter, or "" where it is absent."""
        return self.request.query_params.get(name, "").strip()

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params.get(name, ""))

    @property
    def acts(self) -> bool:
        """Tell whether the address does something each time it is opened."""
        return self.request.url.path.endswith(("/start", "/return"))

    @property
    def is_head(self) -> bool:
        """Tell whether only the headers are asked for, which must start nothing."""
        return self.request.method == "HEAD"

    @property
    def is_prefetch(self) -> bool:
        """Tell whether the browser loads ahead of a click that may never come."""
        headers = self.request.headers
        return any("prefetch" in headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz"))

    def is_from_elsewhere(self, public_base_url: str) -> bool:
        """Tell whether the click was not made on our page at our public address.

        WeChat would refuse such a visitor with "授权入口页所在域名：…": it compares the Referer's host.
        Browsers that say nothing are given the benefit of the doubt.
        """
        headers = self.request.headers
        referer = headers.get("referer")
        if referer is None:
            return headers.get("sec-fetch-site", "same-origin") != "same-origin"
        try:
            return urlsplit(referer).netloc.lower() != urlsplit(public_base_url).netloc.lower()
        except ValueError:
            return True

    def choices(self) -> LinkChoices:
        """Read what WeChat shall offer; raise LinkRefused for what WeChat does not know."""
        auth_type, appid, sets = map(self.query, CHOICES)
        known = {str(int(kind)) for kind in AuthType}
        if auth_type and auth_type not in known:
            raise LinkRefused(f"auth_type is one of {', '.join(sorted(known))}", reason="bad_choice")
        if appid and not _APPID.fullmatch(appid):
            raise LinkRefused("biz_appid is not an appid", reason="bad_choice")
        if sets and not _SETS.fullmatch(sets):
            raise LinkRefused("category_id_list is numbers joined by |", reason="bad_choice")
        ids = tuple(map(int, sets.split("|"))) if sets else ()
        kind = int(auth_type or AuthType.OFFICIAL_ACCOUNT_AND_MINI_PROGRAM)
        choices = LinkChoices(kind, appid or None, ids)
        check_choices(choices)
        return choices

    def kind(self) -> LinkKind:
        """Read which of WeChat's pages is asked for; without a word, the one that fits the device."""
        try:
            return LinkKind(self.query("kind") or (LinkKind.H5 if self.on_phone else LinkKind.PC))
        except ValueError:
            raise LinkRefused("kind is pc or h5", reason="bad_choice") from None

    def code(self) -> AuthorizationCode | None:
        """Read the authorization code; None where it is not of the form of WeChat's codes."""
        code = self.query("auth_code")
        return AuthorizationCode(code) if _CODE.fullmatch(code) else None

    def with_query(self, **changed: str) -> str:
        """Make a relative link to this page with some parameters changed; unknown ones are left out."""
        known = {name: self.query(name) for name in (*CHOICES, "device", "lang")} | changed
        return "?" + urlencode({name: value for name, value in known.items() if value})


def as_id(value: str) -> str | None:
    """Return a value that can be an id of ours, or None."""
    return value if _ID.fullmatch(value) else None


def as_query(choices: LinkChoices) -> dict[str, str]:
    """Write choices as the parameters they are read from."""
    values = (str(choices.auth_type), choices.biz_appid or "", "|".join(map(str, choices.category_ids)))
    return {name: value for name, value in zip(CHOICES, values, strict=True) if value}
