"""Whether a form or a script was sent by a page of ours (P17).

Sec-Fetch-Site says it outright, and no page can lie about it. Where a browser does not send it, as some of
WeChat's engines may not, Origin says it; it is `null` for forms of pages that give no referrer, as ours are.
Where neither tells, the form must carry a token that only our page could have put in.
"""

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

from wxgate.secret import Secret, equal

TOKEN = "csrf"  # noqa: S105 - the name of a field


def form_token(key: Secret, purpose: str) -> str:
    """Make the token of a form; `key` is a value of a cookie, which another site cannot know."""
    return hmac.new(key.reveal().encode(), f"form\0{purpose}".encode(), sha256).hexdigest()


def is_from_us(
    headers: Mapping[str, str],
    own_origin: str,
    *,
    friends: Iterable[str] = (),
    key: Secret | None = None,
    purpose: str = "",
    token: str = "",
) -> bool:
    """Tell whether a request may change something; `friends` are origins that may as well.

    Without a key there is nothing to change, so nothing to forge.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin is not None and origin != "null":
        return origin == own_origin or origin in friends
    if site in ("cross-site", "same-site"):
        return False
    if site == "same-origin":
        return True
    return key is None or equal(token, form_token(key, purpose))
