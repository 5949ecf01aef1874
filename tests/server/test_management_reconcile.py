"""Reconciling over HTTP: now, for a look, and what came of it last time."""

import asyncio

from tests.cast import add_platform, authorized_account
from tests.harness import World
from tests.server.keys import holder
from wxgate.custody.clients import ClientScope

LIST = "/cgi-bin/component/api_get_authorizer_list"


async def test_a_platform_is_reconciled_and_the_result_stays(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    await gateway.control("POST", "faults", {"push": "*", "action": "lose"})
    await gateway.act("unauthorize", platform=gateway.platform.appid, appid=appid)
    manager = await holder(gateway, ClientScope.MANAGE)
    path = f"/v1/platforms/{gateway.platform.appid}/reconcile"
    before = await manager.get(path)
    assert (before.status, before.error["code"]) == (404, "not_found")
    dry = await manager.post(f"{path}?dry_run=true")
    assert dry.document["dry_run"] is True
    assert (await manager.get(path)).status == 404, "a dry run is not kept"
    done = await manager.post(path)
    assert done.status == 200
    assert done.document["findings"] == dry.document["findings"]
    assert [(one["appid"], one["outcome"]) for one in done.document["findings"]] == [(appid, "revoked")]
    assert (await manager.get(path)).document == done.document
    counted = (await gateway.fetch("/metrics")).text
    assert 'wxgate_reconcile_findings_total{kind="gone",outcome="revoked"' in counted


async def test_one_at_a_time_and_only_with_the_right_key(gateway: World) -> None:
    other = await add_platform(gateway)
    narrow = await holder(gateway, ClientScope.MANAGE, platforms=(gateway.platform.appid,))
    refused = await narrow.post(f"/v1/platforms/{other.appid}/reconcile")
    assert (refused.status, refused.error["missing"]) == (403, f"platform:{other.appid}")
    await gateway.control("POST", "faults", {"path": LIST, "action": "delay", "seconds": 0.4})
    path = f"/v1/platforms/{gateway.platform.appid}/reconcile"
    both = await asyncio.gather(narrow.post(path), narrow.post(path))
    assert sorted(said.status for said in both) == [200, 409]
    [late] = [said for said in both if said.status == 409]
    assert late.error["code"] == "already_running"


async def test_of_dry_runs_too_there_is_one_at_a_time_for_a_platform(gateway: World) -> None:
    other = await add_platform(gateway)
    manager = await holder(gateway, ClientScope.MANAGE)
    await gateway.control("POST", "faults", {"path": LIST, "action": "delay", "seconds": 0.4, "times": None})
    first, second = (f"/v1/platforms/{one.appid}/reconcile?dry_run=true" for one in (gateway.platform, other))
    told = await asyncio.gather(*(manager.post(path) for path in (first, first, first, second)))
    assert sorted(said.status for said in told[:3]) == [200, 409, 409]
    assert {said.error["code"] for said in told[:3] if said.status == 409} == {"already_running"}
    assert told[3].status == 200
    assert (await manager.post(first)).status == 200
    await gateway.control("DELETE", "faults")
    await gateway.control("POST", "faults", {"path": LIST, "action": "cut", "times": None})
    for _ in range(2):
        assert (await manager.post(first)).status > 409, "one that failed is over"


async def test_an_unknown_platform_is_not_found(gateway: World) -> None:
    manager = await holder(gateway, ClientScope.MANAGE)
    for said in (
        await manager.post("/v1/platforms/wx0000000000000000/reconcile"),
        await manager.get("/v1/platforms/wx0000000000000000/reconcile"),
    ):
        assert (said.status, said.error["code"]) == (404, "not_found")
