"""The event log over HTTP: found, shown, forgotten, and only by those who may."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.cast import add_follower, authorized_account
from tests.harness import World
from tests.server.keys import holder
from tests.server.streaming import record
from wxgate.custody.clients import ClientScope, Labels
from wxgate.events.records import EventKind

MANAGE, EVENTS = ClientScope.MANAGE, ClientScope.EVENTS


def listed(document: Any) -> list[str]:
    """List the ids of a page."""
    return [event["id"] for event in document["events"]]


async def test_an_event_is_listed_and_shown_with_all_that_is_known_of_it(gateway: World) -> None:
    account = await authorized_account(gateway)
    follower = await add_follower(gateway, account["appid"])
    await follower.writes("在吗")
    manager = await holder(gateway, MANAGE)
    page = (await manager.get(f"/v1/events?appid={account['appid']}&name=text")).document
    [event] = page["events"]
    assert page["next"] is None
    assert (event["type"], event["openid"], event["state"]) == ("message.text", follower.openid, "done")
    assert event["fields"]["Content"] == "在吗"
    assert event["reply_told_zh"]
    shown = (await manager.get(f"/v1/events/{event['id']}")).document
    assert shown["deliveries"] == []
    assert shown | event == shown


async def test_the_status_numbers_of_an_event_are_shown_in_words(gateway: World) -> None:
    given = {"platform": gateway.platform.appid, "status": 102}
    await gateway.act("register", **given)
    manager = await holder(gateway, MANAGE)
    [event] = (await manager.get("/v1/events?name=notify_third_fasteregister")).document["events"]
    [status] = event["statuses"]
    assert (status["field"], status["value"], status["text_zh"]) == (
        "status",
        102,
        "企业不存在或企业信息未更新",
    )


async def test_pages_follow_one_another_without_a_gap(gateway: World) -> None:
    made = [await record(gateway.node, name="text" if number % 3 else "image") for number in range(9)]
    manager = await holder(gateway, MANAGE)
    found: list[str] = []
    before = ""
    while True:
        page = (await manager.get(f"/v1/events?appid=wxshop&name=message.te*&limit=2{before}")).document
        found += listed(page)
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert found == [each for number, each in enumerate(made) if number % 3][::-1]


async def test_a_search_is_narrowed_by_everything_an_event_has(gateway: World) -> None:
    node = gateway.node
    await node.store.labels.change("wxc", add=Labels(frozenset({"shops"})), remove=Labels())
    made = [
        await record(node, openid="oA"),
        await record(node, issuer="wxother"),
        await record(node, appid="wxb", kind=EventKind.EVENT, name="subscribe"),
        await record(node, appid="wxc"),
    ]
    manager = await holder(gateway, MANAGE)
    for query, expected in (
        ("openid=oA", [0]),
        ("platform=wxother", [1]),
        ("kind=event", [2]),
        ("name=event.*", [2]),
        ("name=text&name=subscribe&appid=wxb", [2]),
        ("tag=shops", [3]),
        ("state=failed", []),
    ):
        found = (await manager.get(f"/v1/events?{query}")).document
        assert listed(found) == [made[number] for number in expected], query


async def test_a_search_is_narrowed_by_time(gateway: World) -> None:
    now = datetime.now(UTC)
    old = await record(gateway.node, received_at=now - timedelta(hours=3))
    new = await record(gateway.node, received_at=now)
    manager, border = await holder(gateway, MANAGE), quote((now - timedelta(hours=1)).isoformat())
    assert listed((await manager.get(f"/v1/events?appid=wxshop&since={border}")).document) == [new]
    assert listed((await manager.get(f"/v1/events?appid=wxshop&until={border}")).document) == [old]


async def test_a_narrow_key_sees_its_own_events_and_no_text_without_the_scope(gateway: World) -> None:
    theirs = await record(gateway.node, appid="wxtheirs")
    mine = await record(gateway.node, appid="wxmine", content="secret")
    await record(gateway.node, appid="")
    narrow = await holder(gateway, MANAGE, accounts=("wxmine",))
    page = await narrow.get("/v1/events")
    assert listed(page.document) == [mine]
    assert "secret" not in page.text
    assert (await narrow.get(f"/v1/events/{theirs}")).status == 404
    assert "secret" not in (await narrow.get(f"/v1/events/{mine}")).text
    reading = await holder(gateway, MANAGE, EVENTS, accounts=("wxmine",))
    assert "secret" in (await reading.get(f"/v1/events/{mine}")).text


@pytest.mark.parametrize(
    "path", ["/v1/events/42", "/v1/events?before=42", "/v1/events?since=2026-03-01T10:00"]
)
async def test_what_is_no_id_or_moment_is_refused(gateway: World, path: str) -> None:
    assert (await (await holder(gateway, MANAGE)).get(path)).status == 400


async def test_forgetting_a_person_leaves_nothing_of_them(gateway: World) -> None:
    node = gateway.node
    gone = [await record(node, openid="oGone"), await record(node, openid="oGone", appid="wxother")]
    stays = await record(node, openid="oStays")
    manager = await holder(gateway, MANAGE)
    assert (await manager.send("DELETE", "/v1/events")).status == 400
    said = await manager.send("DELETE", "/v1/events?openid=oGone&appid=wxother")
    assert said.document == {"deleted": 1}
    said = await manager.send("DELETE", "/v1/events?openid=oGone")
    assert said.document == {"deleted": 1}
    for event in gone:
        assert (await manager.get(f"/v1/events/{event}")).status == 404
    assert (await manager.get(f"/v1/events/{stays}")).status == 200


async def test_a_narrow_key_forgets_only_in_its_own_accounts(gateway: World) -> None:
    await record(gateway.node, openid="oGone", appid="wxmine")
    narrow = await holder(gateway, MANAGE, accounts=("wxmine",))
    for path in ("/v1/events?openid=oGone", "/v1/events?openid=oGone&appid=wxtheirs"):
        assert (await narrow.send("DELETE", path)).status == 403
    assert (await narrow.send("DELETE", "/v1/events?openid=oGone&appid=wxmine")).document == {"deleted": 1}


async def test_pushes_are_listed_for_those_who_may_see_them(gateway: World) -> None:
    narrow = await holder(gateway, MANAGE, accounts=("wxmine",))
    assert (await narrow.get("/v1/pushes")).status == 403
    assert (await narrow.get("/v1/pushes?appid=wxmine")).document == []
    assert (await (await holder(gateway, MANAGE)).get("/v1/pushes")).status == 200
