"""Parametric QR codes, what scanning them pushes, and the openids of an account that moved."""

from typing import Any

import pytest

from tests.emulator.stage import Stage
from wxgate.protocol import xml


async def direct(stage: Stage, appid: str = "") -> str:
    """Fetch an account's own token."""
    account = stage.emulator.world.account(appid or stage.shop.appid)
    query = {"grant_type": "client_credential", "appid": account.appid, "secret": account.secret}
    return str((await stage.get("/cgi-bin/token", **query))["access_token"])


async def create(stage: Stage, token: str, action: str, seconds: int | None = 300, **scene: Any) -> Any:
    """Make a parametric QR code."""
    limit = {} if seconds is None else {"expire_seconds": seconds}
    body = {"action_name": action, "action_info": {"scene": scene}, **limit}
    return await stage.post("/cgi-bin/qrcode/create", body, access_token=token)


async def test_scanning_tells_a_follower_from_a_newcomer(stage: Stage) -> None:
    await stage.act("authorize", platform=stage.platform.appid, appid=stage.shop.appid)
    stage.emulator.world.put_user({"id": "new"})
    code = await create(stage, await direct(stage), "QR_STR_SCENE", scene_str="lg_1")

    async def scan(user: str) -> dict[str, Any]:
        pushes = await stage.act("scan_qr", ticket=code["ticket"], user=user)
        return dict(xml.parse(pushes[0]["plain"]))

    follower, newcomer, then = await scan("user-1"), await scan("new"), await scan("new")
    assert (follower["Event"], follower["EventKey"]) == ("SCAN", "lg_1")
    assert (newcomer["Event"], newcomer["EventKey"]) == ("subscribe", "qrscene_lg_1")
    assert (then["Event"], then["EventKey"]) == ("SCAN", "lg_1")
    assert follower["Ticket"] == newcomer["Ticket"] == code["ticket"]
    assert newcomer["FromUserName"] == stage.emulator.world.user("new").openids[stage.shop.appid]


async def test_a_code_has_a_picture_until_it_is_over(stage: Stage) -> None:
    token = await direct(stage)
    passing = await create(stage, token, "QR_SCENE", scene_id=7)
    lasting = await create(stage, token, "QR_LIMIT_STR_SCENE", None, scene_str="door")

    async def shows(code: Any) -> bool:
        query = {"ticket": code["ticket"]}
        async with stage.emulator.http.get("/cgi-bin/showqrcode", params=query) as answer:
            return answer.status == 200 and (await answer.read()).startswith(b"\x89PNG")

    async def listed() -> list[tuple[str, str, str, str]]:
        codes = await stage.emulator.control("GET", "qr-codes")
        return [(each["ticket"], each["url"], each["appid"], each["scene"]) for each in codes]

    first = (passing["ticket"], passing["url"], stage.shop.appid, "7")
    second = (lasting["ticket"], lasting["url"], stage.shop.appid, "door")
    assert (passing["expire_seconds"], set(lasting)) == (300, {"ticket", "url"})
    assert await shows(passing)
    assert await listed() == [first, second]
    stage.emulator.clock.advance(300)
    assert await listed() == [second]
    assert not await shows(passing)
    assert await shows(lasting)
    with pytest.raises(ValueError, match="no such QR code"):
        await stage.act("scan_qr", appid=stage.shop.appid, scene="7", user="user-1")
    await stage.act("scan_qr", url=lasting["url"], user="user-1")


async def test_what_makes_no_code_is_refused(stage: Stage) -> None:
    token = await direct(stage)
    bad = [
        ("QR_CARD", 300, {"scene_id": 1}, 40052),
        ("QR_SCENE", 300, {"scene_id": 0}, 40053),
        ("QR_SCENE", 300, {"scene_str": "a"}, 40053),
        ("QR_SCENE", 2_592_001, {"scene_id": 1}, 40053),
        ("QR_STR_SCENE", 300, {"scene_str": "s" * 65}, 40053),
        ("QR_LIMIT_SCENE", None, {"scene_id": 100_001}, 40053),
    ]
    for action, seconds, scene, errcode in bad:
        assert (await create(stage, token, action, seconds, **scene))["errcode"] == errcode, scene


async def test_on_behalf_it_needs_its_permission_set(stage: Stage) -> None:
    _, info = await stage.authorized(func_ids=[1, 4])
    answer = await create(stage, info["authorizer_access_token"], "QR_SCENE", scene_id=7)
    assert answer["errcode"] == 61007


async def test_openids_of_a_moved_account_can_be_changed_for_fifteen_days(stage: Stage) -> None:
    world = stage.emulator.world
    new = world.put_account({})
    moved = (await stage.act("move_account", appid=stage.shop.appid, to_appid=new.appid))["openids"]

    async def change(openids: list[str], source: str = stage.shop.appid) -> Any:
        body = {"from_appid": source, "openid_list": openids}
        return await stage.post("/cgi-bin/changeopenid", body, access_token=await direct(stage, new.appid))

    answer = await change([stage.openid, "oNobody"])
    assert answer["result_list"] == [
        {"ori_openid": stage.openid, "new_openid": moved[stage.openid], "err_msg": "ok"},
        {"ori_openid": "oNobody", "err_msg": "ori_openid error"},
    ]
    assert new.appid in world.users["user-1"].followed_at
    assert (await change([]))["errcode"] == 63182
    assert (await change(["o"] * 101))["errcode"] == 63179
    assert (await change(["o"], stage.mini.appid))["errcode"] == 63178
    stage.emulator.clock.advance(15 * 86_400)
    assert (await change([stage.openid]))["errcode"] == 63178


async def test_what_an_account_does_not_have_is_said_in_english(stage: Stage) -> None:
    with pytest.raises(ValueError, match="an account has no 'name'"):
        await stage.emulator.control("POST", "accounts", {"appid": stage.shop.appid, "name": "x"})
