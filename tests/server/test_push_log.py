"""Every request under /wechat/ leaves a line: when, from where, how judged, what answered, how fast."""

from pathlib import Path

from tests.cast import authorized_account
from tests.harness import Harness, World
from tests.pushing import Sealer, component_event, metric, post, recorded, text_message
from wxgate.events.handlers import Handlers
from wxgate.events.records import PushLine


async def lines(world: World) -> list[PushLine]:
    """List the lines so far, oldest first, but for those of the platform's own events before."""
    await world.node.push_recorder.flush()
    found = await world.node.store.push_log.find_pushes(limit=100)
    return [line for _, line in reversed(found) if line.appid]


async def test_a_message_its_duplicate_and_its_reply_are_in_the_log(tmp_path: Path) -> None:
    handlers = Handlers()
    handlers.add(("text",), lambda message: "您好" if message.content == "你好" else None)
    async with Harness(tmp_path, handlers=handlers) as world:
        account = await authorized_account(world)
        sealer = Sealer.of_platform(world, account=account["user_name"])
        path = f"/wechat/{world.platform.appid}/messages/{account['appid']}"
        for number, content in ((1, "你好"), (1, "你好"), (2, "再见")):
            await post(
                world, path, sealer.seal(text_message(account["user_name"], content=content, msg_id=number))
            )
        told = await lines(world)
        second, first = [
            event for event in await recorded(world, account["appid"]) if event.kind == "message"
        ]
        assert [(line.verdict, line.answer, line.event_id) for line in told] == [
            ("accepted", "reply", first.id),
            ("duplicate", "reply", first.id),
            ("accepted", "success", second.id),
        ]
        for line in told:
            assert (line.receiver, line.appid) == (world.platform.appid, account["appid"])
            assert (line.source_ip, line.status, line.count) == ("127.0.0.1", 200, 1)
            assert line.milliseconds >= 0
            assert abs((line.at - world.clock.now()).total_seconds()) < 60


async def test_refusals_say_why_and_are_counted_instead_of_written_each(gateway: World) -> None:
    account = await authorized_account(gateway)
    path = f"/wechat/{gateway.platform.appid}/messages/{account['appid']}"
    sealer = Sealer.of_platform(gateway, account=account["user_name"])
    wrong = sealer.other(token="another").seal(text_message(account["user_name"]))
    for _ in range(5):
        await post(gateway, path, wrong)
    told = await lines(gateway)
    assert [(line.verdict, line.answer, line.count) for line in told] == [
        ("bad_signature", "refused", 1),
        ("bad_signature", "refused", 4),
    ]
    assert told[0].explanation
    assert told[0].event_id is None
    assert await metric(gateway, "wxgate_push_log_dropped_total") == 0


async def test_what_is_no_push_of_anybody_is_in_the_log_without_a_receiver(gateway: World) -> None:
    sealer = Sealer.of_platform(gateway)
    at = int(gateway.clock.now().timestamp())
    letter = sealer.seal(component_event(gateway.platform.appid, "component_verify_ticket", at=at))
    await post(gateway, "/wechat/wxnobody/events", letter)
    await post(gateway, "/wechat/a%00b/events", letter)
    await post(gateway, f"/wechat/{gateway.platform.appid}/events", letter, method="PUT")
    await gateway.node.push_recorder.flush()
    told = [line for _, line in await gateway.node.store.push_log.find_pushes(limit=3)]
    assert [(line.receiver, line.verdict, line.status) for line in reversed(told)] == [
        ("", "unknown_receiver", 404),
        (gateway.platform.appid, "method_not_allowed", 405),
        ("", "unknown_receiver", 404),
    ]
    assert "wxnobody" in told[-1].explanation


async def test_component_events_name_their_record(gateway: World) -> None:
    at = int(gateway.clock.now().timestamp())
    plain = component_event(gateway.platform.appid, "something_new", at=at)
    await post(gateway, f"/wechat/{gateway.platform.appid}/events", Sealer.of_platform(gateway).seal(plain))
    await gateway.node.push_recorder.flush()
    [(_, line)] = await gateway.node.store.push_log.find_pushes(limit=1)
    event, *_ = await recorded(gateway)
    assert event.name == "something_new"
    assert (line.verdict, line.answer, line.event_id) == ("accepted", "success", event.id)


async def test_closing_the_gateway_writes_what_is_left(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        at = int(world.clock.now().timestamp())
        plain = component_event(world.platform.appid, "something_new", at=at)
        await post(world, f"/wechat/{world.platform.appid}/events", Sealer.of_platform(world).seal(plain))
        await world.node.push_recorder.close()
        [(_, line), *_] = await world.node.store.push_log.find_pushes(limit=1)
        assert line.verdict == "accepted"
