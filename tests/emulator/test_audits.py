"""Audits of code, fast registrations and WeChat's other notices, as the emulator plays them."""

from typing import Any

import pytest

from tests.emulator.stage import Stage
from wxgate.emulator.pushes import Outcome
from wxgate.protocol.messages import EVENT_TYPES, UnknownEvent, parse_message
from wxgate.protocol.pushes import INFO_TYPES, FastRegistered, oddities, parse_component_event
from wxgate.protocol.xml import parse

NOTICES = (
    "weapp_audit_success",
    "weapp_audit_fail",
    "weapp_audit_delay",
    "wxa_nickname_audit",
    "wxa_category_audit",
    "wxa_privacy_apply",
    "wxa_illegal_record",
    "wxa_appeal_record",
    "wxa_media_check",
    "qualification_verify_success",
    "qualification_verify_fail",
    "naming_verify_success",
    "naming_verify_fail",
    "annual_renew",
    "verify_expired",
)


async def mini_token(stage: Stage) -> str:
    """Let the mini program authorise the platform; return the token on its behalf."""
    component = await stage.component_token()
    told = await stage.act("authorize", platform=stage.platform.appid, appid=stage.mini.appid)
    info = await stage.component("api_query_auth", component, authorization_code=told["authorization_code"])
    return str(info["authorization_info"]["authorizer_access_token"])


async def submit(stage: Stage, token: str) -> int:
    """Submit a version and return its audit's id."""
    answer = await stage.post("/wxa/submit_audit", {"item_list": []}, access_token=token)
    assert isinstance(answer["auditid"], int), answer
    return answer["auditid"]


async def test_an_audit_is_submitted_decided_and_told(stage: Stage) -> None:
    token = await mini_token(stage)
    id = await submit(stage, token)
    asked = {"auditid": id}
    assert (await stage.post("/wxa/get_auditstatus", asked, access_token=token))["status"] == 2
    assert (await stage.post("/wxa/submit_audit", {"item_list": []}, access_token=token))["errcode"] == 85009

    [push] = await stage.act(
        "audit", appid=stage.mini.appid, result="rejected", reason="no", screenshot="a|b"
    )

    message = parse_message(parse(push["plain"]))
    assert (message.raw["Event"], message.raw["Reason"]) == ("weapp_audit_fail", "no")
    told = await stage.post("/wxa/get_auditstatus", asked, access_token=token)
    assert (told["status"], told["reason"], told["screenshot"]) == (1, "no", "a|b")
    latest = await stage.get("/wxa/get_latest_auditstatus", access_token=token)
    assert (latest["auditid"], latest["status"], latest["ScreenShot"]) == (str(id), 1, "a|b")


async def test_a_delayed_audit_is_decided_later(stage: Stage) -> None:
    token = await mini_token(stage)
    await submit(stage, token)
    [delayed] = await stage.act("audit", appid=stage.mini.appid, result="delayed", reason="later")
    [passed] = await stage.act("audit", appid=stage.mini.appid, result="passed")
    assert parse(delayed["plain"])["Event"] == "weapp_audit_delay"
    assert parse(passed["plain"])["Event"] == "weapp_audit_success"
    assert (await stage.get("/wxa/get_latest_auditstatus", access_token=token))["status"] == 0


async def test_an_audit_is_taken_back_so_many_times_a_day(stage: Stage) -> None:
    token = await mini_token(stage)
    assert (await stage.get("/wxa/undocodeaudit", access_token=token))["errcode"] == 85058
    for _ in range(5):
        await submit(stage, token)
        assert (await stage.get("/wxa/undocodeaudit", access_token=token))["errcode"] == 0
    await submit(stage, token)
    assert (await stage.get("/wxa/undocodeaudit", access_token=token))["errcode"] == 87013


async def test_what_no_audit_has_is_refused(stage: Stage) -> None:
    token = await mini_token(stage)
    assert (await stage.get("/wxa/get_latest_auditstatus", access_token=token))["errcode"] == 85058
    assert (await stage.post("/wxa/get_auditstatus", {"auditid": 7}, access_token=token))["errcode"] == 85012


async def test_a_fault_loses_the_news_of_an_audit(stage: Stage) -> None:
    token = await mini_token(stage)
    await submit(stage, token)
    await stage.emulator.control("POST", "faults", {"push": "event", "action": "lose"})
    [push] = await stage.act("audit", appid=stage.mini.appid, result="passed")
    assert push["outcome"] == Outcome.LOST
    assert (await stage.get("/wxa/get_latest_auditstatus", access_token=token))["status"] == 0


@pytest.mark.parametrize("personal", [False, True])
async def test_a_fast_registration_brings_a_code_that_can_be_exchanged(stage: Stage, personal: bool) -> None:
    token = await stage.component_token()
    told = await stage.act("register", platform=stage.platform.appid, personal=personal)
    event = parse_component_event(parse(told["push"]["plain"]))
    assert isinstance(event, FastRegistered)
    assert (event.appid, event.status, event.in_words) == (told["appid"], 0, ("registered",))
    assert event.code is not None
    info = await stage.component("api_query_auth", token, authorization_code=event.code.reveal())
    assert info["authorization_info"]["authorizer_appid"] == told["appid"]


async def test_a_registration_that_failed_has_no_code_and_no_account(stage: Stage) -> None:
    told = await stage.act("register", platform=stage.platform.appid, status=101)
    event = parse_component_event(parse(told["push"]["plain"]))
    assert isinstance(event, FastRegistered)
    assert (told["appid"], event.appid, event.status, event.code) == (None, "", 101, None)


@pytest.mark.parametrize("name", NOTICES)
async def test_every_notice_is_pushed_as_wechat_writes_it(stage: Stage, name: str) -> None:
    await mini_token(stage)
    [push] = await stage.act("notice", appid=stage.mini.appid, event=name)
    message = parse_message(parse(push["plain"]))
    assert type(message) is EVENT_TYPES[name]
    assert not isinstance(message, UnknownEvent)
    assert message.openid.startswith("o")


# The first five have acts of their own: the ticket, the authorizations, the fast registration.
@pytest.mark.parametrize("info_type", list(INFO_TYPES)[5:])
async def test_every_component_event_has_a_sample(stage: Stage, info_type: str) -> None:
    push: dict[str, Any] = await stage.act(
        "component-event", platform=stage.platform.appid, info_type=info_type
    )
    event = parse_component_event(parse(push["plain"]))
    assert type(event) is INFO_TYPES[info_type]
    assert oddities(event) == ()
    assert len(event.raw) > 3
