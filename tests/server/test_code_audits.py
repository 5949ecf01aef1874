"""Audits of code from submission to result: pushed, lost and asked for, pushed late, taken back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import another_node, authorized_account, settle
from tests.events.events import a_subscriber
from tests.harness import Harness, World
from tests.pushing import metric, recorded
from tests.server.test_management import manager
from wxgate.errors import WeChatError
from wxgate.events.audit_records import AuditSource, AuditState, CodeAudit
from wxgate.events.handlers import Handlers
from wxgate.events.reception import SETTLED
from wxgate.events.records import Event, Filter
from wxgate.protocol.messages import CodeAuditEvent
from wxgate.server.runner import revive
from wxgate.store.code_audits import SqlCodeAudits
from wxgate.store.inbox import SqlInbox

HOUR = timedelta(hours=1)


def keeping(seen: list[CodeAuditEvent]) -> Handlers:
    """Make handlers that keep what they are told of audits."""

    def keep(message: Any) -> None:
        seen.append(message)

    handlers = Handlers()
    handlers.add(("event.weapp_audit_success", "event.weapp_audit_fail", "event.weapp_audit_delay"), keep)
    return handlers


async def submitted(world: World) -> tuple[str, str]:
    """Let a mini program authorise and submit a version through the gateway; return appid and auditid."""
    appid = (await authorized_account(world, kind="mini_program"))["appid"]
    answer = await world.node.calls.account(appid).post("wxa/submit_audit", json={"item_list": []})
    return appid, str(answer["auditid"])


async def known(world: World, appid: str, audit_id: str) -> CodeAudit:
    """Load an audit."""
    found = await world.node.store.code_audits.load(appid, audit_id)
    assert found is not None
    return found


async def lose_push(world: World) -> None:
    """Let the next event be lost on its way."""
    await world.control("POST", "faults", {"push": "event", "action": "lose"})


async def ask(world: World, after: timedelta = HOUR) -> None:
    """Let time pass, and ask about what is due; its events are handled on return."""
    await world.advance(after)
    await world.node.code_audits.sweep()
    await world.advance(SETTLED)
    await world.node.reception.sweep(revive)
    await settle(world)


async def events(world: World, appid: str) -> list[Event]:
    """List what was recorded of audits, oldest first."""
    return [each for each in reversed(await recorded(world, appid)) if each.name.startswith("weapp_audit")]


async def test_a_pushed_result_settles_the_audit_and_nobody_asks(tmp_path: Path) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, id = await submitted(world)
        assert (await known(world, appid, id)).state is AuditState.WAITING
        await world.act("audit", appid=appid, result="rejected", reason="色情", screenshot="a|b")
        await ask(world)
        settled = await known(world, appid, id)
        assert (settled.state, settled.source) == (AuditState.REJECTED, AuditSource.PUSH)
        assert (settled.reason, settled.screenshot, settled.next_check_at) == ("色情", "a|b", None)
        assert await world.calls("/wxa/get_auditstatus") == []
        assert await metric(world, "wxgate_code_audits_total", state="rejected", source="push") == 1
    assert [(one.event, one.polled) for one in seen] == [("weapp_audit_fail", False)]


async def test_a_lost_result_is_asked_for_and_handled_like_any_other(tmp_path: Path) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, id = await submitted(world)
        await ask(world, timedelta(minutes=30))
        assert await world.calls("/wxa/get_auditstatus") == []
        await ask(world)
        assert len(await world.calls("/wxa/get_auditstatus")) == 1
        assert await events(world, appid) == []

        await lose_push(world)
        await world.act("audit", appid=appid, result="rejected", reason="色情", screenshot="a|b")
        await ask(world, 3 * HOUR)
        settled = await known(world, appid, id)
        assert (settled.state, settled.source, settled.told) == (AuditState.REJECTED, AuditSource.POLL, True)
        [event] = await events(world, appid)
        assert (event.issuer, event.fields["auditid"], event.error) == (world.platform.appid, id, "")
        await ask(world, 3 * HOUR)
        assert len(await world.calls("/wxa/get_auditstatus")) == 2
    [message] = seen
    assert (message.event, message.polled, message.audit_id) == ("weapp_audit_fail", True, id)
    assert (message.reason, message.screenshots) == ("色情", ("a", "b"))


async def test_a_result_that_was_asked_for_is_delivered_to_subscribers(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        wanted = Filter(names=("weapp_audit_*",))
        await world.node.store.subscribers.add(a_subscriber(filter=wanted, paused=True))
        await world.node.delivering.subscribers.refresh()
        appid, _ = await submitted(world)
        await lose_push(world)
        await world.act("audit", appid=appid, result="passed")
        await ask(world, 2 * HOUR)
        [event] = await events(world, appid)
        [delivery] = await world.node.store.deliveries.of_event(event.id)
        assert delivery.subscriber == a_subscriber().id


async def test_a_push_that_comes_after_asking_is_recorded_and_not_handled(tmp_path: Path) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, _ = await submitted(world)
        await lose_push(world)
        [lost] = await world.act("audit", appid=appid, result="passed")
        await ask(world, 2 * HOUR)

        late = {"platform": world.platform.appid, "appid": appid, "kind": "message", "xml": lost["plain"]}
        told = await world.act("push", **late)
        assert told["outcome"] == "success"
        await settle(world)
        polled, pushed = await events(world, appid)
        assert polled.error == ""
        assert "told before" in pushed.error
        assert pushed.noted
        assert (await world.act("push", **late))["outcome"] == "success"
        assert len(await events(world, appid)) == 2

        # The next version's result is news again.
        await world.node.calls.account(appid).post("wxa/submit_audit", json={"item_list": []})
        await world.advance(HOUR)
        await world.act("audit", appid=appid, result="passed")
        await settle(world)
    assert [one.polled for one in seen] == [True, False]


async def test_a_delay_is_told_once_and_the_result_after_it(tmp_path: Path) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, id = await submitted(world)
        await lose_push(world)
        await world.act("audit", appid=appid, result="delayed", reason="later")
        await ask(world, 2 * HOUR)
        await ask(world, 3 * HOUR)
        assert (await known(world, appid, id)).state is AuditState.DELAYED
        await lose_push(world)
        await world.act("audit", appid=appid, result="passed")
        await ask(world, 3 * HOUR)
    assert [one.event for one in seen] == ["weapp_audit_delay", "weapp_audit_success"]


async def test_an_audit_that_was_taken_back_is_not_asked_about(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        appid, id = await submitted(world)
        await world.node.calls.account(appid).get("wxa/undocodeaudit")
        await ask(world, 2 * HOUR)
        assert (await known(world, appid, id)).state is AuditState.WITHDRAWN
        assert await world.calls("/wxa/get_auditstatus") == []


async def test_trouble_with_wechat_puts_the_question_off(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        appid, id = await submitted(world)
        await world.add_fault("/wxa/get_auditstatus", "errcode", errcode=-1, times=None)
        await ask(world, 2 * HOUR)
        put_off = await known(world, appid, id)
        assert put_off.state is AuditState.WAITING
        assert put_off.next_check_at is not None
        assert put_off.next_check_at > world.clock.now()
        assert put_off.reason
        await ask(world, timedelta(days=31))
        assert (await known(world, appid, id)).state is AuditState.UNKNOWN


async def test_a_result_whose_node_died_before_telling_it_is_told_once(tmp_path: Path) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, id = await submitted(world)
        before = await known(world, appid, id)
        now = world.clock.now()
        half = replace(
            before,
            state=AuditState.PASSED,
            source=AuditSource.POLL,
            told=False,
            checked_at=now,
            next_check_at=now,
        )
        assert await world.node.store.code_audits.change(half, before=AuditState.WAITING)
        await ask(world)
        # As if it had died once more, between the event and the mark.
        assert await world.node.store.code_audits.change(half, before=AuditState.PASSED)
        await ask(world)
        assert (await known(world, appid, id)).told
        assert len(await events(world, appid)) == 1
    assert [one.event for one in seen] == ["weapp_audit_success"]


async def test_a_pushed_result_that_was_never_recorded_is_told_once(tmp_path: Path) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, id = await submitted(world)
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(SqlInbox, "record")
            [lost] = await world.act("audit", appid=appid, result="rejected", reason="色情")
        assert (await known(world, appid, id)).state is AuditState.REJECTED
        assert await events(world, appid) == []
        await ask(world)
        told = await known(world, appid, id)
        assert (told.source, told.told, told.next_check_at) == (AuditSource.POLL, True, None)

        late = {"platform": world.platform.appid, "appid": appid, "kind": "message", "xml": lost["plain"]}
        assert (await world.act("push", **late))["outcome"] == "success"
        await ask(world)
        polled, pushed = await events(world, appid)
        assert (polled.error, "told before" in pushed.error) == ("", True)
        assert await world.calls("/wxa/get_auditstatus") == []
    assert [(one.polled, one.reason) for one in seen] == [(True, "色情")]


async def test_a_push_that_loses_to_an_answer_at_that_moment_is_not_handled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[CodeAuditEvent] = []
    async with Harness(tmp_path, handlers=keeping(seen)) as world:
        appid, id = await submitted(world)
        await world.advance(2 * HOUR)
        find = SqlCodeAudits.find

        async def ask_between(store: SqlCodeAudits, **wanted: Any) -> Sequence[CodeAudit]:
            found = await find(store, **wanted)
            monkeypatch.setattr(SqlCodeAudits, "find", find)
            await world.node.code_audits.sweep()
            return found

        monkeypatch.setattr(SqlCodeAudits, "find", ask_between)
        await world.act("audit", appid=appid, result="passed")
        await ask(world)
        assert (await known(world, appid, id)).source is AuditSource.POLL
        assert sorted(event.error == "" for event in await events(world, appid)) == [False, True]
    assert [one.polled for one in seen] == [True]


async def test_of_two_nodes_one_asks(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world, another_node(world) as (other, _):
        appid, _ = await submitted(world)
        await lose_push(world)
        await world.act("audit", appid=appid, result="passed")
        await world.advance(2 * HOUR)
        for node in (world.node, other, world.node):
            await node.code_audits.sweep()
        assert len(await world.calls("/wxa/get_auditstatus")) == 1
        assert len(await events(world, appid)) == 1


async def test_an_audit_submitted_elsewhere_is_watched_over_http(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        appid = (await authorized_account(world, kind="mini_program"))["appid"]
        boss = await manager(world)
        with pytest.raises(WeChatError, match="85058"):
            await world.node.code_audits.watch(world.platform.appid, appid)
        world.emulator.world.audits.submit(appid)
        said = await boss.post(f"/v1/accounts/{appid}/audits", {})
        assert said.status == 201, said.text
        assert (said.document["state"], said.document["platform"]) == ("waiting", world.platform.appid)
        await lose_push(world)
        await world.act("audit", appid=appid, result="passed")
        await ask(world, timedelta(0))
        [shown] = (await boss.get(f"/v1/audits?appid={appid}")).document
        assert (shown["state"], shown["source"]) == ("passed", "poll")
        assert (await boss.get("/v1/audits?state=waiting")).document == []
        again = await boss.post(f"/v1/accounts/{appid}/audits", {"audit_id": shown["audit_id"]})
        assert again.document["state"] == "passed"
        narrow = await manager(world, platforms=("wx00000000000000aa",))
        assert (await narrow.get("/v1/audits")).document == []
        assert (await narrow.post(f"/v1/accounts/{appid}/audits", {})).status == 403


async def test_a_key_for_one_account_sees_its_audits_behind_many_of_others(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        now = world.clock.now()
        mine = CodeAudit(appid="wxmine", audit_id="1", platform="wxplatform", submitted_at=now - HOUR)
        await world.node.store.code_audits.note(mine)
        for number in range(101):
            other = replace(mine, appid="wxother", audit_id=str(number), submitted_at=now)
            await world.node.store.code_audits.note(other)
        narrow = await manager(world, accounts=("wxmine",))
        assert [shown["appid"] for shown in (await narrow.get("/v1/audits")).document] == ["wxmine"]
        boss = await manager(world)
        assert len((await boss.get("/v1/audits")).document) == 100
