"""The login pages by themselves: complete in both languages, and allowed nothing that they do not need."""

import re
from html import unescape

import pytest
from starlette.requests import Request
from starlette.responses import Response

from wxgate.login.attempts import Step
from wxgate.login.finishing import REFUSALS
from wxgate.server.login.pages import STATUS, LoginPages, Notice, Why
from wxgate.server.login.texts import LOGIN_TEXTS
from wxgate.server.texts import Lang

RES, OPEN = "https://res.example.com", "https://open.example.com"

FIGURES = {"name": "<b>晨光</b>", "appid": "wx1", "realm": "shop"}

PAGES = LoginPages(res_base_url=RES, open_base_url=OPEN)


def visit(query: str = "") -> Request:
    """Make a request of a browser."""
    return Request(
        {"type": "http", "method": "GET", "path": "/login", "query_string": query.encode(), "headers": []}
    )


def body(page: Response) -> str:
    return bytes(page.body).decode()


def policy(page: Response) -> dict[str, str]:
    """Read what a page is allowed."""
    parts = (part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    return dict(parts)


def every_page(lang: Lang) -> dict[str, Response]:
    return {
        "tap": PAGES.tap(visit(), lang, name="晨光", why=Why.LOGGED_OUT, start="/login/wechat/shop?go=1"),
        "qr": PAGES.qr(visit(), lang, name="晨光", login='{"appid":"wx1"}', full=OPEN + "/connect/qrconnect"),
        "open": PAGES.open_in_wechat(
            visit(), lang, name="晨光", address="https://gw.example/x?a=1&b=2", wecom=False
        ),
        "logout": PAGES.logout(
            visit(),
            lang,
            name="晨光",
            action="/login/logout",
            fields={"realm": "shop"},
            back="https://shop.example/a;%20script-src%20*; script-src *",
        ),
    } | {word: PAGES.notice(visit(), lang, Notice(word, FIGURES)) for word in STATUS}


@pytest.mark.parametrize("lang", Lang)
def test_every_page_says_something_and_nothing_unescaped(lang: Lang) -> None:
    for name, page in every_page(lang).items():
        written = body(page)
        assert re.search(r"<h1>\s*\S", written), name
        assert "<b>晨光</b>" not in written, name
        assert not re.search(r"\{\w+\}", re.sub(r"<(style|script)>.*?</\1>", "", written, flags=re.S)), name
        assert page.headers["content-language"] == ("zh-CN" if lang is Lang.ZH else "en")


def test_no_page_is_kept_framed_or_told_about_to_the_next_site() -> None:
    for name, page in every_page(Lang.EN).items():
        assert page.headers["cache-control"] == "no-store", name
        assert page.headers["referrer-policy"] == "no-referrer", name
        assert policy(page)["frame-ancestors"] == "'none'", name
        assert policy(page)["default-src"] == "'none'", name


def test_only_the_page_with_wechats_code_loads_anything_and_only_from_wechat() -> None:
    pages = every_page(Lang.EN)
    framed = policy(pages.pop("qr"))
    assert framed["frame-src"] == OPEN
    assert framed["script-src"].split()[1:] == [RES + "/connect/zh_CN/htmledition/js/wxLogin.js"]
    for name, page in pages.items():
        assert not {"frame-src", "img-src", "connect-src"} & policy(page).keys(), name
        assert "http" not in policy(page).get("script-src", ""), name
        assert not re.search(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=", body(page)), name


def test_a_form_leads_only_to_us_and_on_to_where_the_visitor_came_from() -> None:
    pages = every_page(Lang.EN)
    assert policy(pages.pop("logout"))["form-action"] == "'self' https://shop.example"
    assert {policy(page)["form-action"] for page in pages.values()} == {"'none'"}


def test_the_other_language_keeps_the_query_whatever_is_in_it() -> None:
    page = PAGES.notice(
        visit("return_to=https%3A%2F%2Fshop.example%2F%3Fa%3D1%26b%3D2&lang=en&state=%22%3E"),
        Lang.EN,
        Notice("cancelled"),
    )
    found = re.search(r'<footer><a href="([^"]*)"', body(page))
    assert found
    assert (
        unescape(found[1]) == "?return_to=https%3A%2F%2Fshop.example%2F%3Fa%3D1%26b%3D2&state=%22%3E&lang=zh"
    )


def test_an_address_too_long_for_a_phone_to_read_is_shown_without_a_code() -> None:
    long = "https://gw.example/" + "x" * 3000
    page = PAGES.open_in_wechat(visit(), Lang.ZH, name="晨光", address=long, wecom=True)
    assert long in body(page)
    assert "<svg" not in body(page)


def test_on_a_computer_the_code_comes_before_the_address() -> None:
    there = {"name": "晨光", "address": "https://gw.example/x", "wecom": False}
    computer = body(PAGES.open_in_wechat(visit(), Lang.EN, **there, computer=True))
    phone = body(PAGES.open_in_wechat(visit(), Lang.EN, **there, computer=False))
    assert computer.index('class="qr"') < computer.index('id="address"')
    assert "another phone" not in computer
    assert phone.index('id="address"') < phone.index("on another phone") < phone.index('class="qr"')


def test_a_snapshot_that_is_to_be_left_by_its_own_button_is_not_called_the_end() -> None:
    for lang, closing in ((Lang.ZH, "关闭这个页面"), (Lang.EN, "close this page")):
        assert closing not in body(PAGES.notice(visit(), lang, Notice("snapshot")))
        assert closing in body(PAGES.notice(visit(), lang, Notice("unknown")))


def test_a_realm_has_one_name_in_chinese() -> None:
    assert "领域" not in "".join(zh for zh, _ in LOGIN_TEXTS.values())


def test_every_end_that_the_door_knows_has_a_page_of_its_own() -> None:
    turned_away = {Step.UNKNOWN, Step.STRANGER, Step.WRONG_ACCOUNT}
    assert {*REFUSALS, *turned_away} <= set(STATUS)


def test_an_unknown_word_is_a_general_trouble() -> None:
    page = PAGES.notice(visit(), Lang.EN, Notice("no_such_word"))
    assert page.status_code == 503
    assert "The login did not work" in body(page)
