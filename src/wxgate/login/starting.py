"""The start of an attempt: stored, and bound to a browser, before anybody is sent to WeChat."""

from dataclasses import dataclass

from wxgate.clock import Clock
from wxgate.login.attempts import LIFETIME
from wxgate.login.ports import Attempts
from wxgate.login.records import App, Attempt, Goal, Mode
from wxgate.login.values import Random, make_browser_key, make_state, mark_of
from wxgate.login.visits import Cookies, Visitor
from wxgate.login.wechat import WeChatLogin
from wxgate.secret import LoginState, fingerprint


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is stored, and what the browser needs to go through with it."""

    app: App
    mode: Mode
    state: LoginState
    url: str
    cookies: Cookies


class Starter:
    """Begins attempts."""

    def __init__(self, attempts: Attempts, wechat: WeChatLogin, clock: Clock, random: Random) -> None:
        self._attempts = attempts
        self._wechat = wechat
        self._clock = clock
        self._random = random

    async def begin(
        self,
        app: App,
        mode: Mode,
        goal: Goal,
        visitor: Visitor,
        *,
        restarts: int = 0,
        force_popup: bool = False,
        lang: str = "",
        tapped: bool = False,
    ) -> Begun:
        """Store an attempt and make the link to WeChat's page.

        A browser keeps the key it has, so that its tabs do not put each other out. Its first tabs, opened at
        once, are each given one and the last stays: so their attempts keep a copy of their own.
        """
        state = make_state(self._random)
        key = visitor.browser_key or make_browser_key(self._random)
        now = self._clock.now()
        attempt = Attempt(
            state_hash=fingerprint(state),
            browser_hash=fingerprint(key),
            realm=app.realm,
            app=app.name,
            mode=mode,
            goal=goal,
            started_at=now,
            expires_at=now + LIFETIME,
            restarts=restarts,
            tapped=tapped,
        )
        await self._attempts.create(attempt)
        url = self._wechat.link(app, mode, state, force_popup=force_popup, lang=lang)
        first = mark_of(state) if visitor.browser_key is None else ""
        return Begun(app, mode, state, url, Cookies(realm=app.realm, browser_key=key, attempt=first))
