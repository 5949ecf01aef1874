"""A process that claims one key as soon as it is told to, and prints the fences it got.

Run as `python claimer.py URL KEYS NAME`; it says `ready`, then waits for a line.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from wxgate.custody.vault import KeyRing, Vault
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.store import Store

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CALLERS = 20


async def main(url: str, keys: str, name: str) -> None:
    """Claim with many callers at once."""
    store = await Store.open(url, Vault(KeyRing.parse(keys)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    claims = [
        store.tokens.claim(KEY, holder=name, now=NOW, ttl=timedelta(seconds=15)) for _ in range(CALLERS)
    ]
    print(*(lease.fence for lease in await asyncio.gather(*claims) if lease))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
