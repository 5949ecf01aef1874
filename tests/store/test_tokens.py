"""Tokens and their leases: one fetches, the slower one loses, a dropped one stays dropped."""

import asyncio

import pytest

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import FetchedToken, KeptToken, Lease
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.secret import AccessToken, AuthorizerToken, ComponentToken, DirectToken
from wxgate.store import Store

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
        (TokenKind.JSAPI_TICKET, AccessToken),
        (TokenKind.WX_CARD, AccessToken),
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
