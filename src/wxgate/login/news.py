"""What login tells applications, as events of the gateway's own.

Two subjects that turn out to be one person stay as they are, and are told of: a unionid that went to another
open-platform account, or an openid that WeChat gave again, looks just the same, so somebody has to decide.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wxgate.login.records import App, Conflict, IdentityKind

CONFLICT = "wxgate.identity.conflict"
"""One verified answer of WeChat's showed two subjects to be one person."""

MERGED = "wxgate.identity.merged"
"""One subject became an alias of another: whoever knows `other` had better go on with `kept`."""

APP_UNAVAILABLE = "wxgate.login.app_unavailable"
"""Nobody can log in by an app: its account took the authorization back, or what is kept of it is no good."""


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell; the same `key` is told once, whoever finds it out."""

    name: str
    key: str
    fields: Mapping[str, str] = field(default_factory=dict)
    issuer: str = ""
    appid: str = ""


Tell = Callable[[News], Awaitable[None]]
"""Records news and sees them delivered."""


def conflict_news(conflict: Conflict) -> News:
    """Tell of a conflict; WeChat's names stay out, who is to decide finds them by its number."""
    fields = {
        "realm": conflict.realm,
        "kept": conflict.kept,
        "other": conflict.other,
        "by": conflict.name.kind.value,
        "conflict": str(conflict.id),
    }
    appid = conflict.name.space if conflict.name.kind is IdentityKind.OPENID else ""
    return News(CONFLICT, f"{CONFLICT}/{conflict.realm}/{conflict.id}", fields, appid=appid)


def merge_news(realm: str, *, kept: str, other: str) -> News:
    """Tell of a merge."""
    fields = {"realm": realm, "kept": kept, "other": other}
    return News(MERGED, f"{MERGED}/{realm}/{kept}/{other}", fields)


def unavailable_news(app: App, reason: str, now: datetime) -> News:
    """Tell that an app is of no use at present; once an hour, however many are turned away."""
    fields = {"realm": app.realm, "app": app.name, "reason": reason}
    key = f"{APP_UNAVAILABLE}/{app.realm}/{app.name}/{now:%Y-%m-%dT%H}"
    return News(APP_UNAVAILABLE, key, fields, issuer=app.issuer, appid=app.appid)
