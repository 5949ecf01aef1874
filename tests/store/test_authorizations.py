"""Authorizations: newer events win, a revoked one stays revoked, refresh tokens change only when they may."""

import asyncio

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import (
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    ExchangeSource,
    FetchedToken,
    Grant,
    NewExchange,
)
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, AuthorizerToken, RefreshToken
from wxgate.store import Store

ACTIVE, DEGRADED, REVOKED = (
    AuthorizationState.ACTIVE,
    AuthorizationState.DEGRADED,
    AuthorizationState.REVOKED,
)


async def authorize(
    store: Store, platform: str = "wxplatform", appid: str = "wxaccount", *, at: float = 0
) -> Authorization:
    new = NewExchange(
        platform, AuthorizationCode(f"code-{appid}-{at}"), ExchangeSource.AUTHORIZED, after(at), appid
    )
    job = await store.exchanges.open(new, now=after(at))
    claimed = await store.exchanges.claim(job.id, now=after(at), ttl=TTL)
    assert claimed is not None
    access = FetchedToken(AuthorizerToken("access"), after(at), after(at + 7200))
    grant = Grant(appid, RefreshToken("refresh-1"), (1, 15), access)
    authorization = await store.exchanges.finish(claimed, grant, now=after(at))
    assert authorization is not None
    return authorization


async def keep(store: Store, value: str, *, replacing: str | None = None, reason: str = "renewal") -> bool:
    return await store.authorizations.keep_refresh_token(
        "wxplatform",
        "wxaccount",
        RefreshToken(value),
        replacing=RefreshToken(replacing) if replacing else None,
        reason=reason,
        now=after(60),
    )


async def move(store: Store, to: AuthorizationState, at: float) -> bool:
    return await store.authorizations.move(
        "wxplatform", "wxaccount", to=to, event_at=after(at), reason="test", now=after(999)
    )


async def load(store: Store) -> Authorization:
    authorization = await store.authorizations.load("wxplatform", "wxaccount")
    assert authorization is not None
    return authorization


async def reasons(store: Store) -> list[str]:
    return [change.reason for change in await store.authorizations.history("wxplatform", "wxaccount")]


async def test_an_account_that_never_authorised_is_unknown(store: Store) -> None:
    assert await store.authorizations.load("wxplatform", "wxaccount") is None
    assert list(await store.authorizations.history("wxplatform", "wxaccount")) == []


async def test_one_account_may_authorise_two_platforms(store: Store) -> None:
    await authorize(store)
    await authorize(store, "wxother")
    await move(store, REVOKED, 1)
    assert (await load(store)).state is REVOKED
    theirs = await store.authorizations.load("wxother", "wxaccount")
    assert theirs is not None
    assert theirs.state is ACTIVE
    assert await store.tokens.load(TokenKey("wxother", "wxaccount", TokenKind.AUTHORIZER))


async def test_authorizations_are_found_by_platform_account_and_state(store: Store) -> None:
    await authorize(store, "wxb", "wx1")
    await authorize(store, "wxa", "wx2")
    await authorize(store, "wxa", "wx1")
    await store.authorizations.move("wxa", "wx2", to=DEGRADED, event_at=after(1), reason="", now=NOW)

    async def find(**where: object) -> list[tuple[str, str]]:
        found = await store.authorizations.find(AuthorizationFilter(**where))  # type: ignore[arg-type]
        return [(authorization.platform, authorization.appid) for authorization in found]

    assert await find() == [("wxa", "wx1"), ("wxa", "wx2"), ("wxb", "wx1")]
    assert await find(platform="wxa") == [("wxa", "wx1"), ("wxa", "wx2")]
    assert await find(appid="wx1") == [("wxa", "wx1"), ("wxb", "wx1")]
    assert await find(states=frozenset({DEGRADED})) == [("wxa", "wx2")]
    assert await find(states=frozenset({ACTIVE, DEGRADED}), platform="wxa") == [
        ("wxa", "wx1"),
        ("wxa", "wx2"),
    ]
    assert await find(states=frozenset({REVOKED})) == []


async def test_a_changed_refresh_token_is_kept_with_a_line_of_history(store: Store) -> None:
    await authorize(store)
    assert await keep(store, "refresh-2")
    assert (await load(store)).refresh_token == RefreshToken("refresh-2")
    assert await reasons(store) == ["renewal", "authorized"]


async def test_the_history_tells_changes_apart_without_their_values(store: Store) -> None:
    await authorize(store)
    await keep(store, "refresh-2")
    newest, first = await store.authorizations.history("wxplatform", "wxaccount")
    assert newest.fingerprint != first.fingerprint
    assert "refresh-2" not in repr(newest)
    assert (newest.at, first.at) == (after(60), NOW)


async def test_the_same_refresh_token_again_changes_nothing(store: Store) -> None:
    await authorize(store)
    assert not await keep(store, "refresh-1")
    assert await reasons(store) == ["authorized"]


async def test_the_answer_to_an_old_refresh_token_does_not_overwrite_a_newer_one(store: Store) -> None:
    await authorize(store)
    await keep(store, "from-reauthorization")
    assert not await keep(store, "late-answer", replacing="refresh-1")
    assert (await load(store)).refresh_token == RefreshToken("from-reauthorization")
    assert await keep(store, "answer", replacing="from-reauthorization")


async def test_of_many_answers_to_one_refresh_token_one_is_kept(store: Store, other: Store) -> None:
    await authorize(store)
    answers = [keep((store, other)[n % 2], f"answer-{n}", replacing="refresh-1") for n in range(20)]
    assert sum(await asyncio.gather(*answers)) == 1
    assert await reasons(store) == ["renewal", "authorized"]


async def test_an_account_that_never_authorised_gets_no_refresh_token(store: Store) -> None:
    assert not await keep(store, "refresh-1")
    assert await store.authorizations.load("wxplatform", "wxaccount") is None


async def test_a_revoked_authorization_gets_no_refresh_token(store: Store) -> None:
    await authorize(store)
    await move(store, REVOKED, 1)
    assert not await keep(store, "refresh-2")
    assert (await load(store)).refresh_token is None


async def test_a_newer_event_changes_the_state(store: Store) -> None:
    before = await authorize(store)
    assert await move(store, DEGRADED, 1)
    moved = await load(store)
    assert (moved.state, moved.reason, moved.event_at) == (DEGRADED, "test", after(1))
    assert (moved.refresh_token, moved.authorized_at) == (before.refresh_token, before.authorized_at)


async def test_an_older_event_changes_nothing(store: Store) -> None:
    before = await authorize(store)
    assert not await move(store, REVOKED, -1)
    assert await load(store) == before
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER))


async def test_moving_an_account_that_never_authorised_does_nothing(store: Store) -> None:
    assert not await move(store, ACTIVE, 0)
    assert await store.authorizations.load("wxplatform", "wxaccount") is None


async def test_revoking_clears_the_refresh_token_and_drops_every_token(store: Store) -> None:
    await authorize(store)
    keys = [TokenKey("wxplatform", "wxaccount", kind) for kind in (TokenKind.AUTHORIZER, TokenKind.WX_CARD)]
    lease = await store.tokens.claim(keys[1], holder="node", now=NOW, ttl=TTL)
    assert lease is not None
    assert await move(store, REVOKED, 1)
    revoked = await load(store)
    assert (revoked.state, revoked.refresh_token) == (REVOKED, None)
    assert [await store.tokens.load(key) for key in keys] == [None, None]
    assert await store.tokens.finish(lease, FetchedToken(AuthorizerToken("x"), NOW, after(60))) is None
    assert await reasons(store) == ["authorized"]


async def test_revoking_what_was_never_authorised_is_remembered(store: Store) -> None:
    assert await move(store, REVOKED, 5)
    revoked = await load(store)
    assert (revoked.state, revoked.refresh_token, revoked.event_at) == (REVOKED, None, after(5))


async def test_a_code_from_before_the_revocation_does_not_open_it_again(store: Store) -> None:
    await move(store, REVOKED, 5)
    authorization = await authorize(store, at=4)
    assert authorization == await load(store)
    assert (authorization.state, authorization.refresh_token) == (REVOKED, None)
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)) is None
    assert await reasons(store) == []


async def test_a_code_from_after_the_revocation_opens_it_again(store: Store) -> None:
    await move(store, REVOKED, 5)
    assert (await authorize(store, at=6)).state is ACTIVE
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER))


async def test_a_revocation_and_an_older_code_at_once_end_revoked(store: Store, other: Store) -> None:
    """Whichever commits first: the row may not exist yet when both begin."""
    for number in range(10):
        appid = f"wx{number}"
        await asyncio.gather(
            authorize(store, appid=appid, at=0),
            other.authorizations.move(
                "wxplatform", appid, to=REVOKED, event_at=after(5), reason="", now=after(5)
            ),
        )
        authorization = await store.authorizations.load("wxplatform", appid)
        assert authorization is not None
        assert (authorization.state, authorization.refresh_token) == (REVOKED, None)
        assert await store.tokens.load(TokenKey("wxplatform", appid, TokenKind.AUTHORIZER)) is None


async def test_of_many_concurrent_events_the_newest_one_stays(store: Store, other: Store) -> None:
    await authorize(store)
    states = [DEGRADED, AuthorizationState.NEEDS_REAUTHORIZATION, ACTIVE]
    await asyncio.gather(*(move((store, other)[n % 2], states[n % 3], n) for n in range(1, 31)))
    final = await load(store)
    assert (final.state, final.event_at) == (states[0], after(30))
