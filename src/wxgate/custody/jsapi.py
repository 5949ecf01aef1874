"""Signatures for pages and cards (JS-SDK): which pages an account signs, and what goes into them."""

import re
from collections.abc import Set
from urllib.parse import urlsplit

from wxgate.errors import BadRequest, HostRefused
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind

URL_LIMIT = 4096

TICKET_TYPES = {TokenKind.JSAPI_TICKET: "jsapi", TokenKind.WX_CARD: "wx_card"}
"""WeChat's names of the tickets."""

_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")


def account_key(issuer: str, appid: str, kind: TokenKind | None = None) -> TokenKey:
    """Make the key of what an issuer holds for an account; without a kind it is the access token."""
    own = TokenKind.DIRECT if issuer == DIRECT_ISSUER else TokenKind.AUTHORIZER
    return TokenKey(issuer, appid, kind or own)


def page_url(text: str, hosts: Set[str]) -> str:
    """Return the URL a page is signed under, without its fragment.

    Raises BadRequest for what is no plain http(s) URL, HostRefused for a host the account does not list.
    """
    if len(text) > URL_LIMIT or _NOT_IN_A_URL.search(text):
        raise BadRequest(f"url must be a page's address of up to {URL_LIMIT} characters, without blanks")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        odd = parts.username is not None or parts.port == 0
    except ValueError:
        raise BadRequest("url is not understood") from None
    if parts.scheme not in ("http", "https") or not host or odd:
        raise BadRequest("url must be http:// or https:// and a host, as in the browser's address bar")
    if host not in hosts:
        raise HostRefused(f"this account signs no pages of {host}", host=host)
    return text.partition("#")[0]
