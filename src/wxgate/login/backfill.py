"""The unionid of followers, asked for after a silent login that did not tell it.

WeChat gives it for those who follow the account, with the account's own token: something only a gateway
that keeps that token can do. It runs behind the login and never delays or fails one; openid and unionid come
in one answer about one person, so they are linked, and where that shows two subjects the conflict rule holds.
The sessions that person has by then tell applications the unionid from then on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from wxgate.clock import Clock
from wxgate.errors import GatewayError, told
from wxgate.login.ports import Identities, Sessions
from wxgate.login.records import App, IdentityKind, Mode, Proof, Realm
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.login")

ASK_AGAIN = timedelta(days=1)
"""How long it is believed that there is nothing to be had: most who do not follow do not follow tomorrow."""

MOST_REMEMBERED = 10_000

WITH_FOLLOWERS = frozenset({Mode.SILENT, Mode.CONSENT, Mode.SCAN})
"""The ways of logging in by an account that can be followed."""

AT_ONCE = 10
"""How many are asked about at the same time; the rest waits."""

MOST_WAITING = 1000
"""Past so many nothing more is begun: the next login is the next chance."""

AskUnionid = Callable[[App, str], Awaitable[str | None]]
"""Asks WeChat for the unionid of an openid; None for who does not follow, or has none."""


class Backfill:
    """Fills in unionids behind logins."""

    def __init__(
        self,
        identities: Identities,
        sessions: Sessions,
        clock: Clock,
        *,
        apps: Callable[[str], Awaitable[App | None]],
        ask: AskUnionid,
        link: Callable[[Realm, Proof, datetime], Awaitable[object]],
    ) -> None:
        self._identities = identities
        self._sessions = sessions
        self._clock = clock
        self._apps = apps
        self._ask = ask
        self._link = link
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[tuple[str, str], datetime] = {}

    def logged_in(self, realm: Realm, proof: Proof, sub: str) -> None:
        """Hear of a login; whatever is to be done about it happens later."""
        if not realm.unionid_backfill or proof.mode not in WITH_FOLLOWERS or proof.unionid:
            return
        now = self._clock.now()
        key = (proof.appid, proof.openid)
        asked = self._asked.get(key)
        if (asked is not None and now - asked < ASK_AGAIN) or len(self._tasks) >= MOST_WAITING:
            return
        self._remember(key, now)
        task = asyncio.create_task(self._fill_in(realm, proof, sub), name="unionid of a follower")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until everything under way is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop; what is left is asked for after the next login."""
        for task in self._tasks:
            task.cancel()
        await self.settle()

    async def _fill_in(self, realm: Realm, proof: Proof, sub: str) -> None:
        try:
            async with self._turn:
                known = await self._identities.names(realm.name, sub)
                app = await self._apps(proof.app)
                if app is None or any(each.name.kind is IdentityKind.UNIONID for each in known):
                    return
                unionid = await self._ask(app, proof.openid)
                if unionid:
                    await self._link(realm, replace(proof, unionid=unionid), self._clock.now())
                    await self._sessions.learn_unionid(
                        realm.name, sub, appid=proof.appid, openid=proof.openid, unionid=unionid
                    )
        except GatewayError as trouble:
            self._asked.pop((proof.appid, proof.openid), None)
            log.warning("login.unionid_not_asked", appid=proof.appid, **told(trouble))
        except Exception as fault:
            log.exception("login.unionid_not_asked", exc_info=False, exception=trace_of(fault))

    def _remember(self, key: tuple[str, str], now: datetime) -> None:
        self._asked.pop(key, None)
        self._asked[key] = now
        if len(self._asked) > MOST_REMEMBERED:
            del self._asked[next(iter(self._asked))]
