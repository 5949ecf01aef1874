"""Subscribers over HTTP: made, tried, changed, paused, replayed to, and gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.cast import until
from tests.events.application import application
from tests.harness import Harness, World
from tests.server.keys import holder
from tests.server.streaming import record
from wxgate.custody.clients import ClientScope

MANAGE = ClientScope.MANAGE


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway that may reach applications on this machine."""
    async with Harness(tmp_path, ticket=False, subscriber_networks="127.0.0.0/8") as world:
        yield world


async def test_a_subscriber_shows_its_secret_once_and_gets_what_its_filter_lets_through(
    gateway: World,
) -> None:
    manager = await holder(gateway, MANAGE)
    async with application() as app:
        wanted = {"name": "crm", "url": app.url, "names": ["message.*"], "accounts": ["wxshop"]}
        said = await manager.post("/v1/subscribers", wanted)
        assert said.status == 201
        made = said.document
        secret = made["signing_secret"]
        assert (await manager.send("POST", "/v1/subscribers/crm/test")).document["ok"] is True
        assert Webhook(secret).verify(app.got[0].body.decode(), app.got[0].headers)["type"] == "wxgate.test"
        for path in ("/v1/subscribers", "/v1/subscribers/crm", f"/v1/subscribers/{made['id']}"):
            shown = await manager.get(path)
            assert shown.status == 200
            assert secret not in shown.text
        rotated = (await manager.send("POST", "/v1/subscribers/crm/rotate-secret")).document
        assert rotated["signing_secret"] != secret
        changed = await manager.send("PATCH", "/v1/subscribers/crm", {"openids": ["oMe"]})
        assert (changed.document["accounts"], changed.document["openids"]) == (["wxshop"], ["oMe"])
        assert (await manager.send("DELETE", "/v1/subscribers/crm")).document["name"] == "crm"
        assert (await manager.get("/v1/subscribers/crm")).status == 404


async def test_events_are_replayed_to_whom_they_fit_or_to_whom_is_named(gateway: World) -> None:
    manager = await holder(gateway, MANAGE)
    made = [await record(gateway.node, name="text" if number % 2 else "image") for number in range(6)]
    async with application() as app:
        wanted = {"name": "crm", "url": app.url, "names": ["text"], "ordered": True}
        crm = (await manager.post("/v1/subscribers", wanted)).document["id"]
        said = await manager.post("/v1/events/replay", {"subscriber": "crm", "appid": "wxshop"})
        assert said.document == {"queued": {crm: 3}}
        await app.arrived(3)
        assert app.ids == made[1::2]
        said = await manager.send("POST", f"/v1/events/{made[0]}/replay")
        assert said.document == {"queued": {}}
        said = await manager.post(f"/v1/events/{made[0]}/replay", {"subscribers": ["crm"]})
        assert said.document == {"queued": {crm: 1}}
        await app.arrived(4)

        async def delivered() -> bool:
            found = (await manager.get(f"/v1/deliveries?subscriber={crm}&state=delivered")).document
            return len(found) == 4

        await until(delivered, seconds=20)
        shown = (await manager.get(f"/v1/events/{made[1]}")).document
        assert [one["subscriber"] for one in shown["deliveries"]] == [crm]


async def test_what_is_only_noted_is_replayed_to_nobody(gateway: World) -> None:
    manager = await holder(gateway, MANAGE)
    noted = await record(gateway.node, noted=True)
    await manager.post("/v1/subscribers", {"name": "crm", "url": "http://127.0.0.1:9/"})
    said = await manager.post("/v1/events/replay", {"subscriber": "crm", "appid": "wxshop"})
    assert sum(said.document["queued"].values()) == 0
    said = await manager.post(f"/v1/events/{noted}/replay", {"subscribers": ["crm"]})
    assert (said.status, "told to nobody" in said.error["message"]) == (400, True)
    assert (await manager.get("/v1/deliveries")).document == []


async def test_a_paused_subscriber_gets_nothing_until_it_is_resumed(gateway: World) -> None:
    manager = await holder(gateway, MANAGE)
    async with application() as app:
        await manager.post("/v1/subscribers", {"name": "crm", "url": app.url})
        paused = (await manager.post("/v1/subscribers/crm/pause", {"reason": "moving"})).document
        assert (paused["paused"], paused["paused_reason"]) == (True, "moving")
        event = await record(gateway.node)
        await manager.post(f"/v1/events/{event}/replay", {"subscribers": ["crm"]})
        assert (await manager.get("/v1/subscribers/crm")).document["waiting"] == 1
        assert app.got == []
        assert (await manager.send("POST", "/v1/subscribers/crm/resume")).document["paused"] is False
        await app.arrived()
        assert app.ids == [event]


async def test_nonsense_and_narrow_keys_are_refused(gateway: World) -> None:
    manager = await holder(gateway, MANAGE)
    for wanted in (
        {"name": "x"},
        {"name": "x", "url": "ftp://x"},
        {"name": "x", "url": "http://10.0.0.1/"},
        {"name": "x", "url": "https://x.example.com", "names": ["a b"]},
        {"name": "x", "url": "https://x.example.com", "colour": "red"},
        {"name": "x", "url": "https://x\ud83d.example.com"},
        {"name": "x", "url": "https://x.example.com", "openids": ["o\ud83d"]},
        {"name": "x", "url": "https://x.example.com", "openids": ["o\0"]},
        {"name": "a/b", "url": "https://x.example.com"},
        {"name": "..", "url": "https://x.example.com"},
    ):
        said = await manager.post("/v1/subscribers", wanted)
        assert (said.status, said.error["code"]) == (400, "bad_request"), wanted
    for path in ("deliveries?before=9223372036854775808", "pushes?before=99999999999999999999"):
        said = await manager.get(f"/v1/{path}")
        assert (said.status, said.error["code"]) == (400, "bad_request"), path
    assert (await manager.get("/v1/events?before=evt_9223372036854775808")).status == 400
    assert (await manager.get("/v1/deliveries?before=9223372036854775807")).status == 200
    narrow = await holder(gateway, MANAGE, accounts=("wxshop",))
    event = await record(gateway.node)
    for method, path in (
        ("GET", "/v1/subscribers"),
        ("POST", "/v1/subscribers/x/pause"),
        ("GET", "/v1/deliveries"),
        ("POST", "/v1/deliveries/retry"),
        ("POST", f"/v1/events/{event}/replay"),
    ):
        assert (await narrow.send(method, path)).status == 403, path
