"""网页授权: the links that open, the pages they open, and what their codes are exchanged for."""

from typing import Any

import pytest

from tests.emulator.login_stage import (
    AUTHORIZE,
    BACK,
    asking,
    decide,
    exchange,
    exchange_on_behalf,
    link,
    open_link,
)
from tests.emulator.stage import Stage


async def test_the_silent_way_leads_back_at_once_with_a_code_for_an_openid(stage: Stage) -> None:
    opened = await open_link(stage, asking(stage))
    answer = await exchange(stage, opened.query["code"])

    assert opened.status == 302
    assert opened.location.startswith(f"{BACK}&code=")
    assert (opened.query["state"], "appid" in opened.query) == ("aState1", False)
    assert (answer["openid"], answer["scope"], answer["expires_in"]) == (stage.openid, "snsapi_base", 7200)
    assert "unionid" not in answer
    assert "is_snapshotuser" not in answer
    userinfo = await stage.get("/sns/userinfo", access_token=answer["access_token"], openid=stage.openid)
    assert userinfo["errcode"] == 48001


async def test_consent_gives_nickname_avatar_and_unionid(stage: Stage) -> None:
    user = stage.emulator.world.put_user({"id": "stranger", "nickname": "小 🐱 明"})
    asked = await open_link(stage, asking(stage, "snsapi_userinfo"), X_Emulated_User="stranger")
    answer = await exchange(stage, (await decide(stage, asked, "allow")).query["code"])
    token = {"access_token": answer["access_token"], "openid": answer["openid"]}
    info = await stage.get("/sns/userinfo", lang="zh_CN", **token)

    assert asked.status == 200
    assert "申请获取你的昵称、头像" in asked.text
    assert answer["unionid"] == info["unionid"] == user.unionid
    assert (info["nickname"], info["headimgurl"]) == ("小 🐱 明", user.headimgurl)
    assert await stage.get("/sns/auth", **token) == {"errcode": 0, "errmsg": "ok"}
    wrong = await stage.get("/sns/auth", access_token=token["access_token"], openid=stage.openid)
    assert wrong["errcode"] == 40003


async def test_a_follower_is_asked_only_by_force_popup(stage: Stage) -> None:
    silent = await open_link(stage, asking(stage, "snsapi_userinfo"))
    forced = await open_link(stage, asking(stage, "snsapi_userinfo", ("forcePopup", "true")))
    await stage.switch(follower_silence=False)
    asked = await open_link(stage, asking(stage, "snsapi_userinfo"))

    assert (silent.status, forced.status, asked.status) == (302, 200, 200)


@pytest.mark.parametrize(
    ("refusal", "status", "query"),
    [
        ("state_only", 302, {"keep": "1", "state": "aState1"}),
        ("authdeny", 302, {"keep": "1", "code": "authdeny", "state": "aState1"}),
        ("blank", 200, {}),
        ("close", 200, {}),
    ],
)
async def test_refusing_does_what_the_switch_says(
    stage: Stage, refusal: str, status: int, query: dict[str, str]
) -> None:
    await stage.switch(refusal=refusal)
    asked = await open_link(stage, asking(stage, "snsapi_userinfo", ("forcePopup", "true")))
    refused = await decide(stage, asked, "refuse")

    assert (refused.status, refused.query) == (status, query)
    assert ("已关闭" in refused.text) is (refusal == "close")
    assert (await decide(stage, asked, "allow")).form.ret == "expired"


async def test_a_code_is_good_once_for_minutes_and_for_its_account_only(stage: Stage) -> None:
    other = stage.emulator.world.put_account({})

    async def errcode(code: str, **changed: str) -> int:
        return int((await exchange(stage, code, **changed)).get("errcode", 0))

    async def code() -> str:
        return (await open_link(stage, asking(stage))).query["code"]

    used, late = await code(), await code()
    assert await errcode(used, appid=other.appid, secret=other.secret) == 40029
    assert await errcode(used, secret="0" * 32) == 40125
    assert await errcode(used) == 0
    assert await errcode(used) == 40163
    assert await errcode("0nothing") == 40029
    assert await errcode("") == 41008
    assert await errcode(await code(), grant_type="x") == 40002
    stage.emulator.clock.advance(300)
    assert await errcode(late) == 40029


async def test_on_behalf_needs_the_platform_its_component_token_and_its_set(stage: Stage) -> None:
    token, info = await stage.authorized()
    opened = await open_link(stage, asking(stage, "snsapi_base", ("component_appid", stage.platform.appid)))
    code = opened.query["code"]

    assert opened.query["appid"] == stage.shop.appid
    assert (await exchange(stage, code))["errcode"] == 40029
    account_token = info["authorizer_access_token"]
    assert (await exchange_on_behalf(stage, account_token, code))["errcode"] == 40001
    assert (await exchange_on_behalf(stage, token, code, component_appid="wx1"))["errcode"] == 61011
    answer = await exchange_on_behalf(stage, token, code)
    assert answer["openid"] == stage.openid
    mine = (await open_link(stage, asking(stage))).query["code"]
    assert (await exchange_on_behalf(stage, token, mine))["errcode"] == 40029


async def test_a_code_survives_a_token_error_where_the_switch_says_so(stage: Stage) -> None:
    token, _ = await stage.authorized()
    url = asking(stage, "snsapi_base", ("component_appid", stage.platform.appid))
    dead = "10_" + "x" * 154
    outcomes = []
    for survives in (True, False):
        await stage.switch(code_survives_token_error=survives)
        code = (await open_link(stage, url)).query["code"]
        assert (await exchange_on_behalf(stage, dead, code))["errcode"] == 40001
        outcomes.append((await exchange_on_behalf(stage, token, code)).get("errcode"))

    assert outcomes == [None, 40163]


async def test_refreshing_prolongs_a_living_token_and_replaces_a_dead_one(stage: Stage) -> None:
    first = await exchange(stage, (await open_link(stage, asking(stage))).query["code"])

    async def refresh(**changed: str) -> Any:
        query = {"appid": stage.shop.appid, "grant_type": "refresh_token"}
        query |= {"refresh_token": first["refresh_token"]} | changed
        return await stage.get("/sns/oauth2/refresh_token", **query)

    stage.emulator.clock.advance(3600)
    assert (await refresh())["access_token"] == first["access_token"]
    stage.emulator.clock.advance(7200)
    check = {"access_token": first["access_token"], "openid": first["openid"]}
    assert (await stage.get("/sns/auth", **check))["errcode"] == 42001
    assert (await refresh())["access_token"] != first["access_token"]
    assert (await refresh(refresh_token="nothing"))["errcode"] == 40030
    assert (await refresh(refresh_token=""))["errcode"] == 41003
    stage.emulator.clock.advance(30 * 86_400)
    assert (await refresh())["errcode"] == 42002


async def test_a_link_in_another_form_opens_nothing(stage: Stage) -> None:
    stage.emulator.world.put_account({"appid": stage.shop.appid, "oauth_domains": ["gateway.example"]})
    good = [
        ("appid", stage.shop.appid),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "snsapi_base"),
        ("state", "s"),
    ]
    popup, platform = ("forcePopup", "true"), ("component_appid", stage.platform.appid)
    bad = {
        "form": [
            link(sorted(good, reverse=True)),
            link([good[1], good[0], *good[2:]]),
            link([*good, platform, popup]),
            link([*good, ("lang", "en")]),
            f"{AUTHORIZE}?appid={stage.shop.appid}&redirect_uri=https://gateway.example/a?b=1&c=2"
            "&response_type=code&scope=snsapi_base&state=s",
            asking(stage, response_type="token"),
        ],
        "state": [asking(stage, state="a" * 129), asking(stage, state="a-b"), asking(stage, state="a.b")],
        "10003": [
            asking(stage, redirect_uri="https://www.gateway.example/"),
            asking(stage, redirect_uri="https://gateway.example@evil.example/"),
            asking(stage, redirect_uri="//gateway.example/"),
        ],
        "10005": [asking(stage, "snsapi_login"), asking(stage, "snsapi_base,snsapi_all")],
        "10011": [asking(stage, redirect_uri="")],
        "10015": [asking(stage, "snsapi_base", platform)],
        "10016": [asking(stage, appid=stage.mini.appid)],
        "40013": [asking(stage, appid="wx0000000000000000")],
    }
    for word, links in bad.items():
        for each in links:
            assert (await open_link(stage, each)).form.ret == word, each
    for agent in ("Mozilla/5.0 Chrome/142", "Mozilla/5.0 wxwork/4.1 MicroMessenger/7.0.1"):
        assert (await open_link(stage, link(good), agent)).form.ret == "browser"
    assert (await open_link(stage, link(good))).status == 302
    assert (await open_link(stage, link(good[:4]))).query["state"] == ""


async def test_on_behalf_the_platforms_domain_counts_and_not_the_accounts(stage: Stage) -> None:
    world = stage.emulator.world
    world.put_account({"appid": stage.shop.appid, "oauth_domains": ["shop.example"]})
    await stage.act("authorize", platform=stage.platform.appid, appid=stage.shop.appid)
    url = asking(stage, "snsapi_base", ("component_appid", stage.platform.appid))

    world.put_platform({"appid": stage.platform.appid, "oauth_domain": "gateway.example"})
    assert (await open_link(stage, url)).status == 302
    world.put_platform({"appid": stage.platform.appid, "oauth_domain": "other.example"})
    assert (await open_link(stage, url)).form.ret == "10003"


async def test_in_a_snapshot_page_everybody_is_virtual(stage: Stage) -> None:
    async def visit(url: str) -> Any:
        answer = await exchange(stage, (await open_link(stage, url)).query["code"])
        info = await stage.get("/sns/userinfo", access_token=answer["access_token"], openid=answer["openid"])
        return answer, info

    forced, _ = await visit(asking(stage, "snsapi_userinfo", ("forceSnapShot", "true")))
    await stage.switch(snapshot=True)
    answer, info = await visit(asking(stage, "snsapi_userinfo"))
    await stage.switch(snapshot_with_real_openid=True)
    real, _ = await visit(asking(stage, "snsapi_userinfo"))

    assert forced["is_snapshotuser"] == answer["is_snapshotuser"] == real["is_snapshotuser"] == 1
    assert answer["openid"] == forced["openid"] != stage.openid
    assert info["nickname"] == "微信用户"
    assert "unionid" not in answer
    assert "unionid" not in info
    assert real["openid"] == stage.openid


async def test_the_full_service_leaves_the_snapshot_page(stage: Stage) -> None:
    await stage.switch(snapshot=True)
    page = "/connect/oauth2/full_service"
    back = "https://gateway.example/shop"
    async with stage.emulator.http.post(page, data={"back": back}, allow_redirects=False) as left:
        cookie = left.headers["Set-Cookie"].partition(";")[0]
    opened = await open_link(stage, asking(stage), Cookie=cookie)

    assert left.headers["Location"] == back
    assert "is_snapshotuser" not in await exchange(stage, opened.query["code"])


async def test_a_double_callback_has_two_codes_that_both_work(stage: Stage) -> None:
    await stage.switch(double_callback=True)
    opened = await open_link(stage, asking(stage))
    codes = await stage.emulator.control("GET", "codes", None, state="aState1")

    assert codes[0]["code"] == opened.query["code"]
    assert codes[1]["code"] in opened.headers["X-Emulated-Second-Callback"]
    for each in codes:
        assert (await exchange(stage, each["code"]))["openid"] == stage.openid


async def test_whoever_is_not_named_is_asked_for(stage: Stage) -> None:
    stage.emulator.world.put_user({"id": "second", "nickname": "小红"})
    asked = await open_link(stage, asking(stage))
    async with stage.emulator.http.post(
        "/connect/emulated_user",
        data={"user": "second", "back": dict(asked.form.fields)["back"]},
        allow_redirects=False,
    ) as picked:
        cookie = picked.headers["Set-Cookie"].partition(";")[0]
    opened = await open_link(stage, picked.headers["Location"], Cookie=cookie)

    assert "小红" in asked.text
    assert picked.headers["Location"] == asking(stage)
    answer = await exchange(stage, opened.query["code"])
    assert answer["openid"] == stage.emulator.world.user("second").openids[stage.shop.appid]


async def test_the_fragment_is_wanted_where_the_switch_says_so(stage: Stage) -> None:
    await stage.switch(require_fragment=True)
    with_it = await open_link(stage, asking(stage), X_Emulated_Fragment="wechat_redirect")
    without = await open_link(stage, asking(stage), X_Emulated_Fragment="")
    script = await open_link(stage, asking(stage))

    assert with_it.status == 302
    assert without.form.ret == "fragment"
    assert (await decide(stage, script, "continue")).status == 302


async def test_unionids_are_shared_within_one_open_platform_account(stage: Stage) -> None:
    world = stage.emulator.world
    bound = [world.put_account({"open_account": name}) for name in ("main", "other", "other", "")]
    found = []
    for account in bound:
        opened = await open_link(stage, asking(stage, "snsapi_userinfo,snsapi_base", appid=account.appid))
        code = (await decide(stage, opened, "allow")).query["code"]
        answer = await exchange(stage, code, appid=account.appid, secret=account.secret)
        found.append(answer.get("unionid"))

    assert found[0] == world.users["user-1"].unionid
    assert found[1] == found[2] != found[0]
    assert found[3] is None


async def test_sns_answers_can_be_as_odd_as_wechats(stage: Stage) -> None:
    stage.emulator.world.put_user({"id": "user-1", "nickname": "张三"})
    await stage.switch(nickname_control_character=True, sns_charset="iso-8859-1", unionid_in_base=True)
    base = await exchange(stage, (await open_link(stage, asking(stage))).query["code"])
    opened = await open_link(stage, asking(stage, "snsapi_userinfo"))
    token = await exchange(stage, opened.query["code"])
    query = {"access_token": token["access_token"], "openid": token["openid"]}
    async with stage.emulator.http.get("/sns/userinfo", params=query) as answer:
        body = await answer.read()

    assert base["unionid"]
    assert answer.headers["Content-Type"] == "text/plain; charset=iso-8859-1"
    assert '"nickname":"张三\x14"'.encode() in body


async def test_sns_takes_get_only_and_can_be_made_to_fail(stage: Stage) -> None:
    code = (await open_link(stage, asking(stage))).query["code"]
    fault = {"path": "/sns/oauth2/access_token", "action": "errcode", "errcode": 45011}
    await stage.emulator.control("POST", "faults", fault)

    assert (await stage.post("/sns/userinfo", {}))["errcode"] == 43001
    assert (await exchange(stage, code))["errcode"] == 45011
    assert (await exchange(stage, code))["openid"] == stage.openid
