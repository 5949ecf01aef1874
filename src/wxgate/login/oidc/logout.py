"""RP-initiated logout, read and judged (OpenID Connect RP-Initiated Logout 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from wxgate.errors import OAuthRefused
from wxgate.login.oidc.requests import LONGEST_STATE, Parameters
from wxgate.login.records import Client

HINT_GOOD_FOR = timedelta(hours=12)
"""How old an ID token may be that ends a session by itself, where the browser shows none."""


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """What a client asks for: `sid` is the session of its ID token, `next` where the browser goes then.

    `hinted_at` is when that token was made.
    """

    client: Client | None
    sid: str | None
    next: str | None
    lang: str | None
    hinted_at: int = 0

    def names_session(self, now: datetime) -> bool:
        """Tell whether the ID token alone says which session ends: it is an ID token of today."""
        return self.sid is not None and self.hinted_at >= (now - HINT_GOOD_FOR).timestamp()

    def ends_without_asking(self, sid: str | None) -> bool:
        """Tell whether the session at the browser is ended at once: the client has shown that it is its own.

        Anybody can send a browser here, so without that proof the person is asked.
        """
        return sid is None or (self.sid is not None and self.sid == sid)


def read_logout(
    parameters: Parameters, client: Client | None, hint: Mapping[str, Any] | None, issuer: str, realm: str
) -> LogoutRequest:
    """Read a request to log out; raise OAuthRefused for one that a page answers, and nothing else.

    `client` is the one that `client_id` or the hint names, `hint` the claims of an ID token of ours.
    """
    parameters.once()
    claims = dict(hint or {})
    if "id_token_hint" in parameters.values and (claims.get("iss") != issuer or "aud" not in claims):
        raise OAuthRefused("invalid_request", "id_token_hint is not an ID token of this issuer")
    client_id = parameters.get("client_id")
    if client_id is not None and (client is None or client.realm != realm):
        raise OAuthRefused("unauthorized_client", "there is no such client here")
    if claims and client_id not in (None, claims["aud"]):
        raise OAuthRefused("invalid_request", "client_id is not the one that id_token_hint was made for")
    target = parameters.get("post_logout_redirect_uri")
    if target is not None and (client is None or target not in client.post_logout_redirect_uris):
        raise OAuthRefused(
            "invalid_redirect_uri", "post_logout_redirect_uri is not registered for this client"
        )
    state = parameters.get("state")
    if state is not None and len(state) > LONGEST_STATE:
        raise OAuthRefused("invalid_request", f"state is longer than {LONGEST_STATE} characters")
    sid, made_at = claims.get("sid"), claims.get("iat")
    return LogoutRequest(
        client,
        sid if isinstance(sid, str) else None,
        _next(target, state),
        parameters.get("ui_locales"),
        made_at if isinstance(made_at, int) else 0,
    )


def _next(target: str | None, state: str | None) -> str | None:
    if target is None or state is None:
        return target
    return target + ("&" if "?" in target else "?") + urlencode({"state": state})
