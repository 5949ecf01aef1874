"""One request as the application sees it: who it is, and which cookies go back with the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from wxgate.sdk.login.addresses import safe_path
from wxgate.sdk.login.cookies import LONGEST, Jar, Names
from wxgate.sdk.login.core import Facts, Policy, in_wechat, is_live
from wxgate.sdk.login.ended import Ended, has_ended
from wxgate.sdk.login.exchange import Answer, Asked
from wxgate.sdk.login.oidc import Attempt
from wxgate.sdk.login.options import Options
from wxgate.sdk.login.sealing import Sealer
from wxgate.sdk.login.session import Person, Session

if TYPE_CHECKING:
    from wxgate.sdk.login.flow import Login

ATTEMPT_KEPT = timedelta(minutes=15)
"""A little longer than the gateway keeps one: who scans late shall hear it from the gateway."""

MOST_ATTEMPTS, MOST_BYTES = 5, 3000
"""How many attempts a browser keeps, and how long their cookies may be together: servers refuse every request
whose cookies have more than 8 KB, and the visitor could do nothing about it."""

HOPS_COUNTED = timedelta(seconds=60)
REFUSAL_KEPT = timedelta(minutes=10)


@dataclass(slots=True)
class Visit:
    """What a request tells of its visitor; truthy when somebody is logged in.

    `person` is who it is, or None. It is what the application looks at; the rest is for the adapters.
    """

    asked: Asked
    login: "Login" = field(repr=False)
    now: datetime
    kept: "Kept" = field(repr=False)
    person: Person | None = None
    instead: Answer | None = None
    """What is answered instead of the page, once a page has asked for more than there is."""

    def __bool__(self) -> bool:
        return self.person is not None

    def login_url(self, return_to: str = "", policy: Policy | None = None) -> str:
        """Make the address of a login button; afterwards the visitor is at `return_to`, else at this page."""
        policy = policy or self.login.options.policy
        query = {
            "return_to": safe_path(return_to or self.asked.target),
            "acr": policy.acr or "",
            "max_age": "" if policy.max_age is None else str(int(policy.max_age.total_seconds())),
            "profile": "1" if policy.profile else "",
        }
        given = {name: text for name, text in query.items() if text}
        return f"{self.login.options.folder}/login?{urlencode(given)}"

    @property
    def logout_url(self) -> str:
        """The address of a logout: a link asks once more, a form that posts there logs out at once."""
        return f"{self.login.options.folder}/logout"

    def headers(self, *, has_cache_control: bool) -> list[tuple[str, str]]:
        """Make the headers that go with whatever is answered."""
        lines = [("Set-Cookie", line) for line in self.kept.jar.lines()]
        if (self.person is not None or lines) and not has_cache_control:
            # A page made for one person must not come out of a cache for the next.
            lines.append(("Cache-Control", "private, no-cache"))
        return lines


class Kept:
    """What the visitor's browser keeps for us: a session, its presence, attempts, and a few marks."""

    def __init__(self, asked: Asked, names: Names, sealer: Sealer, ended: Ended) -> None:
        self._cookies = asked.cookies
        self._names = names
        self._sealer = sealer
        self.jar = Jar(names.secure)
        self.session = self._read_session(ended)
        """The session of its cookie, whether or not it still counts."""
        self.facts = Facts(
            in_wechat=in_wechat(asked.header("user-agent")),
            navigation=asked.navigates and asked.method == "GET",
            changing=asked.method not in ("GET", "HEAD"),
            presence=self._cookies.get(names.presence, ""),
            logged_out=names.logged_out in self._cookies,
            refused=names.refused in self._cookies,
            hops=_count(self._cookies.get(names.hops, "")),
        )

    def live(self, options: Options, now: datetime) -> Session | None:
        """Return the session if it has not run out, whether or not it is still the same visitor."""
        return self.session if self.session and is_live(self.session, options.limits, now) else None

    def put_session(self, session: Session, options: Options, now: datetime) -> None:
        """Keep a session until its end; what it can do without goes when it would be too long."""
        self.session = session
        age = session.began_at + options.absolute - now
        for shorter in (
            session,
            replace(session, id_token=""),
            replace(session, id_token="", person=replace(session.person, picture="")),
            replace(session, id_token="", person=replace(session.person, picture="", name="")),
        ):
            sealed = self._sealer.seal(shorter.written(), self._names.session)
            if len(sealed) + len(self._names.session) <= LONGEST:
                break
        self.jar.put(self._names.session, sealed, age)

    def put_presence(self, presence: str) -> None:
        """Mark this process of the browser."""
        self.jar.put(self._names.presence, presence)

    def drop_session(self) -> None:
        """Forget who it was."""
        self.session = None
        self.jar.drop(self._names.session)
        self.jar.drop(self._names.presence)

    def put_attempt(self, attempt: Attempt) -> None:
        """Keep an attempt beside the others, so that tabs do not disturb each other; the oldest make room."""
        name = self._names.attempts + attempt.mark
        sealed = self._sealer.seal(attempt.written(), name)
        others = [one for one in self._cookies if one.startswith(self._names.attempts) and one != name]
        room = MOST_BYTES - len(name) - len(sealed)
        for place, one in enumerate(sorted(others, key=self._begun, reverse=True), start=2):
            room -= len(one) + len(self._cookies[one])
            if place > MOST_ATTEMPTS or room < 0:
                self.jar.drop(one)
        self.jar.put(name, sealed, ATTEMPT_KEPT)

    def attempt(self, state: str, now: datetime) -> Attempt | None:
        """Return the attempt of a state, if it was begun in this browser and not too long ago."""
        found = self._open_attempt(f"{self._names.attempts}{state[:8]}")
        if found is None or found.state != state or now - found.began_at >= ATTEMPT_KEPT:
            return None
        return found

    def drop_attempt(self, attempt: Attempt) -> None:
        """Forget an attempt."""
        self.jar.drop(self._names.attempts + attempt.mark)

    def count_hop(self) -> None:
        """Count that the visitor has come back: whoever does so again and again is in a loop."""
        self.jar.put(self._names.hops, str(min(99, self.facts.hops + 1)), HOPS_COUNTED)

    def forget_hops(self) -> None:
        """Count anew: the visitor has arrived."""
        if self.facts.hops:
            self.jar.drop(self._names.hops)

    def note_refusal(self) -> None:
        """Try no silent login for a while."""
        self.jar.put(self._names.refused, "1", REFUSAL_KEPT)

    def note_logout(self) -> None:
        """Log nobody in silently until asked to."""
        self.jar.put(self._names.logged_out, "1")

    def forget_refusals(self) -> None:
        """Somebody has logged in: whatever was in the way is not."""
        for name in (self._names.refused, self._names.logged_out):
            if name in self._cookies:
                self.jar.drop(name)

    def _read_session(self, ended: Ended) -> Session | None:
        fields = self._open(self._names.session)
        try:
            session = Session.read(fields) if fields else None
        except (KeyError, TypeError, ValueError):
            return None  # Written by another version of ours.
        return None if session is None or has_ended(session, ended) else session

    def _open_attempt(self, name: str) -> Attempt | None:
        fields = self._open(name)
        try:
            return Attempt.read(fields) if fields else None
        except (KeyError, TypeError, ValueError):
            return None

    def _open(self, name: str) -> Mapping[str, object] | None:
        sealed = self._cookies.get(name, "")
        return self._sealer.open(sealed, name) if sealed else None

    def _begun(self, name: str) -> float:
        attempt = self._open_attempt(name)
        return attempt.began_at.timestamp() if attempt else 0.0


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 0
