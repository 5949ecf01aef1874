"""News of tokens from node to node: PostgreSQL tells who listens, in the transaction that makes the change.

Only latency hangs on it. Whoever misses the news looks at the row by itself a moment later; on SQLite, which
has no such thing, everybody does.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.store.database import Database

log = structlog.get_logger("wxgate.wakeups")

CHANNEL = "wxgate_tokens"

DROPPED = 0
"""What is told in place of a version when a token is gone."""

CHECK_SECONDS = 15.0
"""How often a silent connection is asked whether it still stands, and how long it has to answer."""

PAUSE_SECONDS = 0.5
PAUSE_MOST_SECONDS = 30.0

Heard = Callable[[TokenKey, int], None]


class Wakeups:
    """Hears of tokens that other nodes changed."""

    def __init__(self, database: Database, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._database = database
        self._check_seconds = check_seconds
        self.connected = False

    async def listen(self, heard: Heard, missed: Callable[[], None]) -> None:
        """Call `heard` with the key and version of every change, until cancelled; at once over on SQLite.

        `missed` is called whenever something may have passed unheard.
        """
        pause = PAUSE_SECONDS
        while not self._database.is_sqlite:
            try:
                await self._listen_once(heard, missed)
                pause = PAUSE_SECONDS
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("wakeups.lost", error=type(error).__name__, again_in_seconds=pause)
            finally:
                self.connected = False
            missed()
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_MOST_SECONDS)

    async def _listen_once(self, heard: Heard, missed: Callable[[], None]) -> None:
        """Listen on a connection of its own until that ends."""

        def take(_connection: object, _process: int, _channel: str, payload: str) -> None:
            if (news := read(payload)) is not None:
                heard(*news)

        engine = create_async_engine(self._database.url, poolclass=NullPool, hide_parameters=True)
        try:
            async with engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                if driver is None:
                    raise OSError("the connection has ended")
                ended = asyncio.Event()
                driver.add_termination_listener(lambda _: ended.set())
                await driver.add_listener(CHANNEL, take)
                self.connected = True
                # What changed while nobody listened was not heard.
                missed()
                log.info("wakeups.listening")
                while not ended.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._check_seconds):
                            await ended.wait()
                            break
                    try:
                        await driver.execute("SELECT 1", timeout=self._check_seconds)
                    except TimeoutError:
                        driver.terminate()  # to close it politely would wait for an answer as well
                        raise
        finally:
            await engine.dispose()


async def announce(connection: AsyncConnection, key: TokenKey, version: int) -> None:
    """Tell the other nodes of a change, if and when the transaction is committed."""
    if connection.dialect.name != "sqlite":
        payload = f"{version}/{key.kind}/{key.issuer}/{key.account}"
        await connection.execute(
            text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload}
        )


def read(payload: str) -> tuple[TokenKey, int] | None:
    """Read what was announced; None for what is not ours."""
    try:
        version, kind, issuer, account = payload.split("/", 3)
        return TokenKey(issuer, account, TokenKind(kind)), int(version)
    except ValueError:
        return None
