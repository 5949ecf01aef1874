"""An account's own API, on its own secret and on behalf: rights, windows, quotas, and every other path."""

from tests.emulator.stage import Stage
from tests.emulator.test_component_api import says


async def direct_token(stage: Stage, **changed: str) -> dict[str, object]:
    """Fetch a token with the shop's own secret."""
    query = {
        "grant_type": "client_credential",
        "appid": stage.shop.appid,
        "secret": stage.shop.secret,
        **changed,
    }
    answer: dict[str, object] = await stage.get("/cgi-bin/token", **query)
    return answer


async def stable_token(stage: Stage, *, force: bool = False) -> dict[str, object]:
    """Fetch the shop's stable token."""
    body = {
        "grant_type": "client_credential",
        "appid": stage.shop.appid,
        "secret": stage.shop.secret,
        "force_refresh": force,
    }
    answer: dict[str, object] = await stage.post("/cgi-bin/stable_token", body)
    return answer


async def test_the_secret_buys_a_token_that_is_not_the_platforms(stage: Stage) -> None:
    _, info = await stage.authorized()
    own = await direct_token(stage)

    for token in (str(own["access_token"]), info["authorizer_access_token"]):
        assert (await stage.get("/cgi-bin/user/get", access_token=token))["data"] == {
            "openid": [stage.openid]
        }
    assert own["expires_in"] == 7200


async def test_bad_credentials_of_an_account_are_refused(stage: Stage) -> None:
    assert (await direct_token(stage, appid="wx0"))["errcode"] == 40013
    assert (await direct_token(stage, secret="wrong"))["errcode"] == 40125
    assert (await direct_token(stage, grant_type="x"))["errcode"] == 40002
    assert await direct_token(stage, appid="wx0") == {"errcode": 40013, "errmsg": "invalid appid"}


async def test_an_account_without_this_ip_on_its_list_says_which_ip(stage: Stage) -> None:
    stage.shop.ip_whitelist = []

    answer = await direct_token(stage)

    assert says(answer, 40164, "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist")


async def test_the_stable_token_stays_until_five_minutes_before_its_end(stage: Stage) -> None:
    first = await stable_token(stage)
    stage.emulator.clock.advance(6899)
    same = await stable_token(stage)
    stage.emulator.clock.advance(1)
    second = await stable_token(stage)

    assert same == {"access_token": first["access_token"], "expires_in": 301}
    assert second["access_token"] != first["access_token"]
    for token in (first, second):
        answer = await stage.get("/cgi-bin/getcallbackip", access_token=str(token["access_token"]))
        assert "ip_list" in answer


async def test_forcing_a_stable_token_ends_the_old_one_at_once_but_not_twice_in_thirty_seconds(
    stage: Stage,
) -> None:
    old = str((await stable_token(stage))["access_token"])
    new = str((await stable_token(stage, force=True))["access_token"])

    assert new != old
    assert (await stage.get("/cgi-bin/getcallbackip", access_token=old))["errcode"] == 40001
    assert (await stable_token(stage, force=True))["access_token"] == new


async def test_a_missing_permission_set_and_a_missing_right_differ(stage: Stage) -> None:
    _, info = await stage.authorized(func_ids=[1, 15])
    token = info["authorizer_access_token"]
    stage.shop.capabilities = [1, 2]

    assert says(
        await stage.get("/cgi-bin/user/get", access_token=token), 61007, "api is unauthorized to component"
    )
    assert says(await stage.get("/cgi-bin/menu/get", access_token=token), 48001, "api unauthorized")


async def test_a_mini_program_has_no_menus(stage: Stage) -> None:
    query = {"grant_type": "client_credential", "appid": stage.mini.appid, "secret": stage.mini.secret}
    token = (await stage.get("/cgi-bin/token", **query))["access_token"]

    assert (await stage.get("/cgi-bin/menu/get", access_token=token))["errcode"] == 48001


async def test_a_custom_message_reaches_whoever_wrote_within_two_days(stage: Stage) -> None:
    _, info = await stage.authorized()
    token = info["authorizer_access_token"]
    body = {"touser": stage.openid, "msgtype": "text", "text": {"content": "您好 / hello"}}

    async def send() -> dict[str, object]:
        answer: dict[str, object] = await stage.post("/cgi-bin/message/custom/send", body, access_token=token)
        return answer

    assert (await send())["errcode"] == 45015
    await stage.act("message", appid=stage.shop.appid, openid=stage.openid, content="在吗")
    assert await send() == {"errcode": 0, "errmsg": "ok"}
    seen = await stage.emulator.control("GET", "inbox", appid=stage.shop.appid, openid=stage.openid)
    assert [(entry["from"], entry["content"], entry["sender"]) for entry in seen] == [
        ("custom", "您好 / hello", stage.platform.appid)
    ]
    await stage.switch(custom_message_limit=1)
    assert (await send())["errcode"] == 45047
    await stage.act("event", appid=stage.shop.appid, openid=stage.openid, event="unsubscribe")
    assert (await send())["errcode"] == 45015


async def test_user_info_tells_followers_from_strangers(stage: Stage) -> None:
    token = str((await direct_token(stage))["access_token"])
    known = await stage.get("/cgi-bin/user/info", access_token=token, openid=stage.openid)
    stage.emulator.world.unfollow(stage.emulator.world.user("user-1"), stage.shop)
    gone = await stage.get("/cgi-bin/user/info", access_token=token, openid=stage.openid)
    stranger = await stage.get("/cgi-bin/user/info", access_token=token, openid="oNobody")

    assert (known["subscribe"], known["openid"]) == (1, stage.openid)
    assert gone == {"subscribe": 0, "openid": stage.openid}
    assert stranger["errcode"] == 40003


async def test_the_js_ticket_is_the_same_until_it_is_over(stage: Stage) -> None:
    token = str((await direct_token(stage))["access_token"])

    async def ticket(kind: str) -> dict[str, object]:
        answer: dict[str, object] = await stage.get(
            "/cgi-bin/ticket/getticket", access_token=token, type=kind
        )
        return answer

    first = await ticket("jsapi")
    stage.emulator.clock.advance(200)

    assert await ticket("jsapi") == {**first, "expires_in": 7000}
    assert (await ticket("wx_card"))["ticket"] != first["ticket"]


async def test_a_daily_limit_holds_until_midnight_or_a_clearing(stage: Stage) -> None:
    token = str((await direct_token(stage))["access_token"])
    limit = {"appid": stage.shop.appid, "path": "/cgi-bin/user/get", "daily_limit": 2}
    await stage.emulator.control("POST", "quotas", limit)

    async def codes(count: int) -> list[int]:
        answers = [await stage.get("/cgi-bin/user/get", access_token=token) for _ in range(count)]
        return [answer.get("errcode", 0) for answer in answers]

    assert await codes(3) == [0, 0, 45009]
    quota = await stage.post(
        "/cgi-bin/openapi/quota/get", {"cgi_path": "/cgi-bin/user/get"}, access_token=token
    )
    assert quota["quota"] == {"daily_limit": 2, "used": 2, "remain": 0}
    cleared = await stage.post("/cgi-bin/clear_quota", {"appid": stage.shop.appid}, access_token=token)
    assert cleared["errcode"] == 0
    assert await codes(3) == [0, 0, 45009]
    by_secret = {"appid": stage.shop.appid, "appsecret": stage.shop.secret}
    assert (await stage.post("/cgi-bin/clear_quota/v2", None, **by_secret))["errcode"] == 0
    assert await codes(1) == [0]


async def test_a_quota_is_cleared_ten_times_a_month_at_most(stage: Stage) -> None:
    token = await stage.component_token()

    codes = [(await stage.component("clear_quota", token))["errcode"] for _ in range(11)]

    assert codes == [0] * 10 + [48006]


async def test_the_minute_limit_ends_with_the_minute(stage: Stage) -> None:
    token = str((await direct_token(stage))["access_token"])
    await stage.switch(minute_limit=3)

    async def code() -> int:
        return int((await stage.get("/cgi-bin/user/get", access_token=token)).get("errcode", 0))

    assert [await code() for _ in range(3)] == [0, 0, 45011]
    stage.emulator.clock.advance(60)
    assert await code() == 0


async def test_a_rid_can_be_looked_up_by_the_same_kind_of_token(stage: Stage) -> None:
    component, info = await stage.authorized(func_ids=[1])
    token = info["authorizer_access_token"]
    failed = await stage.get("/cgi-bin/user/get", access_token=token)
    rid = failed["errmsg"].rpartition("rid: ")[2]

    found = await stage.post("/cgi-bin/openapi/rid/get", {"rid": rid}, access_token=token)
    other = await stage.post("/cgi-bin/openapi/rid/get", {"rid": rid}, access_token=component)

    assert found["request"]["client_ip"] == "127.0.0.1"
    assert "61007" in found["request"]["response_body"]
    assert token not in found["request"]["request_url"]
    assert other["errcode"] == 76003


async def test_every_other_known_path_answers_in_its_shape(stage: Stage) -> None:
    token = str((await direct_token(stage))["access_token"])
    menu = await stage.get("/cgi-bin/menu/get", access_token=token)
    created = await stage.post("/cgi-bin/shorturl", {"action": "long2short"}, access_token=token)

    assert set(created) >= {"errcode", "short_url"}
    assert menu.get("errcode", 0) == 0
    assert (await stage.post("/cgi-bin/menu/create", {"button": []}, access_token=token))["errcode"] == 0
    assert (await stage.get("/cgi-bin/menu/create", access_token=token))["errcode"] == 43002


async def test_an_answer_can_be_written_as_wechat_writes_it_elsewhere(stage: Stage) -> None:
    await stage.switch(escape_slash=True, errmsg_suffix="hint")
    query = {"access_token": "99_" + "x" * 154}

    async with stage.emulator.http.get("/cgi-bin/user/get", params=query) as answer:
        text = await answer.text()

    assert "https:\\/\\/mmbizurl.cn\\/s\\/JtxxFh33r hint: [" in text


async def test_the_call_log_masks_tokens(stage: Stage) -> None:
    token = str((await direct_token(stage))["access_token"])
    await stage.get("/cgi-bin/user/get", access_token=token)

    calls = await stage.emulator.control("GET", "calls", path="/cgi-bin/user/get")

    assert [call["query"]["access_token"] for call in calls] == [f"****{token[-6:]}"]
    assert [(call["token_kind"], call["appid"], call["errcode"]) for call in calls] == [
        ("direct", stage.shop.appid, 0)
    ]
