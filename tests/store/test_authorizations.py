"""Authorizations: newer events win, a revoked one stays revoked, refresh tokens change only when they may."""

import asyncio
from typing import Any

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import (
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    Evidence,
    ExchangeSource,
    FetchedToken,
    Grant,
    NewExchange,
    StateChange,
)
from wxgate.custody.states import Trigger
from wxgate.events.records import EventKind
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, AuthorizerToken, RefreshToken
from wxgate.store import Store

PENDING, ACTIVE, DEGRADED, NEEDS, REVOKED = AuthorizationState


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


async def news(store: Store, trigger: Trigger, at: float, appid: str = "wxaccount") -> StateChange | None:
    return await store.authorizations.apply(
        "wxplatform", appid, trigger=trigger, event_at=after(at), reason="test", now=after(999)
    )


async def take_back(store: Store, at: float) -> StateChange | None:
    return await news(store, Trigger.TAKEN_BACK, at)


async def find_out(store: Store, about: Authorization, *triggers: Trigger, **more: Any) -> StateChange | None:
    evidence = Evidence(about.platform, about.appid, about.event_at, about.refresh_token, "evidence", **more)
    return await store.authorizations.observe(evidence, *triggers, now=after(99))


async def notices(store: Store) -> list[str]:
    return [event.name for event in await store.inbox.find() if event.kind is EventKind.GATEWAY]


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
    await take_back(store, 1)
    assert (await load(store)).state is REVOKED
    theirs = await store.authorizations.load("wxother", "wxaccount")
    assert theirs is not None
    assert theirs.state is ACTIVE
    assert await store.tokens.load(TokenKey("wxother", "wxaccount", TokenKind.AUTHORIZER))


async def test_authorizations_are_found_by_platform_account_and_state(store: Store) -> None:
    await authorize(store, "wxb", "wx1")
    await authorize(store, "wxa", "wx2")
    await authorize(store, "wxa", "wx1")
    impaired = await store.authorizations.load("wxa", "wx2")
    assert impaired is not None
    await find_out(store, impaired, Trigger.IMPAIRED)

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
    await take_back(store, 1)
    assert not await keep(store, "refresh-2")
    assert (await load(store)).refresh_token is None


async def test_a_newer_event_changes_the_state(store: Store) -> None:
    before = await authorize(store)
    assert await take_back(store, 1) == StateChange(ACTIVE, REVOKED)
    moved = await load(store)
    assert (moved.state, moved.reason, moved.event_at) == (REVOKED, "test", after(1))
    assert moved.authorized_at == before.authorized_at


async def test_a_code_that_is_on_its_way_opens_what_was_closed_and_nothing_else(store: Store) -> None:
    assert await news(store, Trigger.CODE_GIVEN, 0) == StateChange(None, PENDING)
    await authorize(store, at=0)
    assert await news(store, Trigger.CODE_GIVEN, 1) == StateChange(ACTIVE, ACTIVE)
    assert (await load(store)).event_at == after(1)
    await take_back(store, 2)
    assert await news(store, Trigger.CODE_GIVEN, 1) is None
    assert await news(store, Trigger.CODE_GIVEN, 3) == StateChange(REVOKED, PENDING)


async def test_the_answer_to_an_older_code_does_not_replace_what_a_newer_one_brought(store: Store) -> None:
    whole = -NOW.microsecond / 1e6  # WeChat's own time has no fractions
    await authorize(store, at=whole + 5)
    await keep(store, "of-the-newer")
    await authorize(store, at=whole + 3)
    authorization = await load(store)
    assert authorization.refresh_token == RefreshToken("of-the-newer")
    assert authorization.authorized_at == after(whole + 5)


# Evidence


async def test_evidence_changes_the_state_and_tells_of_it_once(store: Store) -> None:
    before = await authorize(store)
    assert await find_out(store, before, Trigger.REFUSED, link="https://x/") == StateChange(ACTIVE, NEEDS)
    assert await find_out(store, await load(store), Trigger.REFUSED) == StateChange(NEEDS, NEEDS)
    moved = await load(store)
    assert (moved.state, moved.reason, moved.refresh_token) == (NEEDS, "evidence", before.refresh_token)
    assert await notices(store) == ["wxgate.needs_reauthorization"]
    [event] = await store.inbox.find()
    assert event.fields == {
        "before": "active",
        "state": "needs_reauthorization",
        "reason": "evidence",
        "link": "https://x/",
    }
    assert await store.inbox.abandoned(now=after(99)) == [event], "the next sweep handles it"


async def test_evidence_about_an_old_refresh_token_changes_nothing(store: Store) -> None:
    before = await authorize(store)
    await keep(store, "refresh-2")
    assert await find_out(store, before, Trigger.REFUSED) is None
    assert (await load(store)).state is ACTIVE
    assert await notices(store) == []


async def test_evidence_from_before_newer_news_changes_nothing(store: Store) -> None:
    before = await authorize(store)
    await news(store, Trigger.CODE_GIVEN, 1)
    assert await find_out(store, before, Trigger.GONE) is None
    await take_back(store, 2)
    assert await find_out(store, before, Trigger.FOUND, found=RefreshToken("dead")) is None
    assert (await load(store)).refresh_token is None


async def test_a_refresh_token_that_was_found_is_kept_with_its_history(store: Store) -> None:
    before = await authorize(store)
    await find_out(store, before, Trigger.REFUSED)
    found = RefreshToken("found")
    assert await find_out(store, before, Trigger.FOUND, found=found) == StateChange(NEEDS, ACTIVE)
    assert (await load(store)).refresh_token == found
    assert await reasons(store) == ["evidence", "authorized"]
    assert await notices(store) == ["wxgate.active", "wxgate.needs_reauthorization"]


async def test_an_account_that_was_found_is_taken_in_once(store: Store, other: Store) -> None:
    evidence = Evidence(
        "wxplatform",
        "wxaccount",
        None,
        None,
        "found",
        found=RefreshToken("listed"),
        func_ids=(1, 2),
        authorized_at=NOW,
    )
    nodes = [(store, other)[n % 2] for n in range(8)]
    changes = await asyncio.gather(
        *(node.authorizations.observe(evidence, Trigger.FOUND, now=NOW) for node in nodes)
    )
    assert [change for change in changes if change] == [StateChange(None, ACTIVE)]
    taken_in = await load(store)
    assert (taken_in.refresh_token, taken_in.granted_ids) == (RefreshToken("listed"), (1, 2))
    assert await notices(store) == ["wxgate.active"]


async def test_evidence_that_the_account_left_closes_it_as_its_own_farewell_would(store: Store) -> None:
    before = await authorize(store)
    assert await find_out(store, before, Trigger.GONE) == StateChange(ACTIVE, REVOKED)
    gone = await load(store)
    assert (gone.refresh_token, gone.event_at) == (None, before.event_at)
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)) is None


async def test_a_permission_set_that_is_gone_is_known_until_it_is_back(store: Store) -> None:
    before = await authorize(store)
    await find_out(store, before, Trigger.IMPAIRED, func_ids=(1,))
    impaired = await load(store)
    assert (impaired.state, impaired.func_ids, impaired.lost_ids) == (DEGRADED, (1,), (15,))
    await find_out(store, impaired, Trigger.WHOLE, func_ids=(1, 15))
    whole = await load(store)
    assert (whole.state, whole.lost_ids) == (ACTIVE, ())


async def test_what_is_found_after_an_end_was_given_anew(store: Store) -> None:
    await authorize(store)
    await take_back(store, 60)
    found = {"found": RefreshToken("listed"), "func_ids": (2,), "authorized_at": after(90)}
    assert await find_out(store, await load(store), Trigger.FOUND, **found) == StateChange(REVOKED, ACTIVE)
    again = await load(store)
    assert (again.func_ids, again.granted_ids, again.lost_ids) == ((2,), (2,), ())
    assert again.event_at == after(90), "what WeChat told before that is out of date"


async def test_one_look_for_a_refresh_token_is_made_by_one(store: Store, other: Store) -> None:
    held = (await authorize(store)).refresh_token

    async def reserve(node: Store, token: RefreshToken | None, now: float) -> bool:
        return await node.authorizations.put_off_repair(
            "wxplatform", "wxaccount", held=token, until=after(now + 60), now=after(now)
        )

    assert not await reserve(store, RefreshToken("another"), 0)
    assert sum(await asyncio.gather(*(reserve((store, other)[n % 2], held, 0) for n in range(8)))) == 1
    assert not await reserve(store, held, 59)
    assert await reserve(store, held, 60)
    reserved = await load(store)
    assert (reserved.repairs, reserved.repair_at) == (2, after(120))


# News


async def test_an_older_event_changes_nothing(store: Store) -> None:
    before = await authorize(store)
    assert not await take_back(store, -1)
    assert await load(store) == before
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER))


async def test_evidence_about_an_account_that_never_authorised_does_nothing(store: Store) -> None:
    nobody = Evidence("wxplatform", "wxaccount", NOW, None, "evidence")
    assert await store.authorizations.observe(nobody, Trigger.GONE, now=NOW) is None
    assert await store.authorizations.load("wxplatform", "wxaccount") is None


async def test_revoking_clears_the_refresh_token_and_drops_every_token(store: Store) -> None:
    await authorize(store)
    keys = [TokenKey("wxplatform", "wxaccount", kind) for kind in (TokenKind.AUTHORIZER, TokenKind.WX_CARD)]
    lease = await store.tokens.claim(keys[1], holder="node", now=NOW, ttl=TTL)
    assert lease is not None
    assert await take_back(store, 1)
    revoked = await load(store)
    assert (revoked.state, revoked.refresh_token) == (REVOKED, None)
    assert [await store.tokens.load(key) for key in keys] == [None, None]
    assert await store.tokens.finish(lease, FetchedToken(AuthorizerToken("x"), NOW, after(60))) is None
    assert await reasons(store) == ["authorized"]


async def test_revoking_what_was_never_authorised_is_remembered(store: Store) -> None:
    assert await take_back(store, 5)
    revoked = await load(store)
    assert (revoked.state, revoked.refresh_token, revoked.event_at) == (REVOKED, None, after(5))


async def test_a_code_from_before_the_revocation_does_not_open_it_again(store: Store) -> None:
    await take_back(store, 5)
    authorization = await authorize(store, at=4)
    assert authorization == await load(store)
    assert (authorization.state, authorization.refresh_token) == (REVOKED, None)
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)) is None
    assert await reasons(store) == []


async def test_a_code_from_after_the_revocation_opens_it_again(store: Store) -> None:
    await take_back(store, 5)
    assert (await authorize(store, at=6)).state is ACTIVE
    assert await store.tokens.load(TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER))


async def test_a_revocation_and_an_older_code_at_once_end_revoked(store: Store, other: Store) -> None:
    """Whichever commits first: the row may not exist yet when both begin."""
    for number in range(10):
        appid = f"wx{number}"
        await asyncio.gather(
            authorize(store, appid=appid, at=0),
            news(other, Trigger.TAKEN_BACK, 5, appid),
        )
        authorization = await store.authorizations.load("wxplatform", appid)
        assert authorization is not None
        assert (authorization.state, authorization.refresh_token) == (REVOKED, None)
        assert await store.tokens.load(TokenKey("wxplatform", appid, TokenKind.AUTHORIZER)) is None


async def test_of_many_concurrent_events_the_newest_one_stays(store: Store, other: Store) -> None:
    await authorize(store)
    triggers = [Trigger.TAKEN_BACK, Trigger.CODE_GIVEN]
    await asyncio.gather(*(news((store, other)[n % 2], triggers[n % 2], n) for n in range(1, 31)))
    final = await load(store)
    assert (final.state, final.event_at) == (REVOKED, after(30))


async def test_a_new_refresh_token_or_authorization_forgets_what_holds_a_fetch_back(store: Store) -> None:
    key = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
    await authorize(store)
    for at, renew in ((1, lambda: keep(store, "refresh-2")), (60, lambda: authorize(store, at=60))):
        lease = await store.tokens.claim(key, holder="node-a", now=after(at), ttl=TTL)
        assert lease is not None
        assert await store.tokens.fail(lease, not_before=after(at + 5), held_until=after(at + 1))
        assert await renew()
        row = await store.tokens.look(key)
        assert (row.not_before, row.held_until) == (None, None)
