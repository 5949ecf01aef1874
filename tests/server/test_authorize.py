"""The authorization pages over HTTP: from the entry page to WeChat and back to the result."""

import base64
import hmac
import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import segno

from tests.cast import settle
from tests.harness import Fetched, Harness, World
from tests.pushing import metric
from wxgate.custody.records import Authorization, LinkChoices
from wxgate.custody.renewing import HOLD_MOST
from wxgate.server.authorize import CLICKS_PER_ADDRESS
from wxgate.server.qr import draw_qr

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 MicroMessenger/8.0.42"
PREAUTH = "/cgi-bin/component/api_create_preauthcode"
QUERY_AUTH = "/cgi-bin/component/api_query_auth"
WRONG_QUERIES = (
    "auth_type=0",
    "auth_type=7",
    "auth_type=9",
    "auth_type=٣",
    "auth_type=-1",
    "auth_type=" + "1" * 5000,
    "biz_appid=%3Cscript%3E",
    "biz_appid=" + "w" * 65,
    "category_id_list=1,2",
    "category_id_list=1||2",
    "category_id_list=" + "|".join(["1"] * 51),
    "category_id_list=123456",
)
INVITED = LinkChoices(auth_type=1, biz_appid=None, category_ids=(1, 11))


def links(page: Fetched) -> dict[str, str]:
    """Read a page's links by their id, and by their text where they have none."""
    found = re.findall(r"<a\b([^>]*)>(.*?)</a>", page.text, re.DOTALL)
    attributes = [(dict(re.findall(r'([\w-]+)="([^"]*)"', names)), text.strip()) for names, text in found]
    return {each.get("id", text): unescape(each["href"]) for each, text in attributes}


async def click(world: World, kind: str = "pc", **query: str) -> Fetched:
    """Click a start link of the entry page."""
    path = f"/authorize/{world.platform.appid}/start?{urlencode({'kind': kind, **query})}"
    return await world.fetch(path, Referer=world.gateway_url + "/")


def sent_to(answer: Fetched) -> dict[str, str]:
    """Read the parameters WeChat's page was opened with."""
    assert answer.status == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.location).query))


async def confirm(world: World, wechat_page: dict[str, str], appid: str) -> str:
    """Let the merchant confirm on WeChat's page; return the address WeChat sends the browser to."""
    told = await world.authorize(appid, pre_auth_code=wechat_page["pre_auth_code"])
    back = {"auth_code": told["authorization_code"], "expires_in": "3600"}
    return f"{wechat_page['redirect_uri']}&{urlencode(back)}"


async def result_of(world: World, return_address: str, **headers: str) -> Fetched:
    """Come back from WeChat and follow to the result page."""
    returned = await world.fetch(return_address)
    assert returned.status == 303, returned.text
    return await world.fetch(returned.location, **headers)


async def invite(world: World, *, max_uses: int = 1, return_url: str | None = None) -> str:
    """Make an invite; return its address."""
    _, address = await world.node.links.invite(
        world.platform.appid,
        reference="tenant-7",
        choices=INVITED,
        valid_for=timedelta(days=7),
        max_uses=max_uses,
        return_url=return_url,
    )
    return address


async def restrict(world: World, *addresses: str) -> None:
    """Let WeChat take the platform's calls from these addresses only, or from all when there is none."""
    whitelist = list(addresses) or None
    await world.control("POST", "platforms", {"appid": world.platform.appid, "ip_whitelist": whitelist})


async def authorization(world: World, appid: str) -> Authorization:
    """Load what we hold of an account."""
    found = await world.node.authorizations.load(world.platform.appid, appid)
    assert found is not None
    return found


# The entry page


async def test_the_entry_page_leads_to_both_of_wechats_pages_and_spends_nothing(gateway: World) -> None:
    page = await gateway.fetch(f"/authorize/{gateway.platform.appid}", accept_language="zh-CN")
    assert page.status == 200
    assert "授权给云店通" in page.text
    start = f"{gateway.gateway_url}/authorize/{gateway.platform.appid}/start"
    assert links(page)["pc"] == f"{start}?kind=pc&auth_type=3"
    assert links(page)["h5"] == f"{start}?kind=h5&auth_type=3"
    assert await gateway.calls(PREAUTH) == []


async def test_the_entry_page_loads_nothing_and_says_where_a_click_comes_from(gateway: World) -> None:
    page = await gateway.fetch(f"/authorize/{gateway.platform.appid}")
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert page.headers["referrer-policy"] == "origin"
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<(script|img|link|iframe)|url\(|style=|\bon\w+=", page.text)


async def test_the_qr_code_leads_a_phone_to_our_page_and_not_to_wechats(gateway: World) -> None:
    page = await gateway.fetch(f"/authorize/{gateway.platform.appid}?auth_type=2")
    address = f"{gateway.gateway_url}/authorize/{gateway.platform.appid}?auth_type=2&device=phone"
    drawn = re.search(r'<path [^>]*class="?[^>]* d="[^"]+"|<path[^>]* d="M[^"]+"/?>', page.text)
    assert drawn is not None
    code = segno.make(address, error="l", boost_error=False, mask=0, micro=False)
    expected = code.svg_inline(border=2, omitsize=True, light="#fff", svgclass=None, lineclass=None)
    assert expected in page.text
    phone = await gateway.fetch(address)
    assert phone.text.index('id="h5"') < phone.text.index('id="pc"')


async def test_a_phone_is_offered_the_h5_page_first_and_a_computer_the_other(gateway: World) -> None:
    path = f"/authorize/{gateway.platform.appid}"
    phone = await gateway.fetch(path, user_agent=PHONE)
    windows = await gateway.fetch(
        path, user_agent="Mozilla/5.0 (Windows NT 10.0) MicroMessenger/7.0 WindowsWechat"
    )
    assert phone.text.index('id="h5"') < phone.text.index('id="pc"')
    assert "<svg" not in phone.text
    assert windows.text.index('id="pc"') < windows.text.index('id="h5"')


async def test_the_language_follows_the_parameter_and_then_the_browser(gateway: World) -> None:
    path = f"/authorize/{gateway.platform.appid}"
    english = await gateway.fetch(path, accept_language="en-GB,en;q=0.9")
    assert "Authorise 云店通" in english.text
    assert english.headers["content-language"] == "en"
    chinese = await gateway.fetch(path + links(english)["中文"], accept_language="en")
    assert "授权给云店通" in chinese.text


async def test_every_parameter_of_wechats_page_is_taken_and_passed_on(gateway: World) -> None:
    asked = {"auth_type": "6", "biz_appid": "wxf8b4f85f3a794e77", "category_id_list": "1|11"}
    page = await gateway.fetch(
        f"/authorize/{gateway.platform.appid}?{urlencode(asked)}", accept_language="zh"
    )
    assert "仅限账号 wxf8b4f85f3a794e77" in page.text
    assert "<li>消息管理</li><li>素材管理</li>" in page.text
    query = dict(parse_qsl(urlsplit(links(page)["h5"]).query))
    assert query == {"kind": "h5", **asked}
    assert sent_to(await click(gateway, **query)).items() >= asked.items()


async def test_every_auth_type_can_be_asked_for_and_is_shown_as_chosen(gateway: World) -> None:
    for auth_type in "1234568":
        page = await gateway.fetch(f"/authorize/{gateway.platform.appid}?auth_type={auth_type}")
        chosen = re.findall(r'<a href="\?([^"]*)" aria-current="true">', page.text)
        assert [parse_qs(unescape(query))["auth_type"] for query in chosen] == [[auth_type]]
        assert f"auth_type={auth_type}" in links(page)["pc"]


async def test_a_wrong_parameter_is_a_kind_page_with_a_way_on(gateway: World) -> None:
    entry = f"/authorize/{gateway.platform.appid}"
    for query in WRONG_QUERIES:
        for path in (entry, f"{entry}/start"):
            page = await gateway.fetch(f"{path}?{query}", accept_language="en")
            assert page.status == 400, query[:100]
            assert "This address has a wrong parameter" in page.text
            assert links(page)["Start again"] == gateway.url(entry)
    assert await gateway.calls(PREAUTH) == []


async def test_an_unknown_platform_is_a_kind_404(gateway: World) -> None:
    for platform in ("wx0000000000000000", "%3Cscript%3Ealert(1)", "w" * 3000):
        for rest in ("", "/start?kind=pc", "/return?flow=x&auth_code=y", "/result/abc"):
            page = await gateway.fetch(f"/authorize/{platform}{rest}", accept_language="zh")
            assert page.status == 404
            assert "没有这个平台" in page.text
            assert "<script" not in page.text
            assert "w" * 300 not in page.text


async def test_an_address_that_was_cut_or_mistyped_is_a_kind_404(gateway: World) -> None:
    for path in ("/authorize", "/authorize/", "/authorize/a/b", "/authorize/wx1/start/"):
        page = await gateway.fetch(path, accept_language="zh")
        assert page.status == 404
        assert "链接无效" in page.text


async def test_a_platforms_name_is_text_and_never_markup(tmp_path: Path) -> None:
    async with Harness(tmp_path, platform_name="<b>A&B</b> \"'") as world:
        page = await world.fetch(f"/authorize/{world.platform.appid}", accept_language="en")
    assert "Authorise &lt;b&gt;A&amp;B&lt;/b&gt; &#34;&#39;" in page.text
    assert "<b>A" not in page.text


async def test_head_has_the_status_of_get_and_no_body(gateway: World) -> None:
    for path in ("", "/result/unknown", "?auth_type=9"):
        address = f"/authorize/{gateway.platform.appid}{path}"
        head, get = await gateway.fetch(address, "HEAD"), await gateway.fetch(address)
        assert (head.status, head.body) == (get.status, b"")


# The click


async def test_a_click_makes_a_code_and_goes_to_wechat_with_its_origin(gateway: World) -> None:
    answer = await click(gateway)
    asked = sent_to(answer)
    assert list(asked) == ["component_appid", "pre_auth_code", "redirect_uri", "auth_type"]
    assert answer.location.startswith(f"{gateway.emulator.url}/cgi-bin/componentloginpage?")
    assert answer.headers["referrer-policy"] == "origin"
    assert answer.headers["cache-control"] == "no-store"
    assert sent_to(await click(gateway))["pre_auth_code"] != asked["pre_auth_code"]
    h5 = (await click(gateway, "h5")).location
    assert h5.startswith(f"{gateway.emulator.url}/wxaopen/safe/bindcomponent?")
    assert h5.endswith("#wechat_redirect")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("HEAD", {}, 204),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}, 403),
        ("GET", {"Purpose": "prefetch"}, 403),
        ("GET", {"X-Moz": "prefetch"}, 403),
        ("POST", {}, 405),
    ],
)
async def test_what_is_not_a_click_burns_no_code(
    gateway: World, method: str, headers: dict[str, str], status: int
) -> None:
    answer = await gateway.fetch(f"/authorize/{gateway.platform.appid}/start?kind=pc", method, **headers)
    assert answer.status == status
    assert await gateway.calls(PREAUTH) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": "https://shop.example.com/page"},
        {"Referer": "http://localhost:1/"},
        {"Referer": "http://[broken"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_click_that_wechat_would_refuse_is_led_to_our_entry_page(
    gateway: World, headers: dict[str, str]
) -> None:
    query = "kind=h5&auth_type=2&category_id_list=1%7C11"
    answer = await gateway.fetch(f"/authorize/{gateway.platform.appid}/start?{query}", **headers)
    assert answer.status == 303
    entry = f"{gateway.gateway_url}/authorize/{gateway.platform.appid}?auth_type=2&category_id_list=1%7C11"
    assert answer.location == entry
    assert await gateway.calls(PREAUTH) == []


async def test_without_a_ticket_the_page_says_what_to_do(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        page = await click(world)
        chinese = await world.fetch(
            f"/authorize/{world.platform.appid}/start?kind=pc&auth_type=2", accept_language="zh"
        )
    assert page.status == 503
    assert f"/wechat/{world.platform.appid}/events" in page.text
    assert "平台还没有准备好" in chinese.text
    assert links(chinese)["再试一次"].endswith("?auth_type=2")


@pytest.mark.parametrize(
    ("path", "fault", "status", "words"),
    [
        ("api_component_token", {"action": "errcode", "errcode": 61006}, 503, "errcode 61006"),
        ("api_component_token", {"action": "errcode", "errcode": 61005}, 503, "errcode 61005"),
        ("api_create_preauthcode", {"action": "errcode", "errcode": -1}, 503, "WeChat is busy"),
        ("api_create_preauthcode", {"action": "errcode", "errcode": 45009}, 503, "quota|calls"),
        ("api_create_preauthcode", {"action": "errcode", "errcode": 48001}, 502, "errcode 48001"),
        ("api_create_preauthcode", {"action": "cut"}, 502, "cannot be reached"),
        ("api_create_preauthcode", {"action": "status", "status": 502}, 502, "cannot be reached"),
    ],
)
async def test_trouble_with_wechat_is_told_in_words(
    gateway: World, path: str, fault: dict[str, object], status: int, words: str
) -> None:
    await gateway.add_fault(f"/cgi-bin/component/{path}", times=None, **fault)  # type: ignore[arg-type]
    page = await gateway.fetch(f"/authorize/{gateway.platform.appid}/start?kind=pc", accept_language="en")
    assert page.status == status
    assert re.search(words, page.text)
    assert gateway.platform.secret.reveal() not in page.text
    assert "Traceback" not in page.text
    assert links(page)["Try again"].startswith(f"{gateway.gateway_url}/authorize/{gateway.platform.appid}?")


async def test_an_address_that_is_not_registered_is_shown_to_the_operator(gateway: World) -> None:
    await restrict(gateway, "203.0.113.9")
    page = await gateway.fetch(f"/authorize/{gateway.platform.appid}/start?kind=pc", accept_language="en")
    assert page.status == 503
    assert "127.0.0.1" in page.text
    assert "白名单IP" in page.text


async def test_a_click_right_after_the_cause_was_mended_leads_on(gateway: World) -> None:
    """Two failures hold the next fetch back for a second, which is shorter than a person's patience."""
    await restrict(gateway, "203.0.113.9")
    assert [(await click(gateway)).status for _ in range(2)] == [503, 503]
    await restrict(gateway)
    assert (await click(gateway)).status == 302


async def test_a_click_waits_for_no_more_than_a_moment(gateway: World) -> None:
    await restrict(gateway, "203.0.113.9")
    for _ in range(6):
        await click(gateway)
        await gateway.advance(HOLD_MOST)
    await click(gateway)
    await restrict(gateway)
    assert (await click(gateway)).status == 502
    assert await gateway.calls(PREAUTH) == []


# Coming back


async def test_a_merchant_comes_back_and_reads_what_was_authorised(gateway: World) -> None:
    account = await gateway.add_account("晨光 <咖啡馆>", principal_name="上海晨光餐饮管理有限公司")
    address = await confirm(gateway, sent_to(await click(gateway)), account["appid"])
    returned = await gateway.fetch(address)
    assert returned.status == 303
    assert "auth_code" not in returned.location
    assert returned.headers["referrer-policy"] == "no-referrer"
    page = await gateway.fetch(returned.location, accept_language="zh")
    assert page.status == 200
    for words in (
        "授权成功",
        "晨光 &lt;咖啡馆&gt;",
        "上海晨光餐饮管理有限公司",
        account["appid"],
        "消息管理",
    ):
        assert words in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "http-equiv" not in page.text
    english = await gateway.fetch(returned.location, accept_language="en")
    assert "Authorised" in english.text


async def test_a_code_that_comes_by_redirect_and_by_push_is_exchanged_once(gateway: World) -> None:
    account = await gateway.add_account()
    address = await confirm(gateway, sent_to(await click(gateway)), account["appid"])
    first, second = await result_of(gateway, address), await result_of(gateway, address)
    assert account["appid"] in first.text
    assert account["appid"] in second.text
    assert len(await gateway.calls(QUERY_AUTH)) == 1


async def test_a_code_whose_push_is_lost_is_exchanged_from_the_redirect(gateway: World) -> None:
    await gateway.control("POST", "faults", {"push": "authorized", "action": "lose"})
    account = await gateway.add_account(kind="mini_program")
    address = await confirm(gateway, sent_to(await click(gateway)), account["appid"])
    page = await result_of(gateway, address, accept_language="zh")
    assert "小程序" in page.text
    assert (await authorization(gateway, account["appid"])).refresh_token is not None


async def test_coming_back_with_a_flow_we_do_not_know_is_left_to_the_push(gateway: World) -> None:
    """Anybody can ask for the address with any code; what is a merchant's, WeChat pushes as well."""
    account = await gateway.add_account()
    told = await gateway.authorize(account["appid"])
    query = urlencode({"flow": "unknown", "auth_code": "queryauthcode@@@made-up"})
    page = await gateway.fetch(f"/authorize/{gateway.platform.appid}/return?{query}", accept_language="zh")
    assert page.status == 404
    assert "如果您已在微信里确认，授权仍然有效" in page.text
    await settle(gateway)
    exchanged = [call["body"]["authorization_code"] for call in await gateway.calls(QUERY_AUTH)]
    assert exchanged == [told["authorization_code"]]
    assert (await authorization(gateway, account["appid"])).reference == ""


async def test_a_click_brings_a_few_codes_and_not_any_number(gateway: World) -> None:
    back = sent_to(await click(gateway))["redirect_uri"]
    statuses = [(await gateway.fetch(f"{back}&auth_code=queryauthcode@@@{n}")).status for n in range(5)]
    assert statuses == [303, 303, 303, 410, 410]
    again = await gateway.fetch(f"{back}&auth_code=queryauthcode@@@0")
    assert again.status == 303, "a code that came before is no new one"
    assert len(await gateway.calls(QUERY_AUTH)) <= 3


async def test_coming_back_without_a_code_is_explained(gateway: World) -> None:
    asked = sent_to(await click(gateway))
    page = await gateway.fetch(asked["redirect_uri"], accept_language="zh")
    assert page.status == 400
    assert "没有完成授权" in page.text
    assert "重新开始授权" in links(page)


async def test_what_cannot_be_a_code_is_refused_before_anything_is_stored(gateway: World) -> None:
    for code in ("x" * 513, "a b", "%00", "queryauth%0d%0acode", "你好啊"):
        page = await gateway.fetch(f"/authorize/{gateway.platform.appid}/return?auth_code={code}")
        assert page.status == 400
        assert code[:300] not in page.text
    assert await gateway.node.store.exchanges.unfinished(now=gateway.clock.now()) == []
    assert await gateway.calls(QUERY_AUTH) == []


async def test_head_of_the_return_address_stores_nothing(gateway: World) -> None:
    path = f"/authorize/{gateway.platform.appid}/return?auth_code=queryauthcode@@@x"
    assert (await gateway.fetch(path, "HEAD")).status == 204
    assert await gateway.node.store.exchanges.unfinished(now=gateway.clock.now()) == []
    assert await gateway.calls(QUERY_AUTH) == []


async def test_a_foreign_code_is_explained_with_a_way_to_start_again(gateway: World) -> None:
    back = sent_to(await click(gateway))["redirect_uri"]
    page = await result_of(
        gateway, f"{back}&auth_code=queryauthcode@@@of-somebody-else", accept_language="zh"
    )
    assert page.status == 400
    assert "授权码无效" in page.text
    assert "61009" in page.text
    assert links(page)["重新开始授权"] == f"{gateway.gateway_url}/authorize/{gateway.platform.appid}"


async def test_an_expired_code_is_explained(gateway: World) -> None:
    await gateway.control("POST", "faults", {"push": "authorized", "action": "lose"})
    account = await gateway.add_account()
    address = await confirm(gateway, sent_to(await click(gateway)), account["appid"])
    await gateway.advance(timedelta(minutes=61))
    page = await result_of(gateway, address, accept_language="en")
    assert page.status == 410
    assert "The code has expired or was used" in page.text
    assert "61010" in page.text


async def test_a_slow_exchange_is_shown_as_under_way_and_then_done(gateway: World) -> None:
    await gateway.add_fault(QUERY_AUTH, "delay", seconds=3.5)
    await gateway.control("POST", "faults", {"push": "authorized", "action": "lose"})
    account = await gateway.add_account()
    address = await confirm(gateway, sent_to(await click(gateway)), account["appid"])
    returned = await gateway.fetch(address)
    waiting = await gateway.fetch(returned.location, accept_language="zh")
    assert "正在完成授权" in waiting.text
    assert '<meta http-equiv="refresh" content="2">' in waiting.text
    done = await gateway.fetch(returned.location, accept_language="zh")
    assert "授权成功" in done.text


async def test_a_withdrawn_authorization_is_not_shown_as_standing(gateway: World) -> None:
    account = await gateway.add_account()
    address = await confirm(gateway, sent_to(await click(gateway)), account["appid"])
    assert "授权成功" in (await result_of(gateway, address, accept_language="zh")).text
    await gateway.act("unauthorize", platform=gateway.platform.appid, appid=account["appid"])
    page = await result_of(gateway, address, accept_language="zh")
    assert "授权已取消" in page.text


async def test_a_result_nobody_has_is_a_kind_404(gateway: World) -> None:
    for id in ("1", "0", "unknown-result-id-22chr", "%27--", "x" * 200):
        page = await gateway.fetch(f"/authorize/{gateway.platform.appid}/result/{id}", accept_language="zh")
        assert page.status == 404
        assert "没有这次授权的记录" in page.text


async def test_a_result_is_shown_for_a_day_and_on_its_own_platform_only(gateway: World) -> None:
    other = replace(gateway.platform, appid="wxffffffffffffffff", name="别的平台")
    await gateway.node.store.platforms.put_platform(other)
    account = await gateway.add_account()
    bound = await gateway.fetch(await confirm(gateway, sent_to(await click(gateway)), account["appid"]))
    address = bound.location
    assert (await gateway.fetch(address)).status == 200
    assert (await gateway.fetch(address.replace(gateway.platform.appid, other.appid))).status == 404
    await gateway.advance(timedelta(days=1))
    assert (await gateway.fetch(address)).status == 404


# Invites


async def test_an_invite_binds_the_account_to_its_tenant(gateway: World) -> None:
    page = await gateway.fetch(await invite(gateway), accept_language="zh")
    assert page.status == 200
    assert page.headers["referrer-policy"] == "origin"
    assert "公众号" in page.text
    assert "北京时间" in page.text
    assert "tenant-7" not in page.text
    answer = await gateway.fetch(links(page)["pc"], Referer=gateway.gateway_url + "/")
    asked = sent_to(answer)
    assert asked["auth_type"] == "1"
    assert asked["category_id_list"] == "1|11"
    account = await gateway.add_account()
    await result_of(gateway, await confirm(gateway, asked, account["appid"]))
    assert (await authorization(gateway, account["appid"])).reference == "tenant-7"


async def test_an_invite_is_good_for_its_uses_and_not_for_more(gateway: World) -> None:
    address = await invite(gateway)
    page = await gateway.fetch(address)
    started = [sent_to(await gateway.fetch(links(page)["pc"])) for _ in range(2)]
    accounts = [await gateway.add_account() for _ in started]
    for asked, account in zip(started, accounts, strict=True):
        shown = await result_of(gateway, await confirm(gateway, asked, account["appid"]))
        assert account["appid"] in shown.text
    references = [(await authorization(gateway, each["appid"])).reference for each in accounts]
    assert references == ["tenant-7", ""]
    for path in (address, links(page)["pc"]):
        used = await gateway.fetch(path, accept_language="zh")
        assert used.status == 410
        assert "链接已使用过" in used.text


async def test_an_expired_invite_is_gone(gateway: World) -> None:
    address = await invite(gateway)
    await gateway.advance(timedelta(days=7))
    page = await gateway.fetch(address, accept_language="zh")
    assert page.status == 410
    assert "链接已过期" in page.text


async def test_a_forged_invite_is_not_known(gateway: World) -> None:
    token = (await invite(gateway)).rpartition("/")[2]
    for forged in (token[:-1], "x" + token, "y" * 4000, token.partition(".")[0]):
        start = f"/authorize/{gateway.platform.appid}/start?kind=pc&invite={forged}"
        for path in (f"/authorize/invite/{forged}", start):
            page = await gateway.fetch(path, accept_language="zh")
            assert page.status == 404
            assert "链接无效" in page.text
    assert await gateway.calls(PREAUTH) == []


async def test_an_invite_is_not_taken_by_another_platform(gateway: World) -> None:
    await gateway.node.store.platforms.put_platform(replace(gateway.platform, appid="wxffffffffffffffff"))
    token = (await invite(gateway)).rpartition("/")[2]
    page = await gateway.fetch(f"/authorize/wxffffffffffffffff/start?kind=pc&invite={token}")
    assert page.status == 404


@pytest.mark.parametrize("expires", [False, True], ids=["authorized", "failed"])
async def test_the_tenants_own_site_is_told_with_a_signature(gateway: World, expires: bool) -> None:
    await gateway.control("POST", "faults", {"push": "authorized", "action": "lose"})
    page = await gateway.fetch(await invite(gateway, return_url="https://shop.example.com/back?shop=7"))
    account = await gateway.add_account()
    asked = sent_to(await gateway.fetch(links(page)["pc"]))
    address = await confirm(gateway, asked, account["appid"])
    if expires:
        await gateway.advance(timedelta(minutes=61))
    shown = await result_of(gateway, address, accept_language="en")
    target = links(shown)["Continue"]
    assert re.search(
        rf'http-equiv="refresh" content="\d+;url={re.escape(target.replace("&", "&amp;"))}"', shown.text
    )
    fields = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    assert fields.pop("shop") == "7"
    sign = fields.pop("sign")
    key = gateway.platform.redirect_key.reveal().encode()
    assert sign == hmac.digest(key, urlencode(sorted(fields.items())).encode(), "sha256").hex()
    assert fields.pop("ts").isdigit()
    assert fields == {
        "reference": "tenant-7",
        "platform": gateway.platform.appid,
        "appid": "" if expires else account["appid"],
        "state": "failed" if expires else "authorized",
    }


async def test_visits_are_counted_by_page_and_result(gateway: World) -> None:
    await gateway.fetch(f"/authorize/{gateway.platform.appid}")
    await click(gateway)
    await gateway.fetch("/authorize/nobody")
    metrics = (await gateway.fetch("/metrics")).text
    for page, result in (("entry", "shown"), ("start", "pc"), ("entry", "unknown_platform")):
        assert f'wxgate_authorize_pages_total{{page="{page}",result="{result}"}} 1.0' in metrics


# Too many at once


async def test_a_phone_is_drawn_no_code_and_a_computer_gets_the_same_one_from_memory(gateway: World) -> None:
    path = f"/authorize/{gateway.platform.appid}?category_id_list={'%7C'.join(map(str, range(10, 60)))}"
    drawn = draw_qr.cache_info()
    await gateway.fetch(path, user_agent=PHONE)
    assert draw_qr.cache_info() == drawn
    for _ in range(3):
        assert "<svg" in (await gateway.fetch(path)).text
    after = draw_qr.cache_info()
    assert (after.misses - drawn.misses, after.hits - drawn.hits) == (1, 2)


async def test_who_clicks_too_often_is_asked_to_wait_and_costs_wechat_nothing(gateway: World) -> None:
    asked = [await click(gateway) for _ in range(CLICKS_PER_ADDRESS + 5)]
    assert [answer.status for answer in asked] == [302] * CLICKS_PER_ADDRESS + [429] * 5
    assert len(await gateway.calls(PREAUTH)) == CLICKS_PER_ADDRESS
    refused = asked[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    assert "点击太频繁了" in refused.text
    assert links(refused)["重新开始授权"].endswith(f"/authorize/{gateway.platform.appid}?auth_type=3")
    assert await metric(gateway, "wxgate_authorize_pages_total", page="start", result="too_many") == 5


async def test_behind_a_proxy_each_visitor_has_an_allowance(tmp_path: Path) -> None:
    async with Harness(tmp_path, trusted_proxies="127.0.0.0/8") as world:
        start = f"/authorize/{world.platform.appid}/start?kind=pc"

        async def visit(address: str) -> int:
            return (await world.fetch(start, x_forwarded_for=address)).status

        for _ in range(CLICKS_PER_ADDRESS):
            assert await visit("2001:db8::1") == 302
        assert await visit("2001:db8::2") == 429  # the same household
        assert await visit("192.0.2.1") == 302
