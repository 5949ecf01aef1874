"""JS-SDK tickets and signatures over HTTP: made with a ticket that is fetched once and never leaves."""

import asyncio
from hashlib import sha1
from urllib.parse import quote

import pytest

from tests.cast import add_direct, authorized_account
from tests.harness import World
from tests.server.keys import Holder, holder
from wxgate.custody.clients import ClientScope, Labels
from wxgate.server.admission import TRUSTED

TICKET = "/cgi-bin/ticket/getticket"


async def shop(world: World) -> str:
    """Make an account whose pages are on shop.example.com."""
    appid: str = (await authorized_account(world))["appid"]
    hosts = Labels(hosts=frozenset({"shop.example.com"}))
    await world.node.store.labels.change(appid, add=hosts, remove=Labels())
    return appid


async def sign(held: Holder, appid: str, url: str) -> tuple[int, dict[str, object]]:
    """Ask for the signature of a page."""
    said = await held.get(f"/v1/accounts/{appid}/jsapi-signature?url={quote(url, safe='')}")
    return said.status, said.document


async def test_a_page_is_signed_with_the_accounts_ticket_which_does_not_leave(gateway: World) -> None:
    appid = await shop(gateway)
    ticket = (await (await holder(gateway)).get(f"/v1/accounts/{appid}/jsapi-ticket")).document["ticket"]
    page = "https://shop.example.com/menu?table=5&q=a b".replace(" ", "%20")
    status, made = await sign(await holder(gateway, ClientScope.JSAPI_SIGNATURE), appid, page + "#drinks")
    assert status == 200
    assert (made["appId"], made["url"]) == (appid, page)
    plain = f"jsapi_ticket={ticket}&noncestr={made['nonceStr']}&timestamp={made['timestamp']}&url={page}"
    assert made["signature"] == sha1(plain.encode()).hexdigest()
    assert ticket not in str(made)


async def test_a_ticket_is_fetched_once_however_many_pages_are_signed(gateway: World) -> None:
    appid = await shop(gateway)
    held = await holder(gateway, ClientScope.JSAPI_SIGNATURE)
    made = await asyncio.gather(*(sign(held, appid, f"https://shop.example.com/{n}") for n in range(20)))
    assert {status for status, _ in made} == {200}
    assert len({document["nonceStr"] for _, document in made}) == 20
    assert len(await gateway.calls(TICKET)) == 1


async def test_a_direct_account_signs_with_a_ticket_of_its_own_token(gateway: World) -> None:
    direct = await add_direct(gateway)
    said = await (await holder(gateway)).get(f"/v1/accounts/{direct.appid}/jsapi-ticket")
    assert (said.document["kind"], said.document["issuer"]) == ("jsapi_ticket", "direct")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/",
        "https://shop.example.com.evil.example.com/",
        "https://shop.example.com@evil.example.com/",
        "https://evil.example.com\\@shop.example.com/",
        "https://user@shop.example.com/",
        "//shop.example.com/",
        "javascript://shop.example.com/",
        "https://shop.example.com/\n",
        "https:///",
        "https://[shop.example.com/",
        "shop.example.com",
        "https://shop.example.com/" + "x" * 5000,
        "",
    ],
)
async def test_no_other_page_is_signed(gateway: World, url: str) -> None:
    appid = await shop(gateway)
    status, _ = await sign(await holder(gateway), appid, url)
    assert status in (400, 403)


async def test_hosts_are_compared_without_case_and_port(gateway: World) -> None:
    appid = await shop(gateway)
    assert (await sign(await holder(gateway), appid, "https://SHOP.example.com:8443/"))[0] == 200


async def test_without_hosts_nothing_is_signed_and_the_operator_is_told_how_to_list_one(
    gateway: World,
) -> None:
    appid = (await authorized_account(gateway))["appid"]
    status, refused = await sign(await holder(gateway), appid, "https://shop.example.com/")
    assert status == 403
    assert "wxgate account host" in str(refused)


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("jsapi-ticket", "jsapi_ticket"),
        ("jsapi-signature?url=https://shop.example.com/", "jsapi_signature"),
        ("wx-card-ticket", "wx_card"),
        ("wx-card-signature?card_id=p1", "wx_card"),
    ],
)
async def test_each_needs_its_own_scope(gateway: World, path: str, scope: str) -> None:
    appid = await shop(gateway)
    held = await holder(gateway, ClientScope.AUTHORIZER)
    said = await held.get(f"/v1/accounts/{appid}/{path}")
    assert (said.status, said.error["missing"]) == (403, f"kind:{scope}")
    assert await gateway.calls(TICKET) == []


async def test_a_missing_permission_set_is_explained(gateway: World) -> None:
    appid = await shop(gateway)
    await gateway.add_fault(TICKET, "errcode", errcode=61007)
    said = await (await holder(gateway)).get(f"/v1/accounts/{appid}/jsapi-ticket")
    assert (said.status, said.error["errcode"]) == (502, 61007)
    assert appid in said.error["cause"]
    # A key for one account does not learn the facts of the whole configuration.
    await gateway.add_fault(TICKET, "errcode", errcode=61007)
    narrow = await holder(gateway, ClientScope.JSAPI_TICKET, accounts=(appid,))
    said = await narrow.get(f"/v1/accounts/{appid}/jsapi-ticket")
    assert said.error["errcode"] == 61007
    assert said.error["cause"]
    assert gateway.platform.appid not in said.error["cause"]


async def test_a_ticket_ends_with_the_authorization(gateway: World) -> None:
    appid = await shop(gateway)
    held = await holder(gateway)
    assert (await held.get(f"/v1/accounts/{appid}/jsapi-ticket")).status == 200
    await gateway.act("unauthorize", platform=gateway.platform.appid, appid=appid)
    await gateway.advance(TRUSTED)
    assert (await held.get(f"/v1/accounts/{appid}/jsapi-ticket")).status == 409


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("card_id=p1&code=9&openid=o1", ["p1", "9", "o1"]),
        ("choose=1&card_type=GROUPON", ["GROUPON", "appid"]),
    ],
)
async def test_a_card_is_signed_over_its_values_in_order(
    gateway: World, query: str, signed: list[str]
) -> None:
    appid = await shop(gateway)
    held = await holder(gateway)
    ticket = (await held.get(f"/v1/accounts/{appid}/wx-card-ticket")).document["ticket"]
    made = (await held.get(f"/v1/accounts/{appid}/wx-card-signature?{query}")).document
    values = [appid if one == "appid" else one for one in signed]
    plain = "".join(sorted([ticket, made["timestamp"], made["nonce_str"], *values]))
    assert made["signature"] == sha1(plain.encode()).hexdigest()


async def test_a_card_must_be_named(gateway: World) -> None:
    appid = await shop(gateway)
    assert (await (await holder(gateway)).get(f"/v1/accounts/{appid}/wx-card-signature")).status == 400
