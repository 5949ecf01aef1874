"""Exchanges: one durable job per code, one worker at a time, one commit for all it brings."""

import asyncio
from dataclasses import replace
from datetime import datetime

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import (
    Authorization,
    AuthorizationState,
    Exchange,
    ExchangeSource,
    ExchangeState,
    FetchedToken,
    Flow,
    Grant,
    Invite,
    LinkChoices,
    NewExchange,
)
from wxgate.custody.states import Trigger
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, AuthorizerToken, RefreshToken
from wxgate.store import Store

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
REDIRECT = NewExchange("wxplatform", AuthorizationCode("code-1"), ExchangeSource.REDIRECT, NOW, flow="flow-1")
PUSH = NewExchange(
    "wxplatform", AuthorizationCode("code-1"), ExchangeSource.AUTHORIZED, after(-1), appid="wxaccount"
)
GRANT = Grant(
    "wxaccount",
    RefreshToken("refresh-1"),
    (1, 15),
    FetchedToken(AuthorizerToken("access-1"), NOW, after(7200)),
)


async def start(store: Store, new: NewExchange = PUSH, at: float = 0) -> Exchange:
    job = await store.exchanges.open(new, now=after(at))
    claimed = await store.exchanges.claim(job.id, now=after(at), ttl=TTL)
    assert claimed is not None
    return claimed


async def finish(store: Store, job: Exchange, grant: Grant = GRANT, at: float = 2) -> Authorization:
    authorization = await store.exchanges.finish(job, grant, now=after(at))
    assert authorization is not None
    return authorization


async def load(store: Store, job: Exchange) -> Exchange:
    loaded = await store.exchanges.load(job.id)
    assert loaded is not None
    return loaded


def flow(id: str = "flow-1", reference: str = "tenant-1") -> Flow:
    return Flow(id, "wxplatform", "fingerprint", None, reference, None, NOW, after(3600))


async def test_a_new_code_becomes_a_pending_job(store: Store) -> None:
    job = await store.exchanges.open(REDIRECT, now=NOW)
    assert job == Exchange(
        id=job.id,
        platform="wxplatform",
        code=AuthorizationCode("code-1"),
        source=ExchangeSource.REDIRECT,
        state=ExchangeState.PENDING,
        appid=None,
        flow="flow-1",
        event_at=NOW,
        created_at=NOW,
        fence=0,
        lease_until=None,
        maybe_spent=False,
        errcode=None,
        error="",
    )
    assert await load(store, job) == job


async def test_an_unknown_job_is_none(store: Store) -> None:
    assert await store.exchanges.load("no-such-job") is None
    assert await store.exchanges.claim("no-such-job", now=NOW, ttl=TTL) is None


async def test_a_later_arrival_completes_the_job_that_is_there(store: Store) -> None:
    first = await store.exchanges.open(REDIRECT, now=NOW)
    second = await store.exchanges.open(PUSH, now=after(1))
    assert second == replace(
        first, appid="wxaccount", source=ExchangeSource.AUTHORIZED, event_at=PUSH.event_at
    ), "WeChat's word on when it was counts for more than ours"
    assert await store.exchanges.open(REDIRECT, now=after(2)) == second


async def test_a_later_arrival_never_replaces_what_was_known(store: Store) -> None:
    first = await store.exchanges.open(replace(PUSH, flow="flow-1"), now=NOW)
    later = replace(PUSH, appid="wxother", flow="flow-2", event_at=after(9))
    assert await store.exchanges.open(later, now=after(1)) == first


async def test_many_arrivals_of_one_code_open_one_job(store: Store, other: Store) -> None:
    arrivals = [(store, other)[n % 2].exchanges.open((REDIRECT, PUSH)[n % 2], now=NOW) for n in range(20)]
    assert len({job.id for job in await asyncio.gather(*arrivals)}) == 1


async def test_the_same_code_at_two_platforms_is_two_jobs(store: Store) -> None:
    first = await store.exchanges.open(PUSH, now=NOW)
    assert (await store.exchanges.open(replace(PUSH, platform="wxother"), now=NOW)).id != first.id


async def test_exactly_one_of_fifty_concurrent_claims_gets_the_job(store: Store, other: Store) -> None:
    job = await store.exchanges.open(PUSH, now=NOW)
    claims = [(store, other)[n % 2].exchanges.claim(job.id, now=NOW, ttl=TTL) for n in range(50)]
    won = [claimed for claimed in await asyncio.gather(*claims) if claimed]
    assert won == [replace(job, state=ExchangeState.EXCHANGING, fence=1, lease_until=NOW + TTL)]


async def test_a_job_whose_worker_died_is_claimed_with_a_higher_fence_and_the_old_finish_writes_nothing(
    store: Store, other: Store
) -> None:
    dead = await start(store)
    taken = await other.exchanges.claim(dead.id, now=after(15), ttl=TTL)
    assert taken is not None
    assert taken.fence == dead.fence + 1
    assert await store.exchanges.finish(dead, GRANT, now=after(16)) is None
    assert not await store.exchanges.fail(dead, errcode=61010, error="late", now=after(16))
    await store.exchanges.postpone(dead, error="late", not_before=NOW)
    assert await load(store, dead) == taken
    assert await store.authorizations.load("wxplatform", "wxaccount") is None
    assert await store.tokens.load(KEY) is None


async def test_finishing_commits_everything_a_code_brought(store: Store) -> None:
    await store.links.put_flow(flow())
    job = await start(store, replace(REDIRECT, event_at=after(1)))
    authorization = await finish(store, job)
    assert authorization == Authorization(
        platform="wxplatform",
        appid="wxaccount",
        state=AuthorizationState.ACTIVE,
        refresh_token=RefreshToken("refresh-1"),
        func_ids=(1, 15),
        reason="redirect",
        reference="tenant-1",
        authorized_at=after(1),
        event_at=after(1),
        updated_at=after(2),
        granted_ids=(1, 15),
    )
    assert await store.authorizations.load("wxplatform", "wxaccount") == authorization
    ended = await load(store, job)
    assert (ended.state, ended.appid, ended.lease_until) == (ExchangeState.DONE, "wxaccount", None)
    kept = await store.tokens.load(KEY)
    assert kept is not None
    assert (kept.token, kept.version) == (AuthorizerToken("access-1"), 1)
    history = await store.authorizations.history("wxplatform", "wxaccount")
    assert [(change.reason, change.at) for change in history] == [("redirect", after(2))]


async def test_a_finish_that_fails_half_way_leaves_nothing_behind(store: Store) -> None:
    """The authorization and the job come before the token, which is made unwritable here."""
    job = await start(store)
    unwritable = FetchedToken(AuthorizerToken("access"), NOW, expires_at=None)  # type: ignore[arg-type]
    failed = await asyncio.gather(
        store.exchanges.finish(job, replace(GRANT, access=unwritable), now=after(2)), return_exceptions=True
    )
    assert isinstance(failed[0], Exception)
    assert await load(store, job) == job
    assert await store.authorizations.load("wxplatform", "wxaccount") is None
    assert list(await store.authorizations.history("wxplatform", "wxaccount")) == []


async def test_a_job_is_finished_once(store: Store, other: Store) -> None:
    job = await start(store)
    finishes = [(store, other)[n % 2].exchanges.finish(job, GRANT, now=after(2)) for n in range(10)]
    assert len([done for done in await asyncio.gather(*finishes) if done]) == 1
    assert len(await store.authorizations.history("wxplatform", "wxaccount")) == 1


async def test_a_second_authorization_replaces_what_the_first_brought(store: Store) -> None:
    await store.links.put_flow(flow())
    await finish(store, await start(store, REDIRECT))
    update = NewExchange(
        "wxplatform", AuthorizationCode("code-2"), ExchangeSource.UPDATED, after(60), "wxaccount"
    )
    access = FetchedToken(AuthorizerToken("access-2"), after(61), after(7261))
    grant = Grant("wxaccount", RefreshToken("refresh-2"), (1,), access)
    second = await finish(store, await start(store, update, at=61), grant, at=61)
    assert (second.refresh_token, second.func_ids) == (RefreshToken("refresh-2"), (1,))
    assert second.event_at == after(60)
    assert second.reference == "tenant-1", "a change of rights does not take the account from its tenant"
    kept = await store.tokens.load(KEY)
    assert kept is not None
    assert (kept.token, kept.version) == (AuthorizerToken("access-2"), 2)


async def test_a_grant_without_an_access_token_removes_the_old_one(store: Store) -> None:
    await finish(store, await start(store))
    job = await start(store, replace(PUSH, code=AuthorizationCode("code-2")))
    await finish(store, job, replace(GRANT, access=None))
    assert await store.tokens.load(KEY) is None


async def test_a_grant_without_a_refresh_token_keeps_the_old_one(store: Store) -> None:
    await finish(store, await start(store))
    job = await start(store, replace(PUSH, code=AuthorizationCode("code-2")))
    authorization = await finish(store, job, replace(GRANT, refresh_token=None))
    assert authorization.refresh_token == RefreshToken("refresh-1")
    assert len(await store.authorizations.history("wxplatform", "wxaccount")) == 1


async def test_a_renewal_under_way_does_not_overwrite_the_token_of_a_code(store: Store) -> None:
    lease = await store.tokens.claim(KEY, holder="node", now=NOW, ttl=TTL)
    assert lease is not None
    await finish(store, await start(store))
    assert await store.tokens.finish(lease, FetchedToken(AuthorizerToken("old"), NOW, after(60))) is None
    kept = await store.tokens.load(KEY)
    assert kept is not None
    assert kept.token == AuthorizerToken("access-1")


async def test_a_flow_that_became_known_during_the_exchange_gives_its_reference(store: Store) -> None:
    await store.links.put_flow(flow())
    job = await start(store)
    await store.exchanges.open(REDIRECT, now=after(1))
    assert (await finish(store, job)).reference == "tenant-1"


async def test_an_event_newer_than_the_code_keeps_its_place(store: Store) -> None:
    await finish(store, await start(store))
    await store.authorizations.apply(
        "wxplatform",
        "wxaccount",
        trigger=Trigger.CODE_GIVEN,
        event_at=after(100),
        reason="",
        now=after(100),
    )
    job = await start(store, replace(PUSH, code=AuthorizationCode("code-2")))
    authorization = await finish(store, job)
    assert (authorization.state, authorization.event_at) == (AuthorizationState.ACTIVE, after(100))


async def test_a_failed_job_tells_why_and_is_over(store: Store) -> None:
    job = await start(store)
    assert await store.exchanges.fail(job, errcode=61010, error="code is expired", now=after(1))
    failed = await load(store, job)
    assert (failed.state, failed.errcode, failed.error) == (ExchangeState.FAILED, 61010, "code is expired")
    assert await store.exchanges.claim(job.id, now=after(100), ttl=TTL) is None
    assert not await store.exchanges.fail(job, errcode=None, error="", now=after(2))


async def test_a_postponed_job_is_left_alone_until_its_time(store: Store) -> None:
    job = await start(store)
    await store.exchanges.postpone(job, error="no answer", not_before=after(5))
    waiting = await load(store, job)
    assert (waiting.state, waiting.error, waiting.lease_until) == (ExchangeState.PENDING, "no answer", None)
    assert await store.exchanges.claim(job.id, now=after(4), ttl=TTL) is None
    assert await store.exchanges.unfinished(now=after(4)) == []
    again = await store.exchanges.claim(job.id, now=after(5), ttl=TTL)
    assert again is not None
    assert again.fence == job.fence + 1
    assert not again.maybe_spent


async def test_a_push_for_a_postponed_redirect_makes_it_due_at_once(store: Store) -> None:
    job = await start(store, REDIRECT)
    await store.exchanges.postpone(job, error="no ticket", not_before=after(300))
    await store.exchanges.open(PUSH, now=after(1))
    assert await store.exchanges.claim(job.id, now=after(1), ttl=TTL) is not None


async def test_that_a_code_may_be_spent_is_remembered_for_ever(store: Store) -> None:
    job = await start(store)
    await store.exchanges.postpone(job, error="lost", not_before=NOW, maybe_spent=True)
    again = await store.exchanges.claim(job.id, now=after(1), ttl=TTL)
    assert again is not None
    assert again.maybe_spent
    await store.exchanges.postpone(again, error="busy", not_before=NOW)
    assert (await load(store, job)).maybe_spent


async def test_a_job_taken_over_from_the_dead_may_be_spent(store: Store) -> None:
    job = await start(store)
    taken = await store.exchanges.claim(job.id, now=after(15), ttl=TTL)
    assert taken is not None
    assert taken.maybe_spent


async def test_a_failed_job_that_learns_its_account_is_tried_again(store: Store) -> None:
    job = await start(store, REDIRECT)
    assert await store.exchanges.fail(job, errcode=61010, error="code is expired", now=NOW)
    assert (await store.exchanges.open(REDIRECT, now=after(1))).state is ExchangeState.FAILED
    assert (await store.exchanges.open(PUSH, now=after(2))).state is ExchangeState.PENDING
    again = await store.exchanges.claim(job.id, now=after(2), ttl=TTL)
    assert again is not None
    assert await store.exchanges.fail(again, errcode=61010, error="code is expired", now=after(3))
    assert (await store.exchanges.open(PUSH, now=after(4))).state is ExchangeState.FAILED


async def test_wechats_time_replaces_ours_after_the_exchange_too(store: Store) -> None:
    await finish(store, await start(store, REDIRECT))
    await store.exchanges.open(PUSH, now=after(3))
    held = await store.authorizations.load("wxplatform", "wxaccount")
    assert held is not None
    assert (held.event_at, held.authorized_at) == (PUSH.event_at, PUSH.event_at)


async def test_what_is_read_back_for_a_browser_is_credited_to_nobody(store: Store) -> None:
    await store.links.put_flow(flow())
    job = await start(store, REDIRECT)
    authorization = await store.exchanges.finish(job, GRANT, now=after(2), bind_flow=False)
    assert authorization is not None
    assert authorization.reference == ""
    assert await store.exchanges.find_by_flow("flow-1") == []


async def test_a_finished_job_is_not_postponed(store: Store) -> None:
    job = await start(store)
    await finish(store, job)
    await store.exchanges.postpone(job, error="late", not_before=NOW)
    assert (await load(store, job)).state is ExchangeState.DONE


async def test_the_jobs_of_a_flow_are_listed_newest_first(store: Store) -> None:
    for number in (1, 2, 3):
        code = AuthorizationCode(f"code-{number}")
        await store.exchanges.open(replace(REDIRECT, code=code), now=after(number))
    await store.exchanges.open(replace(REDIRECT, code=AuthorizationCode("code-4"), flow="other"), now=NOW)
    jobs = await store.exchanges.find_by_flow("flow-1")
    assert [job.code.reveal() for job in jobs] == ["code-3", "code-2", "code-1"]


async def test_an_account_is_open_while_a_job_is_for_it(store: Store) -> None:
    async def is_open(platform: str = "wxplatform", appid: str = "wxaccount") -> bool:
        return await store.exchanges.is_open(platform, appid)

    assert not await is_open()
    job = await start(store)
    assert await is_open()
    assert not await is_open(appid="wxsomebodyelse")
    assert not await is_open(platform="wxother")
    await store.exchanges.open(replace(REDIRECT, code=AuthorizationCode("code-2")), now=NOW)
    assert not await is_open(appid="wxsomebodyelse"), "a stranger's code opens nobody's account"
    await finish(store, job)
    assert not await is_open()


async def test_jobs_nobody_works_on_are_listed_oldest_first(store: Store) -> None:
    async def opened(name: str, at: float) -> Exchange:
        code = AuthorizationCode(name)
        return await store.exchanges.open(replace(PUSH, code=code), now=after(at))

    async def work(job: Exchange, now: datetime) -> Exchange:
        claimed = await store.exchanges.claim(job.id, now=now, ttl=TTL)
        assert claimed is not None
        return claimed

    waiting = await opened("waiting", 3)
    abandoned = await work(await opened("abandoned", 1), NOW)
    await work(await opened("under way", 2), after(10))
    await finish(store, await work(await opened("done", 0), NOW))
    unfinished = await store.exchanges.unfinished(now=after(15))
    assert [job.id for job in unfinished] == [abandoned.id, waiting.id]
    assert len(await store.exchanges.unfinished(now=after(15), limit=1)) == 1


async def test_a_flow_that_became_known_after_the_exchange_still_gives_its_reference(store: Store) -> None:
    await store.links.put_flow(flow())
    assert (await finish(store, await start(store, PUSH))).reference == ""
    await store.exchanges.open(REDIRECT, now=after(3))
    bound = await store.authorizations.load("wxplatform", "wxaccount")
    assert bound is not None
    assert bound.reference == "tenant-1"


async def test_a_code_that_fails_does_not_use_its_invite(store: Store) -> None:
    invite = Invite("invite", "wxplatform", "tenant-1", LinkChoices(), None, 1, 0, after(3600), NOW)
    await store.links.put_invite(invite)
    await store.links.put_flow(replace(flow(), invite="invite"))
    job = await start(store, REDIRECT)
    assert await store.exchanges.fail(job, errcode=61010, error="code is expired", now=NOW)
    assert await store.links.load_invite("invite") == invite

    again = await start(store, replace(REDIRECT, code=AuthorizationCode("code-2")))
    assert (await finish(store, again)).reference == "tenant-1"
    assert await store.links.load_invite("invite") == replace(invite, uses=1)
