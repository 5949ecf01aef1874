"""What comes back from WeChat: one request exchanges the code, all others get the same answer (P5).

The answer is always a redirect. The address that it answers holds a code, so no page is ever shown there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from wxgate.clock import Clock
from wxgate.errors import StorageError
from wxgate.login.attempts import (
    LEASE,
    MOST_SUCCESSORS,
    WAIT_SECONDS,
    Step,
    brings_another_code,
    judge_callback,
    may_restart,
)
from wxgate.login.entering import Entered, Entering
from wxgate.login.finishing import CANCELLED, LOGGED_OUT, REFUSALS, SNAPSHOT, Finisher, Places
from wxgate.login.ports import Attempts, Realms
from wxgate.login.records import ACR_OF, RESTARTED, App, Attempt, Goal, Mode, Outcome, Purpose, Session
from wxgate.login.replaying import Replaying, outwait
from wxgate.login.sessions import Terms, Verdict, is_ended_by_hand, judge, shown
from wxgate.login.settling import Settling
from wxgate.login.starting import Starter
from wxgate.login.telling import Listener
from wxgate.login.visits import NO_COOKIES, Cookies, Held, Leave, Page, Visitor
from wxgate.login.wechat import STARTS_AGAIN, Failure, LoginFailed, WeChatLogin
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import LoginState, OAuthCode, fingerprint

log = structlog.get_logger("wxgate.login")

DENIED = "authdeny"
"""What some of WeChat's clients send for a code when a person says no."""


ENOUGH_FOR = "enough_for"
"""What a goal's data calls the only session for which a silent answer is enough."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What WeChat's redirect says; `account` is there on behalf of one."""

    state: LoginState
    code: OAuthCode | None
    account: str | None = None

    @property
    def code_hash(self) -> str | None:
        """The fingerprint of the code, where there is one."""
        return fingerprint(self.code) if self.code is not None and self.code.reveal() != DENIED else None


class Returning:
    """Settles what comes back."""

    def __init__(
        self,
        *,
        realms: Realms,
        attempts: Attempts,
        entering: Entering,
        wechat: WeChatLogin,
        starter: Starter,
        finishers: Mapping[Purpose, Finisher],
        places: Places,
        listener: Listener,
        clock: Clock,
        holder: str,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._realms = realms
        self._attempts = attempts
        self._entering = entering
        self._wechat = wechat
        self._starter = starter
        self._finishers = finishers
        self._places = places
        self._listener = listener
        self._clock = clock
        self._holder = holder
        self.wait_seconds = wait_seconds
        self._replaying = Replaying(entering, finishers)
        self._settling = Settling("login callback")

    async def back(self, returned: Returned, visitor: Visitor) -> Leave:
        """Settle one request that came back."""
        attempt, step = await self._wait(returned, visitor)
        while attempt is not None and step in (Step.CLAIM, Step.RECLAIM):
            if await self._take(attempt, step, returned):
                # WeChat hangs up when it calls back twice.
                return await self._settling.see_through(self._settle(attempt, returned, visitor))
            attempt, step = await self._wait(returned, visitor)
        if attempt is None or step in (Step.UNKNOWN, Step.STRANGER, Step.WRONG_ACCOUNT):
            return self._turn_away(attempt, step)
        if step is Step.REPLAY and (answer := await self._replay(attempt)) is not None:
            self._listener.attempt(attempt.app, attempt.mode, "replayed")
            return answer
        self._listener.attempt(attempt.app, attempt.mode, "late")
        return await self._again(attempt, returned, visitor)

    async def _take(self, attempt: Attempt, step: Step, returned: Returned) -> bool:
        """Take an attempt for this request alone."""
        now, code_hash, state_hash = self._clock.now(), returned.code_hash, attempt.state_hash
        lease_until = now + LEASE
        if step is Step.RECLAIM and code_hash is not None:
            return await self._attempts.reclaim(
                state_hash, holder=self._holder, now=now, lease_until=lease_until, code_hash=code_hash
            )
        return await self._attempts.claim(
            state_hash, holder=self._holder, now=now, lease_until=lease_until, code_hash=code_hash
        )

    async def close(self) -> None:
        """Wait for what is being settled: its codes are spent, and somebody waits for the outcome."""
        await self._settling.close()

    async def _wait(self, returned: Returned, visitor: Visitor) -> tuple[Attempt | None, Step]:
        """Look where the attempt stands; while another request is at it, for a moment."""

        async def look() -> tuple[Attempt | None, Step]:
            attempt = await self._attempts.load(fingerprint(returned.state))
            fits = attempt is None or await self._account_fits(attempt, returned)
            step = judge_callback(
                attempt,
                visitor.browser_key,
                self._clock.now(),
                account_fits=fits,
                code_hash=returned.code_hash,
            )
            return attempt, step

        return await outwait(look, self.wait_seconds)

    async def _account_fits(self, attempt: Attempt, returned: Returned) -> bool:
        """Check the `appid` that WeChat appends where a platform logs in on behalf."""
        app = await self._realms.app(attempt.app)
        if app is None:
            return True
        if returned.account is None:
            on_behalf = app.issuer != DIRECT_ISSUER and attempt.mode in (Mode.SILENT, Mode.CONSENT)
            return returned.code is None or not on_behalf
        return returned.account == app.appid

    def _turn_away(self, attempt: Attempt | None, step: Step) -> Leave:
        app, mode = (attempt.app, attempt.mode) if attempt is not None else ("", Mode.SILENT)
        self._listener.attempt(app, mode, step)
        log.info("login.turned_away", why=step.value, app=app)
        return Leave(self._places.ended(Page.TROUBLE, step, attempt), turned_away=True)

    async def _settle(self, attempt: Attempt, returned: Returned, visitor: Visitor) -> Leave:
        """Exchange the code of an attempt that is ours alone, and write down how it ended."""
        realm, app = await self._realms.realm(attempt.realm), await self._realms.app(attempt.app)
        if realm is None or app is None:
            return await self._refuse(attempt, Failure.UNAVAILABLE)
        if returned.code is None or returned.code_hash is None:
            return await self._refuse(attempt, CANCELLED)
        if attempt.mode is Mode.SILENT and not attempt.tapped:
            # Somebody may have logged out while it was under way, here or elsewhere.
            held = visitor.at(realm.name)
            if _stays_out(held, await self._entering.held(realm.name, held)):
                return await self._refuse(attempt, LOGGED_OUT)
        try:
            proof = await self._wechat.prove(app, attempt.mode, returned.code)
        except LoginFailed as failed:
            return await self._failed(attempt, app, failed, visitor)
        if proof.snapshot:
            return await self._refuse(attempt, SNAPSHOT)
        entered = await self._entering.enter(realm, proof, visitor, self._clock.now())
        if not is_enough(attempt.goal, entered.session):
            return await self._ask_openly(attempt, app, visitor, entered)
        location = await self._finishers[attempt.goal.purpose].arrived(attempt.goal, entered.session)
        await self._finish(attempt, Outcome("session", location, entered.session_id, entered.presence))
        return Leave(location, entered.cookies)

    async def _failed(self, attempt: Attempt, app: App, failed: LoginFailed, visitor: Visitor) -> Leave:
        log.warning(
            "login.failed", app=app.name, appid=app.appid, why=failed.failure.value, error=str(failed)
        )
        if failed.failure is Failure.UNAVAILABLE:
            await self._listener.app_unavailable(app, str(failed))
        if failed.failure not in STARTS_AGAIN or not may_restart(attempt):
            return await self._refuse(attempt, failed.failure)
        answer = await self._restart(attempt, app, visitor)
        if answer is None:
            return await self._refuse(attempt, failed.failure)
        await self._finish(attempt, Outcome(RESTARTED, answer.url))
        return answer

    async def _ask_openly(self, attempt: Attempt, app: App, visitor: Visitor, entered: Entered) -> Leave:
        """Ask for the consent after all: somebody else has come back than who had given it."""
        goal = replace(attempt.goal, data={k: v for k, v in attempt.goal.data.items() if k != ENOUGH_FOR})
        begun = await self._starter.begin(
            app,
            Mode.CONSENT,
            goal,
            visitor,
            restarts=attempt.restarts,
            lang=goal.data.get("lang", ""),
            tapped=attempt.tapped,
        )
        await self._finish(attempt, Outcome(RESTARTED, begun.url))
        return Leave(begun.url, replace(entered.cookies, browser_key=begun.cookies.browser_key))

    async def _refuse(self, attempt: Attempt, why: str) -> Leave:
        leave = await self._without(attempt, why)
        await self._finish(attempt, Outcome(str(why), leave.url))
        return leave

    async def _without(self, attempt: Attempt, why: str) -> Leave:
        """Send the browser where it goes without a session.

        Its cookie has come back, and at a page of ours nothing goes round by itself: what has failed is no
        loop. Nor is it one where somebody said no; an application may start again by itself.
        """
        refusal = REFUSALS[why]
        finisher = self._finishers[attempt.goal.purpose]
        elsewhere = await finisher.refused(attempt.goal, refusal.word, refusal.description)
        said_no = why == CANCELLED and attempt.mode is not Mode.SILENT
        url = elsewhere or self._places.ended(refusal.page, str(why), attempt)
        return Leave(url, Cookies(loops=0) if said_no or elsewhere is None else NO_COOKIES)

    async def _finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Keep the outcome for whoever comes back once more; the first is answered in any case."""
        try:
            kept = await self._attempts.finish(
                attempt.state_hash, holder=self._holder, outcome=outcome, now=self._clock.now()
            )
        except StorageError as error:
            log.warning("login.outcome_not_kept", app=attempt.app, error=str(error))
            kept = False
        self._listener.attempt(attempt.app, attempt.mode, outcome.word if kept else "overtaken")

    async def _replay(self, attempt: Attempt) -> Leave | None:
        """Give the outcome again, with what belongs to it."""
        if attempt.outcome is not None and attempt.outcome.word in REFUSALS:
            return await self._without(attempt, attempt.outcome.word)
        return await self._replaying.replay(attempt)

    async def _again(self, attempt: Attempt, returned: Returned, visitor: Visitor) -> Leave:
        """Go on after an attempt that is over: with the session there is, else once more, else not."""
        realm, app = await self._realms.realm(attempt.realm), await self._realms.app(attempt.app)
        if realm is None or app is None:
            return await self._without(attempt, Failure.UNAVAILABLE)
        if not self._replaying.take(attempt):
            return await self._without(attempt, Failure.EXPIRED_CODE)
        held, now = visitor.at(realm.name), self._clock.now()
        session = await self._entering.held(realm.name, held)
        terms = Terms(app=app.name, acr=ACR_OF[attempt.mode])
        verdict = judge(session, held, visitor.browser, realm.limits, terms, now)
        if session is not None and verdict is Verdict.GO and _is_come_for(session, attempt, returned):
            return Leave(await self._finishers[attempt.goal.purpose].arrived(attempt.goal, session))
        if _stays_out(held, session):
            return await self._without(attempt, LOGGED_OUT)
        following = await self._restart(attempt, app, visitor) if may_restart(attempt) else None
        return following or await self._without(attempt, Failure.EXPIRED_CODE)

    async def _restart(self, attempt: Attempt, app: App, visitor: Visitor) -> Leave | None:
        """Begin another attempt in place of one; None where there have been enough."""
        if not await self._attempts.succeed(attempt.state_hash, most=MOST_SUCCESSORS):
            return None
        begun = await self._starter.begin(
            app,
            attempt.mode,
            attempt.goal,
            visitor,
            restarts=attempt.restarts + 1,
            tapped=attempt.tapped,
        )
        return Leave(begun.url, begun.cookies)


def enough_for(session: Session, goal: Goal) -> Goal:
    """Note that a silent answer is enough for this session only: it has proved more than silence does."""
    return replace(goal, data={**goal.data, ENOUGH_FOR: session.sid})


def is_enough(goal: Goal, session: Session) -> bool:
    """Tell whether a session is what the goal takes, where it takes one only."""
    return goal.data.get(ENOUGH_FOR, session.sid) == session.sid


def _is_come_for(session: Session, attempt: Attempt, returned: Returned) -> bool:
    """Tell whether a session has, by one proof, what an attempt was for.

    An older one may have been there when a fresh one was wanted, and a silent one is no consent. Another
    person may have scanned the same code, and is not to find the first one's session.
    """
    if attempt.mode is Mode.QR and brings_another_code(attempt, returned.code_hash):
        return False
    proof = shown(session, attempt.started_at, acr=ACR_OF[attempt.mode], max_age=0)
    return proof is not None and is_enough(attempt.goal, session)


def _stays_out(held: Held, session: Session | None) -> bool:
    """Tell whether somebody has logged out here, or was logged out from elsewhere."""
    return held.logged_out or is_ended_by_hand(session)
