"""A process that records events without end and prints the key of each once it is acknowledged.

Run as `python recorder.py URL KEYS NAME COUNT`; a COUNT of 0 is without end.
"""

import asyncio
import sys
from datetime import UTC, datetime
from itertools import count

from wxgate.custody.vault import KeyRing, Vault
from wxgate.events.records import EventKind, NewEvent
from wxgate.store import Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CALLERS = 32


async def main(url: str, keys: str, name: str, limit: int) -> None:
    """Record with many callers at once."""
    store = await Store.open(url, Vault(KeyRing.parse(keys)))
    numbers = iter(range(limit) if limit else count())

    async def call() -> None:
        for number in numbers:
            key = f"{name}-{number}"
            new = NewEvent(
                dedup_key=key,
                issuer="wx",
                appid="wx",
                kind=EventKind.MESSAGE,
                name="text",
                openid="o",
                msg_id=None,
                created_at=0,
                received_at=NOW,
                source_ip="::1",
                fields={},
            )
            recorded = await store.inbox.record(new, holder=name, lease_until=NOW)
            assert recorded.fresh
            print(key, flush=True)

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    await store.close()


if __name__ == "__main__":
    _, url, keys, name, limit = sys.argv
    asyncio.run(main(url, keys, name, int(limit)))
