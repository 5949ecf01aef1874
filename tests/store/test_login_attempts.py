"""Attempts to log in: one exchanges the code, and what came of it is kept for a minute."""

import asyncio
from dataclasses import replace

from tests.store.login_rows import ATTEMPT, OUTCOME
from tests.store.moments import NOW, after
from wxgate.login.records import Attempt, AttemptState, Outcome
from wxgate.store import Store

STATE = ATTEMPT.state_hash


async def claim(store: Store, holder: str = "one", at: float = 1) -> bool:
    return await store.login.attempts.claim(STATE, holder=holder, now=after(at), lease_until=after(at + 10))


async def loaded(store: Store) -> Attempt:
    attempt = await store.login.attempts.load(STATE)
    assert attempt is not None
    return attempt


async def test_an_attempt_is_loaded_as_it_was_made(store: Store) -> None:
    attempts = store.login.attempts
    await attempts.create(ATTEMPT)
    assert await attempts.load(STATE) == ATTEMPT
    assert await attempts.load("nobody") is None


async def test_a_claim_whose_holder_died_is_had_again_where_that_is_asked_for(store: Store) -> None:
    attempts = store.login.attempts
    await attempts.create(ATTEMPT)
    assert await claim(store)
    for at, taken in ((5, False), (11, True), (12, False)):
        until = after(at + 10)
        assert taken is await attempts.claim(
            STATE, holder="two", now=after(at), lease_until=until, again=True
        )
    assert not await attempts.finish(STATE, holder="one", outcome=OUTCOME, now=after(13))
    assert await attempts.finish(STATE, holder="two", outcome=OUTCOME, now=after(13))
    assert not await attempts.claim(STATE, holder="two", now=after(50), lease_until=after(60), again=True)


async def test_a_claim_is_had_once_and_only_its_holder_finishes(store: Store) -> None:
    attempts = store.login.attempts
    await attempts.create(ATTEMPT)
    assert not await attempts.finish(STATE, holder="one", outcome=OUTCOME, now=after(1))
    assert await claim(store)
    assert not await claim(store, "two")
    assert (await loaded(store)).state is AttemptState.EXCHANGING
    assert ((await loaded(store)).holder, (await loaded(store)).lease_until) == ("one", after(11))
    assert not await attempts.finish(STATE, holder="two", outcome=OUTCOME, now=after(2))
    assert await attempts.finish(STATE, holder="one", outcome=OUTCOME, now=after(2))
    assert not await attempts.finish(STATE, holder="one", outcome=OUTCOME, now=after(3))
    done = await loaded(store)
    assert (done.state, done.outcome, done.finished_at) == (AttemptState.DONE, OUTCOME, after(2))


async def test_an_attempt_whose_holder_is_gone_is_not_taken_again(store: Store) -> None:
    await store.login.attempts.create(ATTEMPT)
    assert await claim(store)
    assert not await claim(store, "two", at=60)


async def test_an_expired_attempt_is_not_taken(store: Store) -> None:
    await store.login.attempts.create(ATTEMPT)
    assert not await claim(store, at=600)
    assert await claim(store, at=599)


async def test_an_outcome_without_a_session_is_loaded_as_it_was(store: Store) -> None:
    await store.login.attempts.create(ATTEMPT)
    await claim(store)
    await store.login.attempts.finish(STATE, holder="one", outcome=Outcome("cancelled", "/"), now=NOW)
    assert (await loaded(store)).outcome == Outcome("cancelled", "/")


async def test_outcomes_are_forgotten_before_their_attempts(store: Store) -> None:
    attempts = store.login.attempts
    await attempts.create(ATTEMPT)
    await attempts.create(replace(ATTEMPT, state_hash="later", expires_at=after(1200)))
    await claim(store)
    await attempts.finish(STATE, holder="one", outcome=OUTCOME, now=after(2))
    assert await attempts.prune(expired_before=NOW, outcomes_before=after(2)) == 0
    assert (await loaded(store)).outcome == OUTCOME
    assert await attempts.prune(expired_before=NOW, outcomes_before=after(3)) == 1
    assert (await loaded(store)).outcome is None
    assert (await loaded(store)).state is AttemptState.DONE
    assert await attempts.prune(expired_before=after(601), outcomes_before=after(601)) == 1
    assert await attempts.load(STATE) is None
    assert await attempts.load("later") is not None


async def test_an_attempt_that_is_done_is_taken_again_once_for_another_code(store: Store) -> None:
    attempts = store.login.attempts
    await attempts.create(ATTEMPT)

    async def reclaim(code: str, at: float) -> bool:
        lease_until = after(at + 10)
        return await attempts.reclaim(
            STATE, holder="two", now=after(at), lease_until=lease_until, code_hash=code
        )

    assert not await reclaim("x" * 64, 1)
    await claim(store)
    assert not await reclaim("x" * 64, 2)
    await attempts.finish(STATE, holder="one", outcome=Outcome("cancelled", "/"), now=after(3))
    assert not await reclaim("x" * 64, 600)
    assert sum(await asyncio.gather(*(reclaim(name * 64, 4) for name in "xyz"))) == 1
    taken = await loaded(store)
    assert (taken.state, taken.holder, taken.reclaimed) == (AttemptState.EXCHANGING, "two", True)
    assert (taken.outcome, taken.finished_at, taken.lease_until) == (None, None, after(14))
    assert taken.code_hash in {name * 64 for name in "xyz"}
    assert await attempts.finish(STATE, holder="two", outcome=OUTCOME, now=after(5))
    assert not await reclaim("x" * 64, 6)
    assert (await loaded(store)).outcome == OUTCOME


async def test_only_so_many_attempts_are_begun_in_place_of_one(store: Store) -> None:
    attempts = store.login.attempts
    await attempts.create(ATTEMPT)
    assert sum(await asyncio.gather(*(attempts.succeed(STATE, most=2) for _ in range(5)))) == 2
    assert (await loaded(store)).successors == 2
    assert not await attempts.succeed("nobody", most=2)
