"""The authorization pages, read as a browser without JavaScript reads them."""

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.emulator.receiver import Arrived, never
from tests.emulator.stage import Stage, until
from wxgate.emulator.app import create_app
from wxgate.protocol import permissions
from wxgate.protocol.permissions import AccountKind

PC = "/cgi-bin/componentloginpage"
H5 = "/wxaopen/safe/bindcomponent"
OLD_H5 = "/safe/bindcomponent"
REDIRECT = "https://gateway.example/back?keep=1"
REFERER = "https://gateway.example/authorize/x"


@dataclass
class Form(HTMLParser):
    """What a browser keeps of the page: the form's fields, the refusal, the text."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    radios: list[str] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)
    action: str = ""
    ret: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        self.ret = given.get("data-ret", self.ret)
        if tag != "input":
            return
        if given["type"] == "radio":
            self.radios.append(given["value"])
        if given["type"] == "checkbox":
            self.boxes.append(int(given["value"]))
        if given["type"] == "hidden" or "checked" in given:
            self.fields.append((given["name"], given["value"]))

    def handle_data(self, data: str) -> None:
        self.text += data


async def open_page(stage: Stage, path: str = PC, *, referer: str = REFERER, **query: Any) -> Form:
    """Open the page as a browser that was sent by a click."""
    code = stage.emulator.world.codes.make_pre_auth_code(stage.platform.appid).value
    params = {
        "component_appid": stage.platform.appid,
        "pre_auth_code": code,
        "redirect_uri": REDIRECT,
        "auth_type": "3",
        **query,
    }
    given = {name: value for name, value in params.items() if value is not None}
    headers = {"Referer": referer} if referer else {}
    async with stage.emulator.http.get(path, params=given, headers=headers) as answer:
        return parse(await answer.text())


def parse(html: str) -> Form:
    """Read a page."""
    form = Form()
    form.feed(html)
    return form


async def submit(
    stage: Stage, form: Form, fields: list[tuple[str, str]] | None = None
) -> tuple[int, str, str]:
    """Press the button: status, Location, body."""
    data = form.fields if fields is None else fields
    async with stage.emulator.http.post(form.action, data=data, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


@pytest.mark.parametrize("path", [PC, H5, OLD_H5])
async def test_confirming_leads_back_with_a_code_that_can_be_exchanged(stage: Stage, path: str) -> None:
    form = await open_page(stage, path, auth_type="1")
    status, location, _ = await submit(stage, form)
    query = parse_qs(urlsplit(location).query)
    code = query["auth_code"][0]
    token = await stage.component_token()

    assert status == 302
    assert location.startswith(f"{REDIRECT}&auth_code=queryauthcode%40%40%40")
    assert query["expires_in"] == ["3600"]
    info = await stage.component("api_query_auth", token, authorization_code=code)
    assert info["authorization_info"]["authorizer_appid"] == stage.shop.appid
    offered = {known.id for known in permissions.sets_for(AccountKind.OFFICIAL_ACCOUNT)}
    granted = {each["funcscope_category"]["id"] for each in info["authorization_info"]["func_info"]}
    assert granted == offered


async def test_unticked_sets_are_not_granted(stage: Stage) -> None:
    form = await open_page(stage, auth_type="1")
    kept = [(name, value) for name, value in form.fields if name != "func_id" or value in ("1", "15")]
    await submit(stage, form, kept)
    granted = stage.emulator.world.authorizations.get(stage.platform.appid, stage.shop.appid)

    assert granted is not None
    assert granted.func_ids == [1, 15]


async def test_ticking_nothing_is_refused_and_may_be_mended(stage: Stage) -> None:
    form = await open_page(stage)
    nothing = [(name, value) for name, value in form.fields if name != "func_id"]

    _, _, body = await submit(stage, form, nothing)

    assert parse(body).ret == "-104"
    assert (await submit(stage, form))[0] == 302


@pytest.mark.parametrize(
    ("auth_type", "kinds"), [("1", "s"), ("2", "m"), ("3", "sm"), ("6", "sm"), ("5", "")]
)
async def test_auth_type_says_whom_one_may_choose(stage: Stage, auth_type: str, kinds: str) -> None:
    by_letter = {"s": stage.shop.appid, "m": stage.mini.appid}

    assert (await open_page(stage, auth_type=auth_type)).radios == [by_letter[kind] for kind in kinds]


async def test_biz_appid_wins_over_auth_type(stage: Stage) -> None:
    form = await open_page(stage, auth_type="1", biz_appid=stage.mini.appid)

    assert form.radios == [stage.mini.appid]


async def test_category_ids_narrow_what_is_asked_for(stage: Stage) -> None:
    form = await open_page(stage, auth_type="1", category_id_list="1|15|99")

    assert form.boxes == [1, 15]


@pytest.mark.parametrize(
    ("query", "ret"),
    [
        ({"component_appid": None}, "-306"),
        ({"pre_auth_code": None}, "-307"),
        ({"redirect_uri": None}, "-308"),
        ({"component_appid": "wx0"}, "-305"),
        ({"pre_auth_code": "preauthcode@@@x"}, "-100"),
        ({"auth_type": "7"}, "-301"),
    ],
)
async def test_wrong_parameters_are_refused_by_number(stage: Stage, query: dict[str, Any], ret: str) -> None:
    assert (await open_page(stage, **query)).ret == ret


@pytest.mark.parametrize(
    ("referer", "redirect_uri", "entry", "target"),
    [
        ("", REDIRECT, "空", "gateway.example"),
        ("https://other.example/", REDIRECT, "other.example", "gateway.example"),
        (REFERER, "https://other.example/", "gateway.example", "other.example"),
        ("https://other.example/", "https://other.example/", "other.example", "other.example"),
    ],
)
async def test_the_three_domains_must_be_one(
    stage: Stage, referer: str, redirect_uri: str, entry: str, target: str
) -> None:
    form = await open_page(stage, referer=referer, redirect_uri=redirect_uri)

    assert form.ret == "-302"
    assert (
        "请确认授权入口页所在域名，与授权后回调页所在域名相同，并且，此两者都必须与申请第三方平台时填写的"
        f"授权发起页域名相同。授权入口页所在域名：{entry}，授权后回调页所在域名：{target}"
    ) in form.text


async def test_the_domain_check_can_be_switched_off(stage: Stage) -> None:
    await stage.switch(check_referer=False)

    assert (await open_page(stage, referer="")).ret is None


async def test_a_used_or_old_pre_auth_code_says_so(stage: Stage) -> None:
    codes = stage.emulator.world.codes
    used, old = (codes.make_pre_auth_code(stage.platform.appid).value for _ in range(2))
    await submit(stage, await open_page(stage, pre_auth_code=used))

    again = await open_page(stage, pre_auth_code=used)
    before = await open_page(stage, pre_auth_code=old)
    stage.emulator.clock.advance(600)
    late = await open_page(stage, pre_auth_code=old)
    _, _, confirmed = await submit(stage, before)

    assert (again.ret, "预授权码已经被授权过，不能重复使用" in again.text) == ("-110", True)
    assert (late.ret, "授权Ticket已过期" in late.text) == ("-105", True)
    assert parse(confirmed).ret == "-105"


async def test_a_confirmation_counts_once(stage: Stage) -> None:
    form = await open_page(stage)
    await submit(stage, form)

    _, _, body = await submit(stage, form)

    assert parse(body).ret == "-101"


async def test_a_page_from_before_a_reset_is_void(stage: Stage) -> None:
    form = await open_page(stage)
    await stage.emulator.control("POST", "reset", {})

    _, _, body = await submit(stage, form)

    assert parse(body).ret == "-101"


async def test_before_its_release_a_platform_takes_test_accounts_only(stage: Stage) -> None:
    stage.platform.published = False
    assert (await open_page(stage)).ret == "-108"

    stage.platform.test_accounts = [stage.mini.appid]

    assert (await open_page(stage)).radios == [stage.mini.appid]


async def test_code_management_goes_to_one_platform_only(stage: Stage) -> None:
    other = stage.emulator.world.put_platform({})
    await stage.act("authorize", platform=other.appid, appid=stage.mini.appid, func_ids=[18])

    _, _, body = await submit(stage, await open_page(stage, biz_appid=stage.mini.appid))

    assert parse(body).ret == "-107"


@pytest.mark.parametrize(
    ("order", "pushed_before_redirect"), [("push_first", True), ("redirect_first", False)]
)
async def test_the_push_comes_before_or_after_the_redirect_as_switched(
    stage: Stage, order: str, pushed_before_redirect: bool
) -> None:
    await stage.switch(authorized_push=order, redirect_head_start=0.03)
    await submit(stage, await open_page(stage))

    assert bool(stage.receiver.arrived) is pushed_before_redirect
    await until(lambda: bool(stage.receiver.arrived))


async def test_at_once_the_redirect_does_not_wait_for_the_push(stage: Stage) -> None:
    arrived_at_all = asyncio.Event()

    async def slow(arrived: Arrived) -> bytes:
        arrived_at_all.set()
        return await never(arrived)

    stage.receiver.answer = slow
    status, _, _ = await submit(stage, await open_page(stage))
    assert status == 302
    await asyncio.wait_for(arrived_at_all.wait(), 30)
    assert stage.emulator.emulator.pusher.log[0].outcome == "waiting"


async def test_names_are_escaped(stage: Stage) -> None:
    stage.shop.nick_name = "<script>alert(1)</script>"

    form = await open_page(stage, auth_type="1")

    assert "<script>alert(1)</script>" in form.text


async def test_the_pages_speak_english_too() -> None:
    app = create_app(lang="en")
    paths = {getattr(route, "path", "") for route in app.routes}

    assert {PC, H5, OLD_H5} <= paths
