"""The pages of a login: where it starts, where it comes back to, and where it ends.

Everything is a sequence of steps: a generator that yields what is to be fetched from the gateway, is sent
what came back, and returns an answer. So the same code serves threads and event loops, and a test needs no
network. `run` and `run_async` take the steps.
"""

import asyncio
import logging
import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from wxgate.clock import Clock, SystemClock
from wxgate.sdk.login import oidc
from wxgate.sdk.login.addresses import path_of, safe_path
from wxgate.sdk.login.cookies import Names
from wxgate.sdk.login.core import (
    Acr,
    Deny,
    Go,
    Need,
    Policy,
    Redirect,
    decide,
)
from wxgate.sdk.login.ended import Ended, EndedInMemory
from wxgate.sdk.login.exchange import Answer, Asked, document, redirect, shown
from wxgate.sdk.login.fetching import Fetcher, fetch
from wxgate.sdk.login.oidc import Attempt, CodeRefused, ProviderFailed, TokenInvalid
from wxgate.sdk.login.options import Options
from wxgate.sdk.login.provider import Provider, Steps
from wxgate.sdk.login.sealing import Random, Sealer
from wxgate.sdk.login.session import LONGEST_ID, Person, Session
from wxgate.sdk.login.visit import Kept, Visit

__all__ = ["Login", "Visit"]

log = logging.getLogger("wxgate.sdk.login")

T = TypeVar("T")

MOST_STARTS = 6
"""How often within a minute somebody may come back from a login in vain, even by tapping."""

SILENT_REFUSALS = {
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
    "access_denied",
}
"""What the gateway says when it would have to show something: it does not know who it is."""

BUSY = {"temporarily_unavailable", "server_error"}
SNAPSHOT = "wechat_snapshot"
"""What the gateway says of a visitor who is in one of WeChat's snapshot pages (快照页), and so nobody."""


class Login:
    """Logs the visitors of one site in through one realm of a gateway."""

    def __init__(
        self,
        options: Options,
        *,
        ended: Ended | None = None,
        fetch: Fetcher = fetch,
        clock: Clock | None = None,
        random: Random = os.urandom,
    ) -> None:
        self.options = options
        self._ended = ended or EndedInMemory()
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._random = random
        self._names = Names(options.cookie, options.is_secure)
        self._sealer = Sealer(options.secrets, random)
        self._provider = Provider(options.issuer, self._clock)

    def run(self, steps: Steps[T]) -> T:
        """Take steps, waiting for what they need."""
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(self._fetch(wanted))
        except StopIteration as end:
            result: T = end.value
            return result

    async def run_async(self, steps: Steps[T]) -> T:
        """Take steps without holding up the event loop."""
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(await asyncio.to_thread(self._fetch, wanted))
        except StopIteration as end:
            result: T = end.value
            return result

    def reads_body(self, method: str, path: str) -> bool:
        """Tell whether the body of a request is for us."""
        return method == "POST" and path == f"{self.options.folder}/backchannel-logout"

    def enter(self, asked: Asked) -> Steps[tuple[Visit, Answer | None]]:
        """Take a request in; with an answer the application is not asked."""
        kept = Kept(asked, self._names, self._sealer, self._ended)
        visit = Visit(asked, self, self._clock.now(), kept)
        folder = self.options.folder
        pages = {
            f"{folder}/login": self._login,
            f"{folder}/callback": self._callback,
            f"{folder}/logout": self._logout,
            f"{folder}/backchannel-logout": self._backchannel_logout,
        }
        handler = pages.get(asked.path)
        steps = self.demand(visit, self.options.policy) if handler is None else handler(visit)
        return visit, (yield from steps)

    def demand(self, visit: Visit, policy: Policy) -> Steps[Answer | None]:
        """Let a visitor pass as `visit.person`, or answer instead of the page."""
        kept, now = visit.kept, visit.now
        decision = decide(kept.facts, kept.session, policy, now, self.options.limits)
        visit.person = None
        match decision:
            case Go(session):
                self._admit(visit, session)
                return None
            case Redirect():
                try:
                    return (yield from self._begin(visit, decision, safe_path(visit.asked.target)))
                except ProviderFailed as error:
                    if policy.need is Need.LOGIN:
                        return self._unavailable(visit, error, visit.asked.target)
                    return None
            case Deny():
                return self._denied(visit, decision, policy)

    def _admit(self, visit: Visit, session: Session | None) -> None:
        if session is None:
            return
        visit.person = session.person
        if visit.kept.facts.navigation:
            visit.kept.forget_hops()
            # Only pages write the session anew: an answer to a script may come after a logout's.
            if visit.now - session.seen_at >= self.options.limits.slide_after:
                visit.kept.put_session(replace(session, seen_at=visit.now), self.options, visit.now)

    def _denied(self, visit: Visit, denied: Deny, policy: Policy) -> Answer:
        asked = visit.asked
        if not asked.navigates:
            # Where the visitor is, is the page that asked, not what it asked for.
            page = path_of(asked.header("referer"), self.options.origin) or "/"
            url = f"{self.options.origin}{visit.login_url(page, policy)}"
            return document(denied.status, {"error": denied.error, "url": url})
        page = asked.target
        if asked.method != "GET":
            page = path_of(asked.header("referer"), self.options.origin) or "/"
        return shown(denied.status, denied.page or "resend", asked.language, visit.login_url(page, policy))

    def _begin(self, visit: Visit, wanted: Redirect, return_to: str, restarts: int = 0) -> Steps[Answer]:
        """Send the visitor to the gateway."""
        metadata = yield from self._provider.metadata()
        attempt = Attempt(
            state=self._token(24),
            nonce=self._token(),
            verifier=self._token(),
            return_to=return_to,
            began_at=visit.now,
            silent=wanted.silent,
            acr=wanted.acr or "",
            max_age=None if wanted.max_age is None else int(wanted.max_age.total_seconds()),
            # A silent check shows nothing, so it cannot ask for a nickname either.
            profile=(wanted.profile or self.options.profile) and not wanted.silent,
            restarts=restarts,
        )
        visit.kept.put_attempt(attempt)
        return redirect(oidc.authorization_url(metadata, self.options, attempt))

    def _login(self, visit: Visit) -> Steps[Answer]:
        """Begin a login because somebody asked for it."""
        asked, query = visit.asked, visit.asked.parameters() or {}
        return_to = safe_path(query.get("return_to", ""), f"{self.options.root}/")
        if not visit.kept.facts.navigation:
            return document(400, {"error": "navigation_required"})
        if visit.kept.facts.hops >= MOST_STARTS:
            return shown(400, "loop", asked.language, visit.login_url(return_to))
        acr, age = query.get("acr", ""), query.get("max_age", "")
        wanted = Redirect(
            acr=Acr(acr) if acr in list(Acr) else None,
            max_age=timedelta(seconds=int(age)) if age.isascii() and age.isdigit() and len(age) < 9 else None,
            profile=query.get("profile") == "1",
        )
        try:
            return (yield from self._begin(visit, wanted, return_to))
        except ProviderFailed as error:
            return self._unavailable(visit, error, return_to)

    def _callback(self, visit: Visit) -> Steps[Answer]:
        """Take a visitor back from the gateway."""
        asked, kept = visit.asked, visit.kept
        query = asked.parameters()
        if asked.method != "GET" or query is None:
            return shown(400, "trouble", asked.language, visit.login_url("/"))
        attempt = kept.attempt(query.get("state", ""), visit.now)
        if attempt is None or attempt.done:
            return (yield from self._again(visit, attempt))
        try:
            metadata = yield from self._provider.metadata()
            iss = query.get("iss", "")
            if iss != metadata.issuer and (iss or metadata.sends_iss):
                raise TokenInvalid("the answer is of another issuer (iss)")
            if query.get("error"):
                return self._refused(visit, attempt, query)
            return (yield from self._exchange(visit, attempt, metadata, query.get("code", "")))
        except CodeRefused:
            return (yield from self._again(visit, attempt))
        except TokenInvalid as error:
            log.warning("login refused: %s", error)
            kept.drop_attempt(attempt)
            return shown(400, "trouble", asked.language, visit.login_url(attempt.return_to))
        except ProviderFailed as error:
            return self._unavailable(visit, error, attempt.return_to)

    def _again(self, visit: Visit, attempt: Attempt | None) -> Steps[Answer]:
        """Answer whoever comes back once more: by Back, by a reload, or by a call that WeChat made twice."""
        session = visit.kept.live(self.options, visit.now)
        if session is not None and (attempt is None or session.proved_at >= attempt.began_at):
            return redirect(attempt.return_to if attempt else f"{self.options.root}/")
        if attempt is not None and attempt.restarts == 0 and visit.kept.facts.hops < MOST_STARTS:
            visit.kept.drop_attempt(attempt)
            wanted = Redirect(
                silent=attempt.silent,
                acr=Acr(attempt.acr) if attempt.acr else None,
                max_age=None if attempt.max_age is None else timedelta(seconds=attempt.max_age),
                profile=attempt.profile,
            )
            try:
                return (yield from self._begin(visit, wanted, attempt.return_to, restarts=1))
            except ProviderFailed as error:
                return self._unavailable(visit, error, attempt.return_to)
        return_to = attempt.return_to if attempt else "/"
        return shown(400, "lost", visit.asked.language, visit.login_url(return_to))

    def _refused(self, visit: Visit, attempt: Attempt, query: Mapping[str, str]) -> Answer:
        """Answer what the gateway says instead of a code."""
        kept, error = visit.kept, query["error"]
        kept.drop_attempt(attempt)
        if attempt.silent:
            kept.count_hop()
            if error in SILENT_REFUSALS:
                kept.drop_session()
                kept.note_refusal()
            return redirect(attempt.return_to)
        login = visit.login_url(attempt.return_to, _policy_of(attempt))
        if error == "access_denied":
            return shown(403, "cancelled", visit.asked.language, login)
        if query.get("error_description") == SNAPSHOT:
            return shown(403, "snapshot", visit.asked.language, login)
        if error in BUSY:
            return shown(503, "unavailable", visit.asked.language, login)
        log.warning("the gateway refused a login: %s", oidc.word(error) or "unknown error")
        return shown(400, "trouble", visit.asked.language, login)

    def _exchange(self, visit: Visit, attempt: Attempt, metadata: oidc.Metadata, code: str) -> Steps[Answer]:
        """Exchange the code, and log in whom it stands for."""
        answer = yield oidc.token_request(metadata, self.options, code, attempt.verifier)
        id_token, access_token = oidc.read_tokens(answer)
        claims = yield from self._provider.verified(
            lambda keys: oidc.verify_id_token(
                *(id_token, keys, metadata, self.options, attempt), access_token=access_token, now=visit.now
            )
        )
        if metadata.userinfo_endpoint and (attempt.profile or self.options.scopes):
            told = (yield oidc.userinfo_request(metadata, access_token)).document()
            if told.get("sub", claims["sub"]) != claims["sub"]:
                raise TokenInvalid("the userinfo is of somebody else (sub)")
            claims = told | claims
        self._establish(
            visit, Person.read(claims, visit.now), str(claims.get("sid") or "")[:LONGEST_ID], id_token
        )
        visit.kept.put_attempt(replace(attempt, nonce="", verifier="", done=True))
        return redirect(attempt.return_to)

    def _establish(self, visit: Visit, person: Person, sid: str, id_token: str) -> None:
        """Make a session, or go on with the one there is if it is the same person's."""
        kept, now = visit.kept, visit.now
        earlier, began_at = kept.live(self.options, now), now
        if earlier is not None and earlier.person.sub == person.sub:
            person = person.remembering(earlier.person)
            began_at = earlier.began_at if earlier.sid == sid else now
        elif earlier is not None and earlier.sid:
            self._ended.end(f"sid:{earlier.sid}", now)
        presence = self._token(16)
        session = Session(person, sid, presence, began_at, now, now, id_token)
        kept.put_session(session, self.options, now)
        kept.put_presence(presence)
        kept.forget_refusals()
        kept.count_hop()

    def _logout(self, visit: Visit) -> Steps[Answer]:
        """Log out here and at the gateway; a link asks first, so that no picture or prefetch logs out."""
        asked, kept, options = visit.asked, visit.kept, self.options
        if asked.method != "POST":
            issuer = urlsplit(options.issuer)
            allowed = f"'self' {issuer.scheme}://{issuer.netloc}"  # The form's answer leads to the gateway.
            return shown(200, "logout", asked.language, visit.logout_url, post_to=allowed)
        if asked.is_from_elsewhere(options.origin):
            return document(403, {"error": "cross_site"})
        session, url = kept.session, f"{options.root}{options.after_logout}"
        if session is not None:
            if session.sid:
                self._ended.end(f"sid:{session.sid}", visit.now)
            kept.drop_session()
            try:
                metadata = yield from self._provider.metadata()
                url = oidc.logout_url(metadata, options, session.id_token) or url
            except ProviderFailed as error:
                log.warning("logged out here only: %s", error)
        kept.note_logout()
        return redirect(url) if asked.navigates else document(200, {"url": url})

    def _backchannel_logout(self, visit: Visit) -> Steps[Answer]:
        """Hear from the gateway that a session has ended."""
        token = (visit.asked.form() or {}).get("logout_token", "")
        try:
            if visit.asked.method != "POST" or not token:
                raise TokenInvalid("there is no logout token")
            metadata = yield from self._provider.metadata()
            claims = yield from self._provider.verified(
                lambda keys: oidc.verify_logout_token(token, keys, metadata, self.options, visit.now)
            )
        except (TokenInvalid, ProviderFailed) as error:
            log.warning("back-channel logout refused: %s", error)
            return document(400, {"error": "invalid_request", "error_description": str(error)})
        at = datetime.fromtimestamp(claims["iat"], UTC)
        if claims.get("sid"):
            # The gateway gives a name once only, so whatever has it has ended, whenever it was seen.
            self._ended.end(f"sid:{claims['sid']}", at + self.options.absolute)
        else:
            self._ended.end(f"sub:{claims['sub']}", at + timedelta(seconds=1))
        return Answer(200)

    def _unavailable(self, visit: Visit, error: ProviderFailed, return_to: str) -> Answer:
        log.error("no login: %s", error)
        if not visit.asked.navigates:
            return document(503, {"error": "temporarily_unavailable"})
        return shown(503, "unavailable", visit.asked.language, visit.login_url(return_to))

    def _token(self, size: int = 32) -> str:
        return urlsafe_b64encode(self._random(size)).rstrip(b"=").decode()


def _policy_of(attempt: Attempt) -> Policy:
    return Policy(
        Need.LOGIN,
        Acr(attempt.acr) if attempt.acr else None,
        None if attempt.max_age is None else timedelta(seconds=attempt.max_age),
        attempt.profile,
    )
