"""Two keepers on one database: whatever the clock does between them, a token is fetched once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.records import FetchedToken, KeptToken, Lease
from wxgate.custody.renewing import BACKOFF, LeaseTerms
from wxgate.custody.token_memory import RECHECK
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import UpstreamError
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import ComponentToken
from wxgate.server.metrics import Metrics
from wxgate.store import Store
from wxgate.store.database import Database
from wxgate.store.tables import tokens
from wxgate.store.tokens import SqlTokens

KEY = TokenKey("wxplatform", "wxplatform", TokenKind.COMPONENT)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(hours=2)
SHORT = LeaseTerms(timedelta(seconds=0.2), timedelta(seconds=0.2))
VAULT = Vault(KeyRing.generate())


class SetClock:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class StallingTokens(SqlTokens):
    """The tokens as a process sees them that stalls right after its first claim."""

    def __init__(self, database: Database, vault: Vault) -> None:
        super().__init__(database, vault)
        self.claimed, self.go_on = asyncio.Event(), asyncio.Event()

    async def claim(self, key: TokenKey, *, holder: str, now: datetime, ttl: timedelta) -> Lease | None:
        lease = await super().claim(key, holder=holder, now=now, ttl=ttl)
        self.claimed.set()
        await self.go_on.wait()
        return lease


class Upstream:
    """WeChat, as far as it gives out tokens: each takes a moment, and can be made to take longer or fail."""

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.fetches = 0
        self.seconds = [0.0]
        self.failing = False
        self.asked = asyncio.Event()

    async def fetch(self, key: TokenKey, *, rejected: str = "") -> FetchedToken:
        self.fetches += 1
        self.asked.set()
        value = f"token-{self.fetches}"
        await asyncio.sleep(self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0])
        if self.failing:
            raise UpstreamError("no answer", sent=True)
        return FetchedToken(ComponentToken(value), self.clock.at, self.clock.at + LIFETIME)


class Pair:
    """Two keepers as two processes have them."""

    def __init__(self, shelves: list[SqlTokens], terms: LeaseTerms) -> None:
        self.clock = SetClock()
        self.upstream = Upstream(self.clock)
        self.keepers = [
            TokenKeeper(
                store, self.upstream, self.clock,
                holder=f"node-{number}", listener=Metrics(), random=lambda: 0.5, terms=terms,
            )
            for number, store in enumerate(shelves)
        ]  # fmt: skip

    async def ask(self, callers: int = 3) -> list[KeptToken]:
        return await asyncio.gather(*(keeper.get(KEY) for keeper in self.keepers for _ in range(callers)))


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[list[Store]]:
    opened = [await Store.open(database_url, VAULT), await Store.open(database_url, VAULT)]
    yield opened
    for store in opened:
        await store.close()


async def test_a_holder_whose_lease_ended_before_it_could_ask_does_not_ask(stores: list[Store]) -> None:
    """A clock that jumps, or a process that stalls, right after the claim ends the lease for the others.

    Whoever then asked WeChat all the same would be the second to ask.
    """
    stalling = StallingTokens(stores[0].database, VAULT)
    pair = Pair([stalling, stores[1].tokens], LeaseTerms())
    pair.upstream.seconds = [0.2]
    early = asyncio.create_task(pair.keepers[0].get(KEY))
    await stalling.claimed.wait()
    pair.clock.at += LIFETIME
    other = asyncio.create_task(pair.keepers[1].get(KEY))
    await pair.upstream.asked.wait()
    stalling.go_on.set()
    assert await early == await other
    assert pair.upstream.fetches == 1


async def test_an_answer_that_comes_after_another_took_over_does_not_win(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], SHORT)
    pair.upstream.seconds = [0.6, 0.0]
    slow = asyncio.create_task(pair.keepers[0].get(KEY))
    await pair.upstream.asked.wait()
    pair.clock.at += timedelta(seconds=0.2)
    assert (await pair.keepers[1].get(KEY)).token == ComponentToken("token-2")
    # The slow one throws its answer away and takes the other's.
    assert (await slow).token == ComponentToken("token-2")
    kept = await stores[0].tokens.load(KEY)
    assert kept is not None
    assert (kept.token, kept.version) == (ComponentToken("token-2"), 1)


async def test_the_failure_of_one_who_was_overtaken_disturbs_nobody(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], SHORT)
    pair.upstream.seconds = [0.3, 0.0]
    slow = asyncio.create_task(pair.keepers[0].get(KEY))
    await pair.upstream.asked.wait()
    pair.clock.at += timedelta(seconds=0.2)
    kept = await pair.keepers[1].get(KEY)
    pair.upstream.failing = True
    assert await slow == kept
    row = await stores[0].tokens.look(KEY)
    assert (row.kept, row.not_before) == (kept, None)


async def test_a_holder_that_lives_keeps_its_lease_beyond_one_term(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], LeaseTerms(timedelta(seconds=0.3), timedelta(seconds=3)))
    pair.upstream.seconds = [0.5]
    asking = asyncio.create_task(pair.ask())
    for _ in range(8):
        await asyncio.sleep(0.05)
        pair.clock.at += timedelta(seconds=0.05)
    assert {kept.token for kept in await asking} == {ComponentToken("token-1")}
    assert pair.upstream.fetches == 1


async def test_whoever_waits_for_a_change_gets_the_other_nodes_token(
    stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxgate.custody.keeper.WAIT_LOOK_SECONDS", 60)  # so that it is the news that wakes
    pair = Pair([store.tokens for store in stores], LeaseTerms())
    here, there = pair.keepers
    kept = await here.get(KEY)
    assert await here.wait_for_change(KEY, kept.version - 1, 10) == kept
    assert await here.wait_for_change(KEY, kept.version, 0.01) is None
    waiting = asyncio.create_task(here.wait_for_change(KEY, kept.version, 60))
    new = await there.renew(KEY)
    pair.clock.at += RECHECK
    here.heard(KEY, new.version)
    async with asyncio.timeout(30):
        assert await waiting == new
    assert pair.upstream.fetches == 2


async def test_a_change_is_seen_even_when_no_news_of_it_comes(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], LeaseTerms())
    here, there = pair.keepers
    waiting = asyncio.create_task(here.wait_for_change(KEY, (await here.get(KEY)).version, 60))
    new = await there.renew(KEY)
    pair.clock.at += RECHECK
    async with asyncio.timeout(30):
        assert await waiting == new


async def test_looking_at_a_token_renews_nothing(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], LeaseTerms())
    assert await pair.keepers[0].current(KEY) is None
    kept = await pair.keepers[0].get(KEY)
    assert await pair.keepers[1].current(KEY) == kept
    pair.clock.at += LIFETIME
    assert await pair.keepers[1].current(KEY) is None
    assert pair.upstream.fetches == 1


async def test_uses_are_written_down(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], LeaseTerms())
    await pair.ask()
    pair.clock.at += timedelta(seconds=5)
    for keeper in pair.keepers:
        await keeper.note_uses()
    async with stores[0].database.read() as connection:
        assert (await connection.execute(select(tokens.c.used_at))).scalars().all() == [pair.clock.at]


async def test_a_failure_ahead_of_need_holds_every_node_back(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], LeaseTerms())
    await pair.ask()
    pair.upstream.failing = True
    pair.clock.at += LIFETIME - timedelta(minutes=5)
    for pause in (timedelta(0), BACKOFF, BACKOFF):
        pair.clock.at += pause
        for _ in range(3):
            for keeper in pair.keepers:
                assert (await keeper.get(KEY)).version == 1
                await keeper.close()
    # The first, one after the first back-off, and none within the second, which is twice as long.
    assert pair.upstream.fetches == 1 + 2


async def test_a_lease_from_a_clock_that_was_set_back_is_not_waited_for(stores: list[Store]) -> None:
    pair = Pair([store.tokens for store in stores], LeaseTerms())
    await stores[0].tokens.claim(KEY, holder="dead", now=NOW + timedelta(days=1), ttl=timedelta(seconds=15))
    async with asyncio.timeout(30):
        assert len(await pair.ask()) == 6
    assert pair.upstream.fetches == 1
