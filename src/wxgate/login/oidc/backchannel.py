"""Back-channel logout: the clients of a session that somebody ended are told so, each by a signed token.

What cannot be delivered is tried again a few times, by this node only: a client that stays away for longer
learns of the end when it next uses a token of the session, or asks with `prompt=none`.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from wxgate.clock import Clock
from wxgate.errors import GatewayError
from wxgate.login.oidc import claims
from wxgate.login.oidc.keys import Keyring
from wxgate.login.oidc.subjects import Subjects
from wxgate.login.oidc.terms import issuer_of
from wxgate.login.ports import Grants, Realms
from wxgate.login.records import Client, Session
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.login")

PAUSES = (1.0, 5.0, 25.0, 120.0)
"""Seconds between one try and the next."""

AT_ONCE = 32
"""How many logouts one node tells of at the same time: the rest wait their turn."""

AT_ONCE_PER_CLIENT = 2
"""How many of them to one client: one that is slow holds up its own only."""

MOST_WAITING = 1000
"""How many logouts one client may have waiting; further ones are let go."""

AWAY_AFTER = 3
"""After how many logouts that it never took a client is away: others are tried once until it takes one."""

LOGOUT_TYPE = "logout+jwt"


class Messenger(Protocol):
    """Posts a logout token to a client."""

    async def tell(self, url: str, logout_token: str) -> bool | None:
        """Send it: True when the client took it, False when it never will, None when it may later."""
        ...


@dataclass(slots=True)
class _Line:
    """What waits for one client, and how many logouts on end it has not taken."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_PER_CLIENT))
    waiting: int = 0
    missed: int = 0


class Backchannel:
    """Tells clients of the end of sessions, in the background."""

    def __init__(
        self,
        *,
        realms: Realms,
        grants: Grants,
        subjects: Subjects,
        keyring: Keyring,
        messenger: Messenger,
        clock: Clock,
        public_base_url: str,
        pauses: Sequence[float] = PAUSES,
        on_result: Callable[[str], None] = lambda _: None,
        hex_of: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._realms = realms
        self._grants = grants
        self._subjects = subjects
        self._keyring = keyring
        self._messenger = messenger
        self._clock = clock
        self._base = public_base_url
        self._pauses = pauses
        self._on_result = on_result
        self._hex_of = hex_of
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._tasks: set[asyncio.Task[None]] = set()

    async def tell(self, ended: Sequence[Session]) -> None:
        """Begin to tell every client that has had tokens of these sessions; nobody waits for answers."""
        for session in ended:
            for client_id in await self._grants.clients_of(session.sid):
                client = await self._realms.client(client_id)
                if client is not None and client.backchannel_logout_uri and client.disabled_at is None:
                    self._queue(client, client.backchannel_logout_uri, session)

    def _queue(self, client: Client, url: str, session: Session) -> None:
        line = self._lines[client.id]
        if line.waiting >= MOST_WAITING:
            self._note(client, session, told=False)
            return
        line.waiting += 1
        task = asyncio.create_task(self._deliver(line, client, url, session), name=f"logout of {client.id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, line))

    def _done(self, line: "_Line", task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        line.waiting -= 1

    async def settle(self) -> None:
        """Wait until everybody has been told or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Give up what is not told yet."""
        for task in set(self._tasks):
            task.cancel()
        await self.settle()

    async def _deliver(self, line: "_Line", client: Client, url: str, session: Session) -> None:
        told: bool | None
        try:
            for pause in (*self._pauses, None):
                async with line.turns, self._turns:
                    told = await self._messenger.tell(url, await self._token(client, session))
                if told is not None or pause is None or line.missed >= AWAY_AFTER:
                    break
                await asyncio.sleep(pause)
            line.missed = line.missed + 1 if told is None else 0
        except GatewayError as error:
            log.warning("oidc.logout_not_told", client=client.id, sid=session.sid, error=str(error))
            told = False
        except Exception as error:
            log.exception("oidc.logout_failed", exc_info=False, client=client.id, exception=trace_of(error))
            told = False
        self._note(client, session, told=bool(told))

    def _note(self, client: Client, session: Session, *, told: bool) -> None:
        result = "told" if told else "not_told"
        self._on_result(result)
        log.info("oidc.logout_" + result, client=client.id, sid=session.sid)

    async def _token(self, client: Client, session: Session) -> str:
        """Make a token for this try: each has a name of its own and lives for two minutes."""
        told = claims.logout_token(
            issuer=issuer_of(self._base, client.realm),
            client=client,
            sub=await self._subjects.told_to(client, session.sub),
            sid=await self._subjects.sid_told_to(client, session.sid),
            now=self._clock.now(),
            jti=self._hex_of(16),
        )
        return await self._keyring.sign(client.realm, client.algorithm, told, typ=LOGOUT_TYPE)
