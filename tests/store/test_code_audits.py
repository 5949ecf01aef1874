"""Audits of code: noted once, due at their time to one node, changed by whoever is first."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.store.moments import NOW, after
from wxgate.events.audit_records import AuditSource, AuditState, CodeAudit
from wxgate.store import Store


def audit(number: int = 1, **given: Any) -> CodeAudit:
    """Make an audit."""
    named = {"appid": "wxmini", "platform": "wxplatform", "submitted_at": after(number), **given}
    return CodeAudit(audit_id=str(number), **named)


async def test_an_audit_is_noted_once(store: Store) -> None:
    assert await store.code_audits.note(audit())
    assert not await store.code_audits.note(audit(platform="wxother"))
    assert await store.code_audits.load("wxmini", "1") == audit()
    assert await store.code_audits.load("wxmini", "2") is None


async def test_audits_are_listed_newest_first(store: Store) -> None:
    passed = audit(2, state=AuditState.PASSED, source=AuditSource.POLL, told=False, checked_at=NOW)
    others = audit(3, appid="wxother"), audit(4, platform="wxother", state=AuditState.DELAYED)
    for each in (audit(), passed, *others):
        await store.code_audits.note(each)
    assert await store.code_audits.find() == [others[1], others[0], passed, audit()]
    assert await store.code_audits.find(limit=1) == [others[1]]
    assert await store.code_audits.find(before=others[0]) == [passed, audit()]
    twin = replace(passed, appid="wxaaaa")
    await store.code_audits.note(twin)
    assert await store.code_audits.find(before=passed, limit=1) == [twin]
    assert await store.code_audits.find(before=twin) == [audit()]
    assert await store.code_audits.find(appid="wxmini", platform="wxplatform") == [passed, audit()]
    assert await store.code_audits.find(state=AuditState.PASSED) == [passed, twin]
    assert await store.code_audits.find(appid="wxmini", open_only=True) == [others[1], audit()]


async def test_what_is_due_goes_to_one_node_and_again_when_that_died(store: Store, other: Store) -> None:
    for number in range(1, 7):
        await store.code_audits.note(audit(number, next_check_at=after(number)))
    await store.code_audits.note(audit(7, next_check_at=after(60)))
    await store.code_audits.note(audit(8))
    until = after(30)
    claims = [each.code_audits.claim(now=after(10), until=until, limit=3) for each in (store, other) * 3]
    taken = [one for claimed in await asyncio.gather(*claims) for one in claimed]
    assert sorted(one.audit_id for one in taken) == ["1", "2", "3", "4", "5", "6"]
    assert {one.next_check_at for one in taken} == {until}
    assert len(await store.code_audits.claim(now=until, until=after(90), limit=9)) == 6


async def test_only_the_first_of_two_changes_is_made(store: Store, other: Store) -> None:
    await store.code_audits.note(audit())
    pushed = replace(audit(), state=AuditState.PASSED, source=AuditSource.PUSH)
    polled = replace(audit(), state=AuditState.PASSED, source=AuditSource.POLL, told=False)
    changed = await asyncio.gather(
        store.code_audits.change(pushed, before=AuditState.WAITING),
        other.code_audits.change(polled, before=AuditState.WAITING),
    )
    assert sorted(changed) == [False, True]
    assert await store.code_audits.load("wxmini", "1") == (pushed, polled)[changed.index(True)]


async def test_reasons_of_any_text_are_kept(store: Store) -> None:
    odd = audit(reason="1:含\0有\ud800", screenshot="a|b", next_check_at=NOW + timedelta(hours=1))
    await store.code_audits.note(odd)
    kept = await store.code_audits.load("wxmini", "1")
    assert kept is not None
    assert (kept.screenshot, kept.next_check_at) == (odd.screenshot, odd.next_check_at)
    assert kept.reason.startswith("1:含")


async def test_what_is_settled_and_told_is_dropped_when_it_is_old(store: Store) -> None:
    passed = {"state": AuditState.PASSED}
    kept = [
        audit(1),
        audit(2, **passed, told=False),
        audit(3, **passed, next_check_at=after(9)),
        audit(60, **passed),
    ]
    for each in (*kept, *(audit(number, **passed) for number in (4, 5, 6))):
        await store.code_audits.note(each)
    assert [await store.code_audits.prune(after(60), 2) for _ in range(3)] == [2, 1, 0]
    assert await store.code_audits.find() == kept[::-1]
