"""Tokens and their leases: one fetches, the slower one loses, a dropped one stays dropped."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import text

from tests.store.moments import NOW, TTL, after
from wxgate.custody.planner import Plan
from wxgate.custody.records import DueToken, FetchedToken, KeptToken, Lease, Rejection
from wxgate.protocol.tokens import (
    DIRECT_ISSUER,
    REJECTIONS_MOST,
    REJECTIONS_WINDOW,
    REPORTS_MOST,
    TokenKey,
    TokenKind,
)
from wxgate.secret import AccessToken, AuthorizerToken, ComponentToken, DirectToken, JsTicket, fingerprint
from wxgate.store import Store
from wxgate.store.tokens import due_query

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)


def fetched(value: str = "token-1") -> FetchedToken:
    return FetchedToken(AuthorizerToken(value), NOW, after(7200))


async def claim(store: Store, key: TokenKey = KEY, *, holder: str = "node-a", at: float = 0) -> Lease | None:
    return await store.tokens.claim(key, holder=holder, now=after(at), ttl=TTL)


async def claimed(store: Store, key: TokenKey = KEY, *, holder: str = "node-a", at: float = 0) -> Lease:
    lease = await claim(store, key, holder=holder, at=at)
    assert lease is not None
    return lease


async def fill(store: Store, key: TokenKey = KEY, value: str = "token-1") -> KeptToken:
    kept = await store.tokens.finish(await claimed(store, key), fetched(value))
    assert kept is not None
    return kept


async def test_a_key_never_seen_has_no_token(store: Store) -> None:
    assert await store.tokens.load(KEY) is None


async def test_a_finished_lease_leaves_its_token(store: Store) -> None:
    kept = await fill(store)
    assert kept == KeptToken(KEY, AuthorizerToken("token-1"), 1, NOW, after(7200))
    assert await store.tokens.load(KEY) == kept


async def test_each_token_grows_the_version_by_one(store: Store) -> None:
    await fill(store)
    assert (await fill(store, value="token-2")).version == 2


async def test_a_lease_without_a_token_gives_no_token(store: Store) -> None:
    await claimed(store)
    assert await store.tokens.load(KEY) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (TokenKind.COMPONENT, ComponentToken),
        (TokenKind.AUTHORIZER, AuthorizerToken),
        (TokenKind.DIRECT, DirectToken),
        (TokenKind.JSAPI_TICKET, JsTicket),
        (TokenKind.WX_CARD, JsTicket),
    ],
)
async def test_a_loaded_token_is_of_its_own_kind(
    store: Store, kind: TokenKind, expected: type[AccessToken]
) -> None:
    key = TokenKey("wxplatform", "wxaccount", kind)
    await fill(store, key)
    kept = await store.tokens.load(key)
    assert kept is not None
    assert type(kept.token) is expected


async def test_tokens_of_different_issuers_and_kinds_never_mix(store: Store) -> None:
    keys = [
        KEY,
        TokenKey("wxother", "wxaccount", TokenKind.AUTHORIZER),
        TokenKey(DIRECT_ISSUER, "wxaccount", TokenKind.DIRECT),
        TokenKey("wxplatform", "wxaccount", TokenKind.JSAPI_TICKET),
    ]
    for number, key in enumerate(keys):
        await fill(store, key, f"token-{number}")
    loaded = [await store.tokens.load(key) for key in keys]
    assert [kept.token.reveal() for kept in loaded if kept] == ["token-0", "token-1", "token-2", "token-3"]


async def test_exactly_one_of_fifty_concurrent_claims_gets_the_lease(store: Store, other: Store) -> None:
    claims = [claim((store, other)[n % 2], holder=f"node-{n}") for n in range(50)]
    leases = [lease for lease in await asyncio.gather(*claims) if lease is not None]
    assert [lease.fence for lease in leases] == [1]


async def test_a_running_lease_is_not_given_again(store: Store) -> None:
    await claimed(store)
    assert await claim(store, holder="node-b", at=14.9) is None


async def test_a_lease_belongs_to_one_key_only(store: Store) -> None:
    await claimed(store)
    assert await claim(store, TokenKey("wxother", "wxaccount", TokenKind.AUTHORIZER)) is not None


async def test_an_ended_lease_goes_to_the_next_with_a_higher_fence_and_the_old_finish_fails(
    store: Store, other: Store
) -> None:
    stalled = await claimed(store)
    next_one = await claimed(other, holder="node-b", at=15)
    assert next_one.fence == stalled.fence + 1
    assert await store.tokens.finish(stalled, fetched("too-late")) is None
    assert await store.tokens.load(KEY) is None
    assert await other.tokens.finish(next_one, fetched("in-time")) is not None
    assert await store.tokens.finish(stalled, fetched("too-late")) is None
    kept = await store.tokens.load(KEY)
    assert kept is not None
    assert kept.token == AuthorizerToken("in-time")


async def test_a_late_finish_that_nobody_overtook_is_written(store: Store) -> None:
    lease = await claimed(store)
    assert await store.tokens.finish(lease, FetchedToken(AuthorizerToken("late"), after(60), after(7260)))


async def test_finishing_frees_the_lease(store: Store) -> None:
    await fill(store)
    assert (await claimed(store, holder="node-b")).fence == 2


async def test_releasing_frees_the_lease_and_keeps_the_token(store: Store) -> None:
    kept = await fill(store)
    await store.tokens.release(await claimed(store))
    assert await store.tokens.load(KEY) == kept
    assert await claim(store, holder="node-b") is not None


async def test_releasing_an_overtaken_lease_leaves_the_new_one_alone(store: Store) -> None:
    stalled = await claimed(store)
    await claimed(store, holder="node-b", at=15)
    await store.tokens.release(stalled)
    assert await claim(store, holder="node-c", at=16) is None


async def test_a_dropped_token_is_gone(store: Store) -> None:
    await fill(store)
    assert await store.tokens.drop(KEY)
    assert await store.tokens.load(KEY) is None


async def test_a_fetch_under_way_cannot_bring_a_dropped_token_back(store: Store, other: Store) -> None:
    await fill(store)
    lease = await claimed(store)
    await other.tokens.drop(KEY)
    assert await store.tokens.finish(lease, fetched("from-before-the-drop")) is None
    assert await store.tokens.load(KEY) is None


async def test_after_a_drop_the_next_claim_need_not_wait(store: Store) -> None:
    lease = await claimed(store)
    await store.tokens.drop(KEY)
    assert (await claimed(store, holder="node-b")).fence > lease.fence


async def test_a_token_fetched_after_a_drop_has_a_version_never_seen_before(store: Store) -> None:
    before = await fill(store)
    await store.tokens.drop(KEY)
    assert (await fill(store, value="token-2")).version > before.version


async def test_dropping_by_proof_spares_a_newer_version(store: Store) -> None:
    old = await fill(store)
    new = await fill(store, value="token-2")
    assert not await store.tokens.drop(KEY, only_version=old.version)
    assert await store.tokens.load(KEY) == new


async def test_of_many_proofs_against_one_version_one_drops_it(store: Store, other: Store) -> None:
    kept = await fill(store)
    drops = [(store, other)[n % 2].tokens.drop(KEY, only_version=kept.version) for n in range(20)]
    assert sum(await asyncio.gather(*drops)) == 1


async def test_dropping_a_key_never_seen_does_nothing(store: Store) -> None:
    assert not await store.tokens.drop(KEY)


async def test_dropping_an_account_drops_every_kind_of_this_issuer_only(store: Store) -> None:
    ticket = TokenKey("wxplatform", "wxaccount", TokenKind.JSAPI_TICKET)
    empty = TokenKey("wxplatform", "wxaccount", TokenKind.WX_CARD)
    others = [
        TokenKey("wxplatform", "wxplatform", TokenKind.COMPONENT),
        TokenKey("wxother", "wxaccount", TokenKind.AUTHORIZER),
    ]
    for key in (KEY, ticket, *others):
        await fill(store, key)
    lease = await claimed(store, empty)
    assert await store.tokens.drop_account("wxplatform", "wxaccount") == 2
    assert [await store.tokens.load(key) for key in (KEY, ticket)] == [None, None]
    assert await store.tokens.finish(lease, fetched()) is None
    assert all([await store.tokens.load(key) for key in others])


async def test_an_extended_lease_runs_on(store: Store) -> None:
    lease = await claimed(store)
    assert await store.tokens.extend(lease, after(30))
    assert await claim(store, holder="node-b", at=29) is None
    assert await claim(store, holder="node-b", at=30) is not None


async def test_an_overtaken_lease_cannot_be_extended(store: Store, other: Store) -> None:
    stalled = await claimed(store)
    await claimed(other, holder="node-b", at=15)
    assert not await store.tokens.extend(stalled, after(100))
    assert await claim(store, holder="node-c", at=30) is not None


async def test_a_lease_that_ends_later_than_any_could_is_over(store: Store) -> None:
    await claimed(store, at=TTL.total_seconds() + 1)
    assert (await claimed(store, holder="node-b")).fence == 2


async def test_a_failure_is_counted_and_puts_the_next_attempt_off_until_a_token_comes(store: Store) -> None:
    await fill(store)
    assert await store.tokens.fail(await claimed(store), not_before=after(5))
    assert (await store.tokens.look(KEY)).not_before == after(5)
    lease = await claimed(store, holder="node-b")
    assert lease.failures == 1
    await store.tokens.finish(lease, fetched("token-2"))
    assert (await store.tokens.look(KEY)).not_before is None
    assert (await claimed(store)).failures == 0


async def test_a_rejection_or_a_new_grant_forgets_what_holds_a_fetch_back(store: Store) -> None:
    kept = await fill(store)
    assert await store.tokens.fail(await claimed(store), not_before=after(5), held_until=after(1))
    assert (await store.tokens.look(KEY)).held_until == after(1)
    assert (await store.tokens.reject(KEY, version=kept.version, now=after(0))).dropped
    assert (await store.tokens.look(KEY)).held_until is None
    assert (await claimed(store, at=60)).failures == 0


async def test_the_failure_of_an_overtaken_lease_is_not_counted(store: Store, other: Store) -> None:
    stalled = await claimed(store)
    next_one = await claimed(other, holder="node-b", at=15)
    assert not await store.tokens.fail(stalled, not_before=after(5))
    assert (await store.tokens.look(KEY)).not_before is None
    assert await other.tokens.finish(next_one, fetched()) is not None


async def test_a_rejected_token_is_dropped_and_remembered_by_its_fingerprint(store: Store) -> None:
    kept = await fill(store)
    assert await store.tokens.reject(KEY, version=kept.version, now=NOW) == Rejection(dropped=True)
    assert await store.tokens.load(KEY) is None
    lease = await claimed(store)
    assert lease.rejected == fingerprint(kept.token)
    await store.tokens.finish(lease, fetched("token-2"))
    assert (await claimed(store)).rejected == ""


async def test_of_many_rejections_of_one_version_one_counts(store: Store, other: Store) -> None:
    kept = await fill(store)
    told = [(store, other)[n % 2].tokens.reject(KEY, version=kept.version, now=NOW) for n in range(20)]
    assert sorted(each.dropped for each in await asyncio.gather(*told)) == [False] * 19 + [True]


async def test_a_fetch_under_way_cannot_bring_a_rejected_token_back(store: Store, other: Store) -> None:
    kept = await fill(store)
    lease = await claimed(store)
    await other.tokens.reject(KEY, version=kept.version, now=NOW)
    assert await store.tokens.finish(lease, fetched("from-before")) is None


async def test_a_key_has_a_budget_of_rejections_that_holds_across_nodes(store: Store, other: Store) -> None:
    for number in range(REJECTIONS_MOST):
        kept = await fill(store, value=f"token-{number}")
        answer = await (store, other)[number % 2].tokens.reject(KEY, version=kept.version, now=after(number))
        assert answer.dropped
    kept = await fill(store, value="one-more")
    end = NOW + REJECTIONS_WINDOW
    assert await other.tokens.reject(KEY, version=kept.version, now=after(60)) == Rejection(retry_at=end)
    assert await store.tokens.load(KEY) == kept
    assert (await store.tokens.reject(KEY, version=kept.version, now=end)).dropped


async def test_reports_leave_a_part_of_the_budget_to_what_the_gateway_sees_itself(
    store: Store, other: Store
) -> None:
    for number in range(REPORTS_MOST):
        kept = await fill(store, value=f"reported-{number}")
        assert (await store.tokens.reject(KEY, version=kept.version, now=NOW, most=REPORTS_MOST)).dropped
    refused = Rejection(retry_at=NOW + REJECTIONS_WINDOW)
    for number in range(REPORTS_MOST, REJECTIONS_MOST):
        kept = await fill(store, value=f"seen-{number}")
        assert await other.tokens.reject(KEY, version=kept.version, now=NOW, most=REPORTS_MOST) == refused
        assert (await store.tokens.reject(KEY, version=kept.version, now=NOW)).dropped
    kept = await fill(store, value="one-more")
    assert await store.tokens.reject(KEY, version=kept.version, now=NOW) == refused


async def test_a_clock_set_back_does_not_stretch_the_window_of_rejections(store: Store) -> None:
    for number in range(REJECTIONS_MOST):
        kept = await fill(store, value=f"token-{number}")
        await store.tokens.reject(KEY, version=kept.version, now=after(3600))
    kept = await fill(store, value="one-more")
    assert (await store.tokens.reject(KEY, version=kept.version, now=NOW)).dropped


def renew_all(rows: Sequence[DueToken]) -> Plan:
    return Plan(renew=tuple(rows))


async def take(store: Store, at: float, decide: Callable[[Sequence[DueToken]], Plan] = renew_all) -> Plan:
    return await store.tokens.take_due(decide, now=after(at), limit=3, until=after(at + 60))


async def fill_many(store: Store, count: int) -> list[TokenKey]:
    keys = [TokenKey("wxplatform", f"wx{number}", TokenKind.AUTHORIZER) for number in range(count)]
    for number, key in enumerate(keys):
        planned = FetchedToken(AuthorizerToken("x"), NOW, after(7200), renew_at=after(6000 + number))
        await store.tokens.finish(await claimed(store, key), planned)
    return keys


async def test_due_tokens_are_taken_the_longest_due_first_and_a_page_at_a_time(store: Store) -> None:
    keys = await fill_many(store, 5)
    assert await take(store, 5999) == Plan()
    assert [row.key for row in (await take(store, 6003)).renew] == keys[:3]
    assert [row.key for row in (await take(store, 6003)).renew] == keys[3:4]
    assert [row.key for row in (await take(store, 6004)).renew] == keys[4:]
    assert await take(store, 6005) == Plan()


async def test_what_was_taken_and_not_renewed_is_due_again_later(store: Store) -> None:
    [key] = await fill_many(store, 1)
    await take(store, 6000)
    assert await take(store, 6059) == Plan()
    assert [row.key for row in (await take(store, 6060)).renew] == [key]


async def test_what_is_parked_is_not_due_until_it_has_a_new_token(store: Store) -> None:
    [key] = await fill_many(store, 1)
    assert (await take(store, 6000, lambda rows: Plan(park=tuple(rows)))).park
    assert await take(store, 1e6) == Plan()
    assert await store.tokens.load(key) is not None
    await fill(store, key)
    assert [row.key for row in (await take(store, 1e6)).renew] == [key]


async def test_what_there_was_no_room_for_stays_due(store: Store) -> None:
    [key] = await fill_many(store, 1)
    await take(store, 6000, lambda rows: Plan(later=tuple(rows)))
    assert [row.key for row in (await take(store, 6000)).renew] == [key]


async def test_two_nodes_that_look_at_once_take_different_tokens(store: Store, other: Store) -> None:
    await fill_many(store, 6)
    taken = await asyncio.gather(*(take(each, 7000) for each in (store, other)))
    keys = [row.key for plan in taken for row in plan.renew]
    assert len(keys) == len(set(keys)) > 0


async def test_a_failed_renewal_is_due_again_when_its_back_off_ends(store: Store) -> None:
    [key] = await fill_many(store, 1)
    await take(store, 6000)
    await store.tokens.fail(await claimed(store, key, at=6001), not_before=after(6006))
    assert await take(store, 6005) == Plan()
    assert [row.key for row in (await take(store, 6006)).renew] == [key]


async def test_the_failure_of_a_renewal_before_its_time_makes_nothing_due(store: Store) -> None:
    await fill_many(store, 1)
    key = TokenKey("wxplatform", "wx0", TokenKind.AUTHORIZER)
    await store.tokens.fail(await claimed(store, key, at=100), not_before=after(105))
    assert await take(store, 5999) == Plan()


async def test_a_use_is_known_to_whoever_decides(store: Store) -> None:
    keys = await fill_many(store, 2)
    await store.tokens.note_used({keys[0]}, after(50))
    assert [row.used_at for row in (await take(store, 7000)).renew] == [after(50), None]


async def test_few_due_among_many_are_found_by_the_index(store: Store) -> None:
    await fill_many(store, 30)
    async with store.database.write() as connection:
        if not store.database.is_sqlite:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        query = str(
            due_query(after(0), 3).compile(connection.sync_engine, compile_kwargs={"literal_binds": True})
        )
        explain = "EXPLAIN QUERY PLAN " if store.database.is_sqlite else "EXPLAIN "
        steps = "\n".join(str(row) for row in await connection.execute(text(explain + query)))
    assert "ix_tokens_renew_at" in steps
    assert "Sort" not in steps
    assert "TEMP B-TREE" not in steps
