"""From a code on a screen to a session at that screen, once, however often it is asked for (LOGIN 5.4).

A scan login is an attempt like every other: the browser's key is its owner's mark, and its outcome is kept
for a minute, for pages ask twice when an answer was lost.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

import structlog

from wxgate.clock import Clock
from wxgate.errors import GatewayError, StorageError, TooManyAttempts, told
from wxgate.login.agents import describe
from wxgate.login.attempts import LEASE, WAIT_SECONDS, Step, judge_callback
from wxgate.login.entering import Entering
from wxgate.login.finishing import Finisher
from wxgate.login.ports import Attempts, Realms
from wxgate.login.records import App, Attempt, Goal, Mode, Outcome, Proof, Purpose, Realm, Scan, ScanState
from wxgate.login.replaying import Replaying, outwait
from wxgate.login.scans import ScanLogins, Shown
from wxgate.login.settling import Settling
from wxgate.login.telling import Listener
from wxgate.login.values import Random, make_browser_key
from wxgate.login.visits import Cookies, Leave, Page, Show, Visitor
from wxgate.login.wechat import Failure, failure_of
from wxgate.secret import LoginState, fingerprint

log = structlog.get_logger("wxgate.login")

Wait = Callable[[Visitor, App], float]
"""Tells in how many seconds a visitor may have a code; 0 takes one of what is allowed."""

Spent = Callable[[App], bool]
"""Tells whether the codes of an app's day are used up; takes one if they are not."""


class ScanEntrance:
    """Lets people in at screens that show codes."""

    def __init__(
        self,
        scans: ScanLogins,
        *,
        realms: Realms,
        attempts: Attempts,
        entering: Entering,
        finishers: Mapping[Purpose, Finisher],
        listener: Listener,
        clock: Clock,
        random: Random,
        holder: str,
        wait: Wait,
        spent: Spent,
    ) -> None:
        self._scans = scans
        self._realms = realms
        self._attempts = attempts
        self._entering = entering
        self._finishers = finishers
        self._listener = listener
        self._clock = clock
        self._random = random
        self._holder = holder
        self._wait = wait
        self.spent = spent
        self._replaying = Replaying(entering, finishers)
        self._settling = Settling("login scan")

    async def close(self) -> None:
        """Wait for those who are being let in."""
        await self._settling.close()

    async def show(self, realm: Realm, app: App, goal: Goal, visitor: Visitor) -> Show:
        """Make a code for a visitor's screen.

        Raises TooManyAttempts; where WeChat gives no code, a page says why. When the codes of a day are used
        up, a page says how to log in without one.
        """
        if seconds := self._wait(visitor, app):
            raise TooManyAttempts("too many codes to scan were asked for", retry_after=seconds)
        if self.spent(app):
            self._listener.attempt(app.name, Mode.SCAN, "codes_spent")
            return Show(Page.OPEN_IN_WECHAT, {"app": app.name})
        key = visitor.browser_key or make_browser_key(self._random)
        asked_by = {
            "site": await self._site(realm, goal),
            "browser": describe(visitor.agent),
            "address": visitor.address,
        }
        try:
            shown = await self._scans.begin(app, goal, browser_key=key, asked_by=asked_by)
        except StorageError:
            raise
        except GatewayError as error:
            return await self._no_code(app, error)
        await self._attempts.create(_attempt_of(shown.scan))
        return Show(Page.SCAN, _facts(app, shown), Cookies(realm=realm.name, browser_key=key))

    async def _no_code(self, app: App, error: GatewayError) -> Show:
        failure = failure_of(error)
        log.warning("login.no_code", app=app.name, appid=app.appid, why=failure.value, **told(error))
        self._listener.attempt(app.name, Mode.SCAN, failure)
        if failure is Failure.UNAVAILABLE:
            await self._listener.app_unavailable(app, str(error))
        return Show(Page.TROUBLE, {"why": failure.value, "name": app.title, "appid": app.appid})

    async def redeem(self, scan_id: str, visitor: Visitor) -> Leave | None:
        """Turn a confirmed scan into a session of this browser's; None where nothing is confirmed for it.

        The scan stays confirmed until there is a session, so whatever breaks on the way, asking again helps:
        no code of WeChat's is spent here.
        """
        scan = await self._scans.shown_to(scan_id, visitor.browser_key)
        if scan is None or scan.state not in (ScanState.CONFIRMED, ScanState.REDEEMED):
            return None
        now = self._clock.now()
        if scan.state is ScanState.CONFIRMED and await self._attempts.claim(
            _state_of(scan), holder=self._holder, now=now, lease_until=now + LEASE, again=True
        ):
            return await self._settling.see_through(self._enter(scan, visitor, now))
        return await self._once_more(scan, visitor)

    async def _enter(self, scan: Scan, visitor: Visitor, now: datetime) -> Leave | None:
        realm, app = await self._realms.realm(scan.realm), await self._realms.app(scan.app)
        if realm is None or app is None or scan.openid is None:
            return None
        proof = Proof(app.name, app.appid, scan.openid, Mode.SCAN, unionid=scan.proof_unionid)
        entered = await self._entering.enter(realm, proof, visitor, now)
        location = await self._finishers[scan.goal.purpose].arrived(scan.goal, entered.session)
        outcome = Outcome("session", location, entered.session_id, entered.presence)
        await self._finish(scan, outcome)
        return Leave(location, entered.cookies)

    async def _finish(self, scan: Scan, outcome: Outcome) -> None:
        """Keep the outcome for whoever asks once more; the first is answered in any case."""
        try:
            kept = await self._attempts.finish(
                _state_of(scan), holder=self._holder, outcome=outcome, now=self._clock.now()
            )
            await self._scans.redeem(scan)
        except StorageError as error:
            log.warning("login.outcome_not_kept", app=scan.app, error=str(error))
            kept = False
        self._listener.attempt(scan.app, Mode.SCAN, outcome.word if kept else "overtaken")

    async def _once_more(self, scan: Scan, visitor: Visitor) -> Leave | None:
        """Give the outcome again to a browser that lost the answer, or asks while it is being made."""

        async def look() -> tuple[Attempt | None, Step]:
            attempt = await self._attempts.load(_state_of(scan))
            return attempt, judge_callback(attempt, visitor.browser_key, self._clock.now())

        attempt, step = await outwait(look, WAIT_SECONDS)
        return await self._replaying.replay(attempt) if attempt is not None and step is Step.REPLAY else None

    async def _site(self, realm: Realm, goal: Goal) -> str:
        """Name where the login leads, in the words of whoever set it up; what a stranger wrote is no name."""
        named = goal.data.get("client") or goal.data.get("client_id", "")
        client = await self._realms.client(named) if named else None
        if client is not None and client.realm == realm.name:
            return client.name
        host = urlsplit(goal.data.get("return_to", "")).hostname
        return f"{realm.title} ({host})" if host else realm.title


def _attempt_of(scan: Scan) -> Attempt:
    return Attempt(
        state_hash=_state_of(scan),
        browser_hash=scan.browser_hash,
        realm=scan.realm,
        app=scan.app,
        mode=Mode.SCAN,
        goal=scan.goal,
        started_at=scan.started_at,
        expires_at=scan.expires_at,
    )


def _facts(app: App, shown: Shown) -> Mapping[str, str]:
    """Make what a page needs to show a code."""
    facts = {"id": shown.scan.id, "url": shown.url, "number": shown.scan.number}
    return {"app": app.name, "account": app.title, "mode": Mode.SCAN.value, **facts}


def _state_of(scan: Scan) -> str:
    """Name the attempt of a scan: no fingerprint, so that no `state` from outside can be its key."""
    return f"scan {fingerprint(LoginState(scan.id))[:59]}"
