"""The platforms and direct accounts we serve, with their push keys made ready once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from wxgate.clock import Clock
from wxgate.custody.ports import PlatformStore
from wxgate.custody.records import DirectAccount, Platform
from wxgate.errors import NotFound
from wxgate.protocol.envelope import Mode, PushKeys

T = TypeVar("T", bound=Platform | DirectAccount)

RECHECK = timedelta(seconds=2)
"""How long a loaded record is believed before it is read again, so that changes need no restart."""

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Served(Generic[T]):
    """A platform or direct account with the ciphers made of its keys."""

    record: T
    keys: PushKeys


class _Remembered(Generic[T]):
    """Records of one kind by appid, loaded again every few seconds; new ciphers are made only on a change."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[T | None]],
        make_keys: Callable[[T], PushKeys],
        clock: Clock,
    ) -> None:
        self._load = load
        self._make_keys = make_keys
        self._clock = clock
        self._seen: dict[str, tuple[Served[T], datetime]] = {}

    async def find(self, appid: str) -> Served[T] | None:
        """Find a record; what does not exist is not remembered, lest strangers fill the memory."""
        now = self._clock.now()
        served, looked_at = self._seen.get(appid, (None, now))
        if served is not None and abs(now - looked_at) < RECHECK:
            return served
        record = await self._load(appid)
        if record is None:
            self._seen.pop(appid, None)
            return None
        if served is None or served.record != record:
            served = Served(record, self._make_keys(record))
        self._seen[appid] = (served, now)
        return served

    def forget(self, appid: str) -> None:
        """Look the record up at its next use."""
        served, _ = self._seen.get(appid, (None, None))
        if served is not None:
            self._seen[appid] = (served, NEVER)


class Registry:
    """Finds platforms and direct accounts by appid, from memory when it can."""

    def __init__(self, store: PlatformStore, clock: Clock) -> None:
        self._platforms = _Remembered(store.load_platform, _platform_keys, clock)
        self._directs = _Remembered(store.load_direct, _direct_keys, clock)

    async def platform(self, appid: str) -> Served[Platform] | None:
        """Find a platform, or None."""
        return await self._platforms.find(appid)

    async def direct(self, appid: str) -> Served[DirectAccount] | None:
        """Find a direct account, or None."""
        return await self._directs.find(appid)

    def forget(self, appid: str) -> None:
        """Look a record up at its next use, since it was just changed here."""
        self._platforms.forget(appid)
        self._directs.forget(appid)

    async def require_platform(self, appid: str) -> Platform:
        """Find a platform or raise NotFound with what to do."""
        served = await self.platform(appid)
        if served is None:
            raise NotFound(
                f"no platform {appid} here; `wxgate platform list` shows them, `wxgate platform add` adds one"
            )
        return served.record

    async def require_direct(self, appid: str) -> DirectAccount:
        """Find a direct account or raise NotFound with what to do."""
        served = await self.direct(appid)
        if served is None:
            raise NotFound(f"no direct account {appid} here; `wxgate account add` adds one")
        return served.record


def _platform_keys(platform: Platform) -> PushKeys:
    return PushKeys.make(platform.appid, platform.push.tokens, platform.push.aes_keys)


def _direct_keys(account: DirectAccount) -> PushKeys:
    keys = account.push.aes_keys if account.mode is not Mode.PLAINTEXT else ()
    return PushKeys.make(account.appid, account.push.tokens, keys, mode=account.mode, format=account.format)
