"""Ways to break a node on purpose, which the checker has to notice: each takes away one promise."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import count
from types import SimpleNamespace

from wxgate.custody.records import KeptTicket, Lease
from wxgate.custody.renewing import Renewing
from wxgate.events.reception import Reception
from wxgate.protocol.tokens import TokenKey
from wxgate.store.tickets import SqlTickets
from wxgate.store.tokens import SqlTokens

HOUR = timedelta(hours=1)


def lease() -> None:
    """Take every lease, whoever holds it, and look at nobody else's result: each node renews for itself."""
    claim = SqlTokens.claim

    async def seize(
        self: SqlTokens, key: TokenKey, *, holder: str, now: datetime, ttl: timedelta
    ) -> Lease | None:
        # Seen from an hour later all leases have ended.
        return await claim(self, key, holder=holder, now=now + HOUR, ttl=ttl - HOUR)

    SqlTokens.claim = seize  # type: ignore[method-assign]  # the sabotage
    Renewing._is_running = lambda *_: False  # type: ignore[method-assign]  # the sabotage
    Renewing._is_good = lambda *_: False  # type: ignore[method-assign]  # the sabotage


def ticket() -> None:
    """Acknowledge tickets, and keep but the first two of a life."""
    kept, numbers = SqlTickets.keep, count(1)

    async def keep(self: SqlTickets, ticket: KeptTicket, **more: object) -> None:
        if next(numbers) <= 2:
            await kept(self, ticket, **more)  # type: ignore[arg-type]  # passed on as it came

    SqlTickets.keep = keep  # type: ignore[method-assign]  # the sabotage


def issuer() -> None:
    """Serve every issuer's reader with whichever token of the account was loaded first."""
    first: dict[str, TokenKey] = {}
    load = SqlTokens.load

    async def mixed(self: SqlTokens, key: TokenKey) -> object:
        if key.kind == "authorizer":
            key = first.setdefault(key.account, key)
        return await load(self, key)

    SqlTokens.load = mixed  # type: ignore[method-assign, assignment]  # the sabotage


def event() -> None:
    """Acknowledge component events without recording them."""

    async def announce(*_: object, **__: object) -> object:
        return SimpleNamespace(fresh=True, event=SimpleNamespace(id=0))

    Reception.announce = announce  # type: ignore[method-assign]  # the sabotage


SABOTAGES: Mapping[str, Callable[[], None]] = {each.__name__: each for each in (lease, ticket, issuer, event)}
