"""Changes of the configuration: made together or not at all, and never over somebody else's."""

import asyncio
from dataclasses import replace

from tests.store.moments import NOW, TTL, after
from tests.store.test_platforms import DIRECT, PLATFORM
from wxgate.custody.clients import Labels
from wxgate.custody.edits import Change
from wxgate.custody.records import FetchedToken, KeptTicket
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.secret import AccessToken, AppSecret, Ticket
from wxgate.store import Store

LABELS = Labels(frozenset({"shops"}), frozenset({"shop.example.com"}))


async def test_records_of_every_kind_are_added_changed_and_removed_together(store: Store) -> None:
    assert await store.configuration.change(
        [
            Change(PLATFORM.appid, None, PLATFORM),
            Change(DIRECT.appid, None, DIRECT),
            Change(DIRECT.appid, Labels(), LABELS),
        ]
    )
    assert await store.platforms.load_platform(PLATFORM.appid) == PLATFORM
    assert await store.platforms.load_direct(DIRECT.appid) == DIRECT
    assert await store.labels.load(DIRECT.appid) == LABELS
    renamed = replace(PLATFORM, name="another")
    assert await store.configuration.change(
        [
            Change(PLATFORM.appid, PLATFORM, renamed),
            Change(DIRECT.appid, DIRECT, None),
            Change(DIRECT.appid, LABELS, Labels(hosts=LABELS.hosts)),
        ]
    )
    assert await store.platforms.load_platform(PLATFORM.appid) == renamed
    assert await store.platforms.load_direct(DIRECT.appid) is None
    assert await store.labels.load(DIRECT.appid) == Labels(hosts=LABELS.hosts)


async def test_when_one_record_is_no_longer_as_it_was_nothing_is_changed(store: Store) -> None:
    await store.platforms.put_direct(DIRECT)
    await store.platforms.put_platform(replace(PLATFORM, name="changed by another"))
    changes = [
        Change(DIRECT.appid, DIRECT, replace(DIRECT, name="mine")),
        Change("wxnew", None, replace(PLATFORM, appid="wxnew")),
        Change(PLATFORM.appid, PLATFORM, replace(PLATFORM, name="mine")),
    ]
    assert not await store.configuration.change(changes)
    assert await store.platforms.load_direct(DIRECT.appid) == DIRECT
    assert await store.platforms.load_platform("wxnew") is None
    assert not await store.configuration.change([Change(PLATFORM.appid, None, PLATFORM)])
    assert not await store.configuration.change([Change("wxgone", PLATFORM, None)])


async def test_of_many_that_change_one_record_at_once_one_succeeds(store: Store, other: Store) -> None:
    await store.platforms.put_platform(PLATFORM)
    changed = await asyncio.gather(
        *(
            each.configuration.change([Change(PLATFORM.appid, PLATFORM, replace(PLATFORM, name=str(number)))])
            for number, each in enumerate([store, other] * 5)
        )
    )
    assert changed.count(True) == 1


async def test_what_is_removed_loses_its_tickets_and_tokens_for_good_and_others_keep_theirs(
    store: Store,
) -> None:
    await store.platforms.put_platform(PLATFORM)
    await store.platforms.put_direct(DIRECT)
    mine = [
        TokenKey(PLATFORM.appid, PLATFORM.appid, TokenKind.COMPONENT),
        TokenKey(PLATFORM.appid, "wxaccount", TokenKind.AUTHORIZER),
        TokenKey(DIRECT_ISSUER, DIRECT.appid, TokenKind.DIRECT),
    ]
    others = [
        TokenKey("wxanother", DIRECT.appid, TokenKind.AUTHORIZER),
        TokenKey(DIRECT_ISSUER, "wxother", TokenKind.DIRECT),
    ]
    fetched = FetchedToken(AccessToken("token"), NOW, after(7200))
    for key in mine + others:
        lease = await store.tokens.claim(key, holder="h", now=NOW, ttl=TTL)
        assert lease is not None
        await store.tokens.finish(lease, fetched)
    for platform in (PLATFORM.appid, "wxanother"):
        await store.tickets.keep(KeptTicket(platform, Ticket("t"), NOW, NOW), prune_before=NOW)
    under_way = await store.tokens.claim(mine[1], holder="h", now=after(7000), ttl=TTL)
    assert under_way is not None

    assert await store.configuration.change(
        [Change(PLATFORM.appid, PLATFORM, None), Change(DIRECT.appid, DIRECT, None)]
    )

    assert [await store.tokens.load(key) for key in mine] == [None] * 3
    assert all([await store.tokens.load(key) for key in others])
    assert await store.tokens.finish(under_way, fetched) is None
    assert not await store.tickets.newest(PLATFORM.appid)
    assert await store.tickets.newest("wxanother")


async def test_a_new_secret_forgets_what_holds_a_fetch_back(store: Store) -> None:
    await store.platforms.put_platform(PLATFORM)
    await store.platforms.put_direct(DIRECT)
    changes = [
        Change(PLATFORM.appid, PLATFORM, replace(PLATFORM, secret=AppSecret("0" * 32))),
        Change(DIRECT.appid, DIRECT, replace(DIRECT, secret=AppSecret("1" * 32))),
    ]
    keys = [
        TokenKey(PLATFORM.appid, PLATFORM.appid, TokenKind.COMPONENT),
        TokenKey(DIRECT_ISSUER, DIRECT.appid, TokenKind.DIRECT),
    ]
    for key in keys:
        lease = await store.tokens.claim(key, holder="node-a", now=NOW, ttl=TTL)
        assert lease is not None
        assert await store.tokens.fail(lease, not_before=after(5), held_until=after(1))
    assert await store.configuration.change(changes)
    assert [(await store.tokens.look(key)).held_until for key in keys] == [None, None]
