"""Many at once, on two nodes: one exchanges, one redeems, one is made; whoever comes second hears of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import select, update

from tests.store.login_rows import (
    ACCESS,
    ATTEMPT,
    CODE,
    OPENID,
    OUTCOME,
    SCAN,
    SESSION,
    SIGNING_KEY,
    UNIONID,
    know,
    put_session,
)
from tests.store.moments import NOW, after
from wxgate.login.records import GrantKind, IdentityKind, Name, Profile, ScanState
from wxgate.store import Store
from wxgate.store.login_tables import codes, grants

T = TypeVar("T")

CALLERS = 50

REFRESH = replace(ACCESS, token_hash="refresh", kind=GrantKind.REFRESH)


async def many(store: Store, other: Store, call: Callable[[Store, int], Awaitable[T]]) -> Sequence[T]:
    """Do the same many times at once, half of it on each node."""
    return await asyncio.gather(*(call((store, other)[n % 2], n) for n in range(CALLERS)))


async def test_of_many_callbacks_one_exchanges_and_all_read_one_outcome(store: Store, other: Store) -> None:
    state = ATTEMPT.state_hash
    await store.login.attempts.create(ATTEMPT)

    async def call_back(node: Store, number: int) -> bool:
        attempts, holder = node.login.attempts, f"holder-{number}"
        claimed = await attempts.claim(state, holder=holder, now=NOW, lease_until=after(10))
        if claimed:
            assert await attempts.finish(state, holder=holder, outcome=OUTCOME, now=NOW)
        return claimed

    assert sum(await many(store, other, call_back)) == 1

    async def read(node: Store, _: int) -> object:
        attempt = await node.login.attempts.load(state)
        return attempt and attempt.outcome

    assert list(await many(store, other, read)) == [OUTCOME] * CALLERS


async def test_of_many_that_spend_a_code_one_is_the_first(store: Store, other: Store) -> None:
    await store.login.codes.put(CODE)

    async def take(node: Store, number: int) -> bool:
        taken = await node.login.codes.take(CODE.code_hash, now=after(number))
        assert taken is not None
        return taken[1]

    assert Counter(await many(store, other, take)) == {True: 1, False: CALLERS - 1}


async def test_of_many_that_refresh_one_gets_new_tokens(store: Store, other: Store) -> None:
    await store.login.grants.put([REFRESH])

    async def refresh(node: Store, number: int) -> bool:
        new = replace(REFRESH, token_hash=f"new-{number}")
        return await node.login.grants.replace("refresh", [new], now=after(1))

    assert sum(await many(store, other, refresh)) == 1
    async with store.database.read() as connection:
        hashes = (await connection.scalars(select(grants.c.token_hash))).all()
    assert len(hashes) == 2


async def test_of_many_that_scan_confirm_or_refuse_one_decides(store: Store, other: Store) -> None:
    await store.login.scans.create(SCAN)

    async def scan(node: Store, number: int) -> bool:
        step = {"before": ScanState.SHOWN, "after": ScanState.SCANNED, "now": NOW}
        return await node.login.scans.advance("scan-1", openid=f"o-{number}", **step) is not None  # type: ignore[arg-type]

    async def decide(node: Store, number: int) -> bool:
        decision = (ScanState.CONFIRMED, ScanState.REFUSED)[number % 3 == 0]
        step = {"before": ScanState.SCANNED, "after": decision, "now": NOW}
        return await node.login.scans.advance("scan-1", **step) is not None  # type: ignore[arg-type]

    assert sum(await many(store, other, scan)) == 1
    assert sum(await many(store, other, decide)) == 1


async def test_of_many_that_end_a_session_one_tells_of_it(store: Store, other: Store) -> None:
    await put_session(store, SESSION)

    async def end(node: Store, number: int) -> int:
        if number % 5 == 0:
            return len(await node.login.sessions.end_all(realm="shops", reason="all", now=NOW))
        return await node.login.sessions.end(SESSION.id_hash, reason="logout", now=NOW) is not None

    assert sum(await many(store, other, end)) == 1


async def test_of_many_that_need_a_signing_key_one_makes_it(store: Store, other: Store) -> None:
    async def put(node: Store, number: int) -> bool:
        return await node.login.keys.put(replace(SIGNING_KEY, kid=f"k-{number}"), only_if_none=True)

    assert sum(await many(store, other, put)) == 1
    assert len(await store.login.keys.of("shops")) == 1


async def test_many_first_logins_of_one_person_make_one_subject(store: Store, other: Store) -> None:
    """They bring their names in any order, and some bring fewer."""
    forms = ([OPENID, UNIONID], [UNIONID, OPENID], [UNIONID], [OPENID, UNIONID])
    identities = store.login.identities

    async def log_in(node: Store, number: int) -> str:
        subject, conflicts = await node.login.identities.resolve(
            "shops", forms[number % 4], new_sub=f"u_{number}", profile=Profile(str(number)), now=NOW
        )
        assert not conflicts
        return subject.sub

    [sub] = set(await many(store, other, log_in))
    assert [subject.sub for subject in await identities.subjects("shops")] == [sub]
    assert await identities.find("shops", [OPENID, UNIONID]) == {OPENID: sub, UNIONID: sub}


async def test_names_that_meet_in_many_logins_at_once_stand_for_one_subject_each(
    store: Store, other: Store
) -> None:
    """Openids of several apps arrive with each other's unionid, while subjects are merged and forgotten."""
    names = [Name(IdentityKind.OPENID, f"wx{n}", f"o-{n}") for n in range(4)] + [UNIONID]
    identities = store.login.identities

    async def act(node: Store, number: int) -> None:
        mine = node.login.identities
        if number % 10 == 7:
            for conflict in await mine.conflicts("shops"):
                await mine.merge("shops", kept=conflict.kept, other=conflict.other, now=NOW)
        elif number % 10 == 9:
            for subject in (await mine.subjects("shops"))[:1]:
                await mine.forget("shops", subject.sub)
        else:
            some = [names[number % 4], UNIONID] if number % 3 else [names[number % 4]]
            await mine.resolve("shops", some, new_sub=f"u_{number}", profile=Profile(), now=NOW)

    await many(store, other, act)
    for conflict in await identities.conflicts("shops"):
        await identities.merge("shops", kept=conflict.kept, other=conflict.other, now=NOW)
    subjects = {subject.sub: subject for subject in await identities.subjects("shops")}
    found = await identities.find("shops", names)
    assert {subjects[sub].alias_of for sub in found.values()} == {None}, "a name stands for nobody"
    assert {each.alias_of for each in subjects.values()} - {None} <= subjects.keys()
    for sub in subjects:
        assert {each.name for each in await identities.names("shops", sub)} == {
            name for name, owner in found.items() if owner == sub
        }


async def test_tokens_kept_while_their_code_is_spent_again_are_revoked(store: Store, other: Store) -> None:
    """Whichever comes first: after the second use nobody has a token that works."""
    for number in range(10):
        code = replace(CODE, code_hash=f"c{number}", family=f"f{number}")
        await store.login.codes.put(code)
        await store.login.codes.take(code.code_hash, now=NOW)
        token = replace(ACCESS, token_hash=f"t{number}", family=code.family)

        async def spend_again(code_hash: str = code.code_hash, family: str = code.family) -> None:
            await other.login.codes.take(code_hash, now=after(1))
            await other.login.grants.revoke_family(family, now=after(1))

        await asyncio.gather(store.login.grants.put([token]), spend_again())
        kept = await store.login.grants.load(token.token_hash)
        assert kept is not None
        assert kept.revoked_at == after(1)


async def test_who_spends_a_code_again_waits_for_its_tokens(store: Store, other: Store) -> None:
    """Brought about: the tokens are being kept, and not committed, when the code comes again."""
    await store.login.codes.put(CODE)
    await store.login.codes.take(CODE.code_hash, now=NOW)
    async with other.database.write() as connection:
        await connection.execute(update(codes).values(used_at=NOW))  # the lock that keeping tokens takes
        again = asyncio.create_task(store.login.codes.take(CODE.code_hash, now=after(1)))
        await asyncio.sleep(0.05)
        assert not again.done()
    taken = await again
    assert taken is not None
    assert not taken[1]


async def test_a_family_revoked_while_it_grows_is_revoked_whole(store: Store, other: Store) -> None:
    for number in range(10):
        first = replace(REFRESH, token_hash=f"r{number}", family=f"f{number}", sid=f"s{number}")
        second = replace(first, token_hash=f"n{number}")
        await store.login.grants.put([first])
        await asyncio.gather(
            store.login.grants.replace(first.token_hash, [second], now=after(1)),
            other.login.grants.revoke_family(first.family, now=after(2)),
        )
        kept = await store.login.grants.load(second.token_hash)
        assert kept is None or kept.revoked_at == after(2)


async def test_of_many_logins_in_the_place_of_one_session_the_last_lives(store: Store, other: Store) -> None:
    await put_session(store, SESSION)

    async def log_in(node: Store, number: int) -> str:
        new = replace(SESSION, id_hash=f"n{number}", sid=f"n{number}")
        return (await put_session(node, new, instead_of=SESSION.id_hash)).sid

    assert set(await many(store, other, log_in)) == {"sid-1"}
    [last] = await store.login.sessions.live("shops", now=NOW)
    assert last.sid == "sid-1"
    old = await store.login.sessions.load(SESSION.id_hash)
    assert old is not None
    assert old.end_reason == "replaced"


async def test_nobody_is_forgotten_and_still_logged_in(store: Store, other: Store) -> None:
    """Whichever comes first: the session goes with its subject, or is never made."""
    for turn in range(5):
        sub = f"u_{turn}"
        await know(store, sub)
        new = replace(SESSION, sub=sub, id_hash=sub, sid=sub)
        await asyncio.gather(store.login.sessions.create(new), other.login.identities.forget("shops", sub))
        assert await store.login.sessions.load(sub) is None
