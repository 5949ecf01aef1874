"""What comes after a login, said by whoever wanted it, and how it can end without one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from wxgate.login.addresses import local_path
from wxgate.login.records import Attempt, Goal, Session
from wxgate.login.visits import Page
from wxgate.login.wechat import Failure

CANCELLED = "cancelled"
SNAPSHOT = "snapshot"
LOGGED_OUT = "logged_out"


class Finisher(Protocol):
    """Says what comes after a login, for one purpose."""

    async def arrived(self, goal: Goal, session: Session) -> str:
        """Return where the browser goes with its session."""
        ...

    async def refused(self, goal: Goal, word: str, description: str) -> str | None:
        """Return where the browser goes without one; None lets the door show its own page."""
        ...


class Places(Protocol):
    """Where the door's own pages are."""

    def ended(self, page: Page, why: str, attempt: Attempt | None) -> str:
        """Return the address of the page that says how an attempt ended."""
        ...


class ToPage:
    """Sends people to the page of our own site that asked for the login."""

    def __init__(self, base: str) -> None:
        self._base = base

    async def arrived(self, goal: Goal, session: Session) -> str:
        """Return the page's address."""
        return self._base + (local_path(goal.data.get("return_to", "")) or "/")

    async def refused(self, goal: Goal, word: str, description: str) -> str | None:
        """Let the door show its own page."""
        return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An end without a session: OAuth's word for it, its description, and our page."""

    word: str
    description: str
    page: Page = Page.TROUBLE


REFUSALS: Mapping[str, Refusal] = {
    CANCELLED: Refusal("access_denied", "wechat_cancelled", Page.CANCELLED),
    SNAPSHOT: Refusal("interaction_required", "wechat_snapshot", Page.SNAPSHOT),
    LOGGED_OUT: Refusal("login_required", "logged_out"),
    Failure.RESTRICTED: Refusal("access_denied", "wechat_restricted"),
    Failure.EXPIRED_CODE: Refusal("temporarily_unavailable", "wechat_code_expired"),
    Failure.LOST: Refusal("temporarily_unavailable", "wechat_unreachable"),
    Failure.RETRY_LATER: Refusal("temporarily_unavailable", "wechat_busy"),
    Failure.UNAVAILABLE: Refusal("temporarily_unavailable", "wechat_app_unavailable"),
    Failure.MISCONFIGURED: Refusal("temporarily_unavailable", "wechat_misconfigured"),
}
"""Every end of an attempt without a session, by the word that its outcome has."""
