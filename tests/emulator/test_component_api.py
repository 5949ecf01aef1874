"""The component API over HTTP: tokens, codes, exchange and renewal, and WeChat's own words of refusal."""

import re

from tests.emulator.stage import Stage

BASE = "/cgi-bin/component/"
RID = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"


def says(answer: dict[str, object], code: int, text: str) -> bool:
    """Tell whether an answer is this refusal, followed by a rid."""
    return answer["errcode"] == code and bool(
        re.fullmatch(f"{re.escape(text)} rid: {RID}", str(answer["errmsg"]))
    )


async def test_a_ticket_buys_a_token_that_makes_a_pre_auth_code(stage: Stage) -> None:
    token = await stage.component_token()
    answer = await stage.component("api_create_preauthcode", token)

    assert re.fullmatch(r"\d\d_[\w-]{154}", token)
    assert answer["expires_in"] == 600
    assert re.fullmatch(r"preauthcode@@@[\w-]{64}", answer["pre_auth_code"])


async def test_a_foreign_or_missing_ticket_is_invalid(stage: Stage) -> None:
    for ticket in ("", "ticket@@@nonsense"):
        body = {**stage.credentials(), "component_verify_ticket": ticket}
        assert says(
            await stage.post(f"{BASE}api_component_token", body), 61006, "component ticket is invalid"
        )


async def test_a_ticket_is_expired_after_twelve_hours(stage: Stage) -> None:
    await stage.component_token()
    stage.emulator.world.platforms[stage.platform.appid].pushing = False
    body = stage.credentials()
    stage.emulator.clock.advance(12 * 3600 - 1)
    assert "component_access_token" in await stage.post(f"{BASE}api_component_token", body)

    stage.emulator.clock.advance(1)

    assert says(await stage.post(f"{BASE}api_component_token", body), 61005, "component ticket is expired")


async def test_wrong_credentials_are_refused_by_what_is_wrong(stage: Stage) -> None:
    await stage.component_token()

    async def code(**changed: str) -> int:
        return int(
            (await stage.post(f"{BASE}api_component_token", {**stage.credentials(), **changed}))["errcode"]
        )

    assert await code(component_appid="wx0000000000000000") == 40013
    assert await code(component_appid=stage.mini.appid) == 61011
    assert await code(component_appsecret="wrong") == 40125
    assert await code(component_appsecret="") == 41004


async def test_an_unregistered_ip_is_told_which_one_it_is(stage: Stage) -> None:
    token = await stage.component_token()
    stage.platform.ip_whitelist = ["203.0.113.7"]
    text = "access clientip is not registered requestIP: 127.0.0.1"

    assert says(await stage.post(f"{BASE}api_component_token", stage.credentials()), 61004, text)
    assert says(await stage.component("api_create_preauthcode", token), 61004, text)


async def test_the_first_group_of_the_rid_is_the_time_of_the_call(stage: Stage) -> None:
    answer = await stage.post(f"{BASE}api_component_token", {**stage.credentials()})

    assert int(answer["errmsg"].rpartition("rid: ")[2][:8], 16) == stage.now()


async def test_a_body_that_is_empty_or_no_json_is_refused_before_anything_else(stage: Stage) -> None:
    async with stage.emulator.http.post(f"{BASE}api_component_token", data=b"") as answer:
        assert await answer.json(content_type=None) == {"errcode": 44002, "errmsg": "empty post data"}
        assert answer.status == 200
    async with stage.emulator.http.post(f"{BASE}api_component_token", data=b"{,}") as answer:
        assert says(await answer.json(content_type=None), 47001, "data format error")


async def test_the_wrong_verb_is_refused(stage: Stage) -> None:
    assert says(await stage.get(f"{BASE}api_component_token"), 43002, "require POST method")
    assert says(await stage.post("/cgi-bin/token", {}), 43001, "require GET method")


async def test_both_names_of_the_token_parameter_are_accepted(stage: Stage) -> None:
    token, body = await stage.component_token(), {"component_appid": stage.platform.appid}

    for name in ("access_token", "component_access_token"):
        assert "pre_auth_code" in await stage.post(f"{BASE}api_create_preauthcode", body, **{name: token})
    assert says(await stage.post(f"{BASE}api_create_preauthcode", body), 41001, "access_token missing")


async def test_each_kind_of_token_opens_only_its_own_apis(stage: Stage) -> None:
    component, info = await stage.authorized()
    business = info["authorizer_access_token"]

    assert says(
        await stage.component("api_create_preauthcode", business),
        61014,
        "must use component token for component api",
    )
    assert says(
        await stage.get("/cgi-bin/user/get", access_token=component),
        61015,
        "must use biz account token for not component api",
    )


async def test_malformed_unknown_superseded_and_expired_tokens_differ(stage: Stage) -> None:
    old = await stage.component_token()
    new = await stage.component_token()

    async def code(token: str) -> int:
        return int((await stage.component("api_create_preauthcode", token)).get("errcode", 0))

    assert await code("nonsense") == 40014
    assert await code("99_" + "x" * 154) == 40001
    assert await code(old) == 0, "the old token lives on for five minutes"
    stage.emulator.clock.advance(300)
    assert await code(old) == 40001
    assert await code(new) == 0
    stage.emulator.clock.advance(6900)
    assert await code(new) == 42001


async def test_the_exchange_gives_tokens_and_permission_sets_once(stage: Stage) -> None:
    token = await stage.component_token()
    act = await stage.act("authorize", platform=stage.platform.appid, appid=stage.shop.appid, func_ids=[1, 2])
    code = act["authorization_code"]
    info = (await stage.component("api_query_auth", token, authorization_code=code))["authorization_info"]

    assert info["authorizer_appid"] == stage.shop.appid
    assert info["expires_in"] == 7200
    assert info["func_info"] == [{"funcscope_category": {"id": 1}}, {"funcscope_category": {"id": 2}}]
    again = await stage.component("api_query_auth", token, authorization_code=code)
    assert says(again, 61010, "code is expired")
    pre = act["pre_auth_code"]
    assert says(
        await stage.component("api_query_auth", token, authorization_code=pre), 61009, "code is invalid"
    )


async def test_an_authorization_code_is_expired_after_an_hour(stage: Stage) -> None:
    token = await stage.component_token()
    code = (await stage.act("authorize", platform=stage.platform.appid, appid=stage.shop.appid))[
        "authorization_code"
    ]
    stage.emulator.clock.advance(3600)

    assert says(
        await stage.component("api_query_auth", token, authorization_code=code), 61010, "code is expired"
    )


async def test_a_code_of_another_platform_is_invalid_here(stage: Stage) -> None:
    token = await stage.component_token()
    other = stage.emulator.world.put_platform({})
    code = (await stage.act("authorize", platform=other.appid, appid=stage.shop.appid))["authorization_code"]

    assert says(
        await stage.component("api_query_auth", token, authorization_code=code), 61009, "code is invalid"
    )


async def test_differing_codes_each_work_once_unless_switched(stage: Stage) -> None:
    await stage.switch(codes_identical=False)
    token = await stage.component_token()

    async def exchange_both(func_ids: list[int]) -> list[int]:
        act = await stage.act(
            "authorize", platform=stage.platform.appid, appid=stage.shop.appid, func_ids=func_ids
        )
        pushed = re.search(r"queryauthcode@@@[\w-]{86}", act["push"]["plain"])
        assert pushed is not None
        assert pushed[0] != act["authorization_code"]
        answers = [
            await stage.component("api_query_auth", token, authorization_code=code)
            for code in (act["authorization_code"], pushed[0])
        ]
        return [answer.get("errcode", 0) for answer in answers]

    assert await exchange_both([1]) == [0, 0]
    await stage.switch(both_codes_work=False)
    assert await exchange_both([1, 2]) == [0, 61010]


async def test_a_renewal_keeps_the_refresh_token_and_a_wrong_one_is_refused(stage: Stage) -> None:
    token, info = await stage.authorized()
    refresh = info["authorizer_refresh_token"]
    body = {"authorizer_appid": stage.shop.appid, "authorizer_refresh_token": refresh}

    answer = await stage.component("api_authorizer_token", token, **body)

    assert answer["authorizer_refresh_token"] == refresh
    assert answer["authorizer_access_token"] != info["authorizer_access_token"]
    body["authorizer_refresh_token"] = "refreshtoken@@@wrong"
    assert says(
        await stage.component("api_authorizer_token", token, **body), 61023, "refresh_token is invalid"
    )


async def test_authorizing_again_changes_the_refresh_token_after_five_minutes_of_overlap(
    stage: Stage,
) -> None:
    token, info = await stage.authorized(func_ids=[1])
    body = {
        "authorizer_appid": stage.shop.appid,
        "authorizer_refresh_token": info["authorizer_refresh_token"],
    }
    act = await stage.act(
        "update-authorization", platform=stage.platform.appid, appid=stage.shop.appid, func_ids=[1, 2]
    )

    assert act["push"]["kind"] == "updateauthorized"
    renewed = await stage.component("api_authorizer_token", token, **body)
    assert renewed["authorizer_refresh_token"] != info["authorizer_refresh_token"]
    stage.emulator.clock.advance(300)
    assert says(
        await stage.component("api_authorizer_token", token, **body), 61023, "refresh_token is invalid"
    )


async def test_authorizing_again_without_a_change_is_not_told(stage: Stage) -> None:
    await stage.authorized(func_ids=[1])
    act = await stage.act("authorize", platform=stage.platform.appid, appid=stage.shop.appid, func_ids=[1])

    assert act["push"] is None


async def test_after_cancelling_nothing_of_the_account_works(stage: Stage) -> None:
    token, info = await stage.authorized()
    push = await stage.act("unauthorize", platform=stage.platform.appid, appid=stage.shop.appid)
    text = "component is not authorized by this account"

    assert "<InfoType><![CDATA[unauthorized]]></InfoType>" in push["plain"]
    body = {
        "authorizer_appid": stage.shop.appid,
        "authorizer_refresh_token": info["authorizer_refresh_token"],
    }
    assert says(await stage.component("api_authorizer_token", token, **body), 61003, text)
    business = info["authorizer_access_token"]
    assert says(await stage.get("/cgi-bin/user/get", access_token=business), 61003, text)


async def test_only_a_mini_program_has_mini_program_info(stage: Stage) -> None:
    token = await stage.component_token()
    for account in (stage.shop, stage.mini):
        await stage.act("authorize", platform=stage.platform.appid, appid=account.appid)

    shop = await stage.component("api_get_authorizer_info", token, authorizer_appid=stage.shop.appid)
    mini = await stage.component("api_get_authorizer_info", token, authorizer_appid=stage.mini.appid)

    assert shop["authorizer_info"]["user_name"] == stage.shop.user_name
    assert "MiniProgramInfo" not in shop["authorizer_info"]
    assert mini["authorizer_info"]["MiniProgramInfo"]["visit_status"] == 0
    assert "authorizer_access_token" not in str(shop)


async def test_the_list_pages_through_the_authorizers(stage: Stage) -> None:
    token, info = await stage.authorized()
    await stage.act("authorize", platform=stage.platform.appid, appid=stage.mini.appid)

    page = await stage.component("api_get_authorizer_list", token, offset=0, count=1)
    rest = await stage.component("api_get_authorizer_list", token, offset=1, count=500)
    too_many = await stage.component("api_get_authorizer_list", token, offset=0, count=501)

    assert page["total_count"] == 2
    assert page["list"][0]["refresh_token"] == info["authorizer_refresh_token"]
    assert rest["list"][0] | {"auth_time": 0} == {
        "authorizer_appid": stage.mini.appid,
        "refresh_token": "",
        "auth_time": 0,
    }
    assert too_many["errcode"] == 40170


async def test_options_are_kept_and_checked(stage: Stage) -> None:
    token, info = await stage.authorized()
    named = {"authorizer_appid": stage.shop.appid, "option_name": "voice_recognize"}

    assert (await stage.component("api_set_authorizer_option", token, **named, option_value="1"))[
        "errcode"
    ] == 0
    assert (await stage.component("api_get_authorizer_option", token, **named))["option_value"] == "1"
    wrong = await stage.component("api_set_authorizer_option", token, **named, option_value="7")
    assert wrong["errcode"] == 61013
    on_behalf = await stage.post(
        f"{BASE}get_authorizer_option",
        {"option_name": "voice_recognize"},
        access_token=info["authorizer_access_token"],
    )
    assert on_behalf["option_value"] == "1"
    await stage.switch(option_api="new")
    assert (await stage.component("api_get_authorizer_option", token, **named))["errcode"] == 40066


async def test_an_unknown_path_is_an_invalid_url(stage: Stage) -> None:
    assert says(await stage.get("/cgi-bin/there_is_no_such_thing"), 40066, "invalid url")
