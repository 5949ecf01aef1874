"""The record of release tests: a push leaves one line, and its job has one worker and forgets its code."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.store.moments import NOW, after
from wxgate.events.release_remarks import Remark
from wxgate.events.release_test import ReleaseLine, ReleaseStep
from wxgate.secret import AuthorizationCode
from wxgate.store import Store

TESTED = ReleaseLine(
    platform="wxplatform",
    appid="wx570bc396a51b8ff8",
    step=ReleaseStep.AUTHORIZED,
    at=NOW,
    ok=True,
    received="{}",
    answered="success",
    remarks=(Remark("ticket", {"seconds": 7}),),
    event_key="a" * 64,
    code=AuthorizationCode("the-tested-code"),
)

SENT = (Remark("exchanged", {"origin": "message"}), Remark("sent"))

JOB = replace(
    TESTED,
    step=ReleaseStep.API_TEXT,
    ok=None,
    answered="",
    event_key="b" * 64,
    openid="oUser",
    code=AuthorizationCode("the-asked-code"),
    due_at=after(60),
)


async def test_a_push_leaves_one_line_of_a_step(store: Store, other: Store) -> None:
    begun = await asyncio.gather(*(one.release_tests.begin(JOB) for one in (store, other, store)))
    assert [line for line in begun if line is not None] == [JOB]
    assert await store.release_tests.begin(replace(JOB, step=ReleaseStep.TICKET)) is not None
    assert len(await store.release_tests.find_lines()) == 2


async def test_a_job_is_taken_over_by_one_when_it_is_due_and_not_before(store: Store, other: Store) -> None:
    line = await store.release_tests.begin(JOB)
    assert line is not None
    assert await store.release_tests.due_lines(now=after(59)) == []
    assert await store.release_tests.claim(line.id, now=after(59), due_at=after(120)) is None
    assert await store.release_tests.due_lines(now=after(60)) == [line.id]
    taken = await asyncio.gather(
        *(one.release_tests.claim(line.id, now=after(60), due_at=after(120)) for one in (store, other, store))
    )
    assert [one for one in taken if one is not None] == [replace(JOB, due_at=after(120))]
    assert await store.release_tests.due_lines(now=after(60)) == []


async def test_a_finished_job_has_its_outcome_and_no_code(store: Store) -> None:
    line = await store.release_tests.begin(JOB)
    assert line is not None
    assert await store.release_tests.finish(line, ok=True, answered="(empty)", remarks=SENT)
    (kept,) = await store.release_tests.find_lines("wxplatform")
    assert (kept.ok, kept.answered, kept.remarks, kept.due_at) == (True, "(empty)", SENT, None)
    assert await store.release_tests.due_lines(now=after(3600)) == []
    assert not await store.release_tests.finish(line, ok=False, answered="", remarks=())


async def test_who_was_overtaken_does_not_write_the_outcome(store: Store) -> None:
    slow = await store.release_tests.begin(JOB)
    assert slow is not None
    quick = await store.release_tests.claim(slow.id, now=after(60), due_at=after(120))
    assert quick is not None
    assert not await store.release_tests.finish(slow, ok=False, answered="", remarks=())
    assert await store.release_tests.finish(quick, ok=True, answered="", remarks=SENT)


async def test_the_newest_code_of_an_account_is_found_until_it_is_dropped(store: Store) -> None:
    release_tests = store.release_tests
    await release_tests.begin(TESTED)
    newer = replace(TESTED, event_key="c" * 64, code=AuthorizationCode("newer"), at=after(10))
    await release_tests.begin(newer)
    await release_tests.begin(JOB)
    await release_tests.begin(replace(TESTED, event_key="d" * 64, appid="wx9252c5e0bb1836fc"))
    code = await release_tests.newest_code("wxplatform", TESTED.appid, since=NOW - timedelta(hours=1))
    assert code == AuthorizationCode("newer")
    assert await release_tests.newest_code("wxplatform", TESTED.appid, since=after(11)) is None
    assert await release_tests.newest_code("wxother", TESTED.appid, since=NOW) is None
    await release_tests.drop_codes("wxplatform", TESTED.appid)
    assert await release_tests.newest_code("wxplatform", TESTED.appid, since=NOW) is None
    assert await release_tests.newest_code("wxplatform", "wx9252c5e0bb1836fc", since=NOW) is not None


async def test_lines_come_newest_first_of_one_platform_or_of_all_without_codes(store: Store) -> None:
    for number, platform in enumerate(("wxa", "wxb", "wxa")):
        await store.release_tests.begin(replace(TESTED, platform=platform, event_key=str(number)))
    assert [line.event_key for line in await store.release_tests.find_lines("wxa")] == ["2", "0"]
    lines = await store.release_tests.find_lines(limit=2)
    assert [line.event_key for line in lines] == ["2", "1"]
    assert {line.code for line in lines} == {None}


async def test_old_lines_are_dropped_but_for_those_under_way(store: Store) -> None:
    for number in range(3):
        old = replace(TESTED, event_key=f"{number}" * 64, at=after(number), code=None)
        assert await store.release_tests.begin(old) is not None
    assert await store.release_tests.begin(replace(JOB, at=after(0))) is not None
    assert await store.release_tests.begin(replace(TESTED, at=after(60))) is not None
    assert [await store.release_tests.prune(after(60), 2) for _ in range(3)] == [2, 1, 0]
    assert [line.at for line in await store.release_tests.find_lines()] == [after(60), after(0)]
