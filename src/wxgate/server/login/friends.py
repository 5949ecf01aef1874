"""Pages of other hosts that may read login's JSON: those of origins that people are handed over to.

Cookies with SameSite=Lax reach us only from hosts of our own site (shop.example.com beside
login.example.com), so an origin on the list that is elsewhere learns nothing but that nobody is logged in.
"""

from starlette.requests import Request
from starlette.responses import Response

from wxgate.login.addresses import is_allowed
from wxgate.login.handover import site_of
from wxgate.login.records import Realm


def friends_of(realm: Realm) -> frozenset[str]:
    """List the origins on a realm's list; a single address on it lets no whole origin in."""
    return frozenset(site_of(entry) for entry in realm.return_to if _is_origin(entry))


def answer_friend(request: Request, response: Response, realm: Realm | None) -> Response:
    """Let a page of a friend read an answer."""
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("origin", "")
    if realm is not None and origin in friends_of(realm):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
    return response


def _is_origin(entry: str) -> bool:
    return is_allowed(entry, (entry,)) and entry.count("/") == 2
