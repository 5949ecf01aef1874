"""The platforms and direct accounts we serve, with their push keys made ready once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from wxgate.clock import Clock
from wxgate.custody.ports import PlatformStore
from wxgate.custody.records import DirectAccount, Platform
from wxgate.errors import NotFound
from wxgate.protocol.envelope import Mode, PushKeys

T = TypeVar("T", Platform, DirectAccount)

RECHECK = timedelta(seconds=2)
"""How long a loaded record is believed before it is read again, so that changes need no restart."""


@dataclass(frozen=True, slots=True)
class Served(Generic[T]):
    """A platform or direct account with the ciphers made of its keys."""

    record: T
    keys: PushKeys


@dataclass(slots=True)
class _Seen(Generic[T]):
    served: Served[T] | None
    until: datetime


class Registry:
    """Finds platforms and direct accounts by appid, from memory when it can."""

    def __init__(self, store: PlatformStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._platforms: dict[str, _Seen[Platform]] = {}
        self._directs: dict[str, _Seen[DirectAccount]] = {}

    async def platform(self, appid: str) -> Served[Platform] | None:
        """Find a platform, or None."""
        now = self._clock.now()
        seen = self._platforms.get(appid)
        if seen is None or not now < seen.until <= now + RECHECK:
            record = await self._store.load_platform(appid)
            served = seen.served if seen else None
            if record is None or served is None or served.record != record:
                served = Served(record, _platform_keys(record)) if record else None
            seen = self._platforms[appid] = _Seen(served, now + RECHECK)
            if served is None:
                del self._platforms[appid]
        return seen.served

    async def direct(self, appid: str) -> Served[DirectAccount] | None:
        """Find a direct account, or None."""
        now = self._clock.now()
        seen = self._directs.get(appid)
        if seen is None or not now < seen.until <= now + RECHECK:
            record = await self._store.load_direct(appid)
            served = seen.served if seen else None
            if record is None or served is None or served.record != record:
                served = Served(record, _direct_keys(record)) if record else None
            seen = self._directs[appid] = _Seen(served, now + RECHECK)
            if served is None:
                del self._directs[appid]
        return seen.served

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
