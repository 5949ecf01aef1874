"""Who replies for an account, over HTTP."""

from datetime import timedelta

from tests.cast import add_platform, authorize, authorized_account
from tests.harness import World
from tests.server.keys import holder
from wxgate.custody.clients import ClientScope

MANAGE = ClientScope.MANAGE


async def test_an_account_tells_who_answers_for_it_and_that_others_may(gateway: World) -> None:
    account = await authorized_account(gateway)
    await gateway.advance(timedelta(minutes=1))  # WeChat tells when by the second
    await authorize(gateway, account["appid"], other := await add_platform(gateway))
    path = f"/v1/accounts/{account['appid']}/replies"
    manager = await holder(gateway, MANAGE)
    shown = (await manager.get(path)).document
    assert (shown["source"], shown["policy"], shown["replier"]) == ("built_in", "answer", "")
    assert shown["answers"] == gateway.platform.appid
    assert {one["issuer"] for one in shown["parties"]} == {gateway.platform.appid, other.appid}
    assert any("choose silent" in one["text"] for one in shown["advice"])
    assert all(one["text_zh"] for one in shown["advice"])


async def test_a_policy_is_set_in_parts_and_taken_back(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    path, manager = f"/v1/accounts/{appid}/replies", await holder(gateway, MANAGE)
    await manager.send("PUT", path, {"policy": "silent"})
    kept = (await manager.send("PUT", path, {"default_text": "稍后回复您"})).document
    assert (kept["source"], kept["policy"], kept["default_text"]) == ("account", "silent", "稍后回复您")
    assert [one["appid"] for one in (await manager.get("/v1/replies")).document] == [appid]
    assert (await manager.send("DELETE", path)).document == {"appid": appid, "was_set": True}
    assert (await manager.get(path)).document["source"] == "built_in"


async def test_nonsense_is_refused_in_words(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    path, manager = f"/v1/accounts/{appid}/replies", await holder(gateway, MANAGE)
    for wanted in (
        {},
        {"policy": "loud"},
        {"replier": "sub_nobody"},
        {"platform": "wxnobody"},
        {"tone": "x"},
    ):
        said = await manager.send("PUT", path, wanted)
        assert (said.status, said.error["code"]) == (400, "bad_request")


async def test_the_default_for_all_needs_a_key_for_all(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    narrow = await holder(gateway, MANAGE, accounts=(appid,))
    assert (await narrow.get(f"/v1/accounts/{appid}/replies")).status == 200
    for path in ("/v1/accounts/*/replies", "/v1/accounts/wxother/replies"):
        assert (await narrow.send("PUT", path, {"policy": "silent"})).status == 403
    everything = await holder(gateway, MANAGE)
    assert (await everything.send("PUT", "/v1/accounts/*/replies", {"policy": "silent"})).status == 200
    assert (await narrow.get(f"/v1/accounts/{appid}/replies")).document["source"] == "default"
