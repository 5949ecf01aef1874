"""Authorizations in bulk: all of them are read, and what is brought never replaces what is newer."""

import asyncio
from dataclasses import replace

import pytest

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import Authorization, AuthorizationState, Brought, FetchedToken
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizerToken, RefreshToken
from wxgate.store import Store

ONE = Authorization(
    platform="wxplatform",
    appid="wxaccount",
    state=AuthorizationState.ACTIVE,
    refresh_token=RefreshToken("refresh"),
    func_ids=(1, 17),
    reason="authorized",
    reference="tenant",
    authorized_at=after(-100),
    event_at=NOW,
    updated_at=NOW,
)
KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)


async def bring(store: Store, *authorizations: Authorization, replace: bool = False) -> list[Brought]:
    return list(await store.transfer.bring(authorizations, replace=replace, reason="import", now=after(60)))


async def test_what_is_brought_is_there_with_everything_it_had(store: Store) -> None:
    assert await bring(store, ONE) == [Brought.ADDED]
    kept = await store.authorizations.load("wxplatform", "wxaccount")
    assert kept == replace(ONE, updated_at=after(60))
    (change,) = await store.authorizations.history("wxplatform", "wxaccount")
    assert change.reason == "import"
    assert await bring(store, ONE) == [Brought.SAME]


@pytest.mark.parametrize(
    ("change", "with_replace", "expected"),
    [
        ({"refresh_token": RefreshToken("other")}, False, Brought.EXISTS),
        ({"refresh_token": RefreshToken("other")}, True, Brought.REPLACED),
        ({"refresh_token": RefreshToken("other"), "event_at": after(-1)}, True, Brought.NEWER),
        ({"state": AuthorizationState.REVOKED, "refresh_token": None}, True, Brought.REPLACED),
        ({"state": AuthorizationState.REVOKED, "event_at": after(-1)}, True, Brought.NEWER),
        ({"event_at": after(-1)}, False, Brought.SAME),
    ],
)
async def test_what_is_there_is_replaced_only_when_asked_and_never_by_what_is_older(
    store: Store, change: dict[str, object], with_replace: bool, expected: Brought
) -> None:
    await bring(store, ONE)
    lease = await store.tokens.claim(KEY, holder="h", now=NOW, ttl=TTL)
    assert lease is not None
    await store.tokens.finish(lease, FetchedToken(AuthorizerToken("t"), NOW, after(7200)))
    other = replace(ONE, **change)  # type: ignore[arg-type] # the fields are of many types
    assert await bring(store, other, replace=with_replace) == [expected]
    kept = await store.authorizations.load("wxplatform", "wxaccount")
    taken = expected is Brought.REPLACED
    assert kept == replace(other if taken else ONE, updated_at=after(60))
    assert (await store.tokens.load(KEY) is None) is taken


async def test_of_one_second_a_withdrawal_is_taken_for_the_later(store: Store) -> None:
    withdrawn = replace(ONE, state=AuthorizationState.REVOKED, refresh_token=None)
    await bring(store, withdrawn)
    assert await bring(store, ONE, replace=True) == [Brought.NEWER]
    assert await bring(store, replace(ONE, event_at=after(1)), replace=True) == [Brought.REPLACED]


async def test_a_refresh_token_that_changed_here_since_is_not_replaced_by_an_older_one(store: Store) -> None:
    await bring(store, ONE)
    renewed = RefreshToken("renewed")
    assert await store.authorizations.keep_refresh_token(
        "wxplatform", "wxaccount", renewed, replacing=ONE.refresh_token, reason="api", now=after(90)
    )
    for asked in (False, True):
        assert await bring(store, ONE, replace=asked) == [Brought.NEWER]
    kept = await store.authorizations.load("wxplatform", "wxaccount")
    assert kept is not None
    assert kept.refresh_token == renewed
    later = replace(ONE, refresh_token=RefreshToken("later"), event_at=after(1))
    ended = replace(ONE, state=AuthorizationState.REVOKED, refresh_token=None, event_at=after(1))
    for brought in (replace(ONE, updated_at=after(91)), later, ended):
        assert await bring(store, brought, replace=True) == [Brought.REPLACED]


async def test_of_two_files_the_newer_one_stays_whichever_was_brought_first(store: Store) -> None:
    newer = replace(ONE, refresh_token=RefreshToken("newer"), updated_at=after(30))
    await bring(store, ONE)
    assert await bring(store, newer, replace=True) == [Brought.REPLACED]
    assert await bring(store, ONE, replace=True) == [Brought.NEWER]


async def test_a_dry_run_tells_the_same_and_changes_nothing(store: Store) -> None:
    await bring(store, ONE)
    new = replace(ONE, appid="wxnew")
    told = await store.transfer.bring(
        [new, replace(ONE, refresh_token=None)], replace=True, reason="import", now=NOW, dry_run=True
    )
    assert told == [Brought.ADDED, Brought.REPLACED]
    assert await store.transfer.count() == 1
    kept = await store.authorizations.load("wxplatform", "wxaccount")
    assert kept is not None
    assert kept.refresh_token == ONE.refresh_token


async def test_pages_have_every_authorization_once(store: Store) -> None:
    pairs = [(f"wxplatform{number % 3}", f"wx{number:03}") for number in range(25)]
    await bring(store, *(replace(ONE, platform=platform, appid=appid) for platform, appid in pairs))
    found, cursor = [], None
    while True:
        page, shut, cursor = await store.transfer.page(cursor, 4)
        assert not shut
        if cursor is None:
            break
        found += [(each.platform, each.appid) for each in page]
    assert found == sorted(pairs)
    assert await store.transfer.count() == 25


async def test_two_who_bring_the_same_at_once_add_it_once(store: Store, other: Store) -> None:
    rows = [replace(ONE, appid=f"wx{number:03}") for number in range(20)]
    first, second = await asyncio.gather(bring(store, *rows), bring(other, *reversed(rows)))
    assert (first + second).count(Brought.ADDED) == 20
    assert await store.transfer.count() == 20
