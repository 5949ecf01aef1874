"""Tokens for other systems, over HTTP: who gets which, how a change is awaited, and who is turned away."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from structlog.testing import capture_logs

from tests.cast import add_direct, add_platform, another_node, authorize, authorized_account, until
from tests.harness import Harness, World
from tests.server.keys import holder, request
from wxgate.custody.clients import ClientScope, Labels
from wxgate.custody.sources import authorizer_key, component_key
from wxgate.protocol.tokens import REPORTS_MOST
from wxgate.server.admission import TRUSTED, WRONG_KEYS
from wxgate.server.tokens import MOST_WAITING_EACH

RENEWAL = "/cgi-bin/component/api_authorizer_token"
HOURS = timedelta(hours=2)


def account_path(appid: str, what: str = "access-token") -> str:
    return f"/v1/accounts/{appid}/{what}"


async def test_an_accounts_token_is_given_with_everything_there_is_to_know(gateway: World) -> None:
    account = await authorized_account(gateway)
    appid, platform = account["appid"], gateway.platform.appid
    said = await (await holder(gateway)).get(account_path(appid))
    kept = await gateway.node.keeper.peek(authorizer_key(platform, appid))
    assert kept is not None
    assert said.status == 200
    assert said.document["access_token"] == kept.token.reveal()
    told = {name: said.document[name] for name in ("kind", "issuer", "appid", "version")}
    assert told == {"kind": "authorizer", "issuer": platform, "appid": appid, "version": kept.version}
    assert datetime.fromisoformat(said.document["expires_at"]) == kept.expires_at.replace(microsecond=0)
    assert 7000 < said.document["expires_in"] <= 7200
    assert said.headers["cache-control"] == "no-store"


async def test_a_platforms_token_is_given_to_a_key_that_is_for_the_platform(gateway: World) -> None:
    platform = gateway.platform.appid
    said = await (await holder(gateway, ClientScope.COMPONENT)).get(f"/v1/platforms/{platform}/access-token")
    assert said.status == 200
    assert (said.document["kind"], said.document["appid"]) == ("component", platform)
    narrow = await holder(gateway, ClientScope.AUTHORIZER, platforms=(platform,))
    refused = await narrow.get(f"/v1/platforms/{platform}/access-token")
    assert (refused.status, refused.error["missing"]) == (403, "kind:component")


async def test_while_nothing_is_fetched_the_answer_says_when_to_come_back(gateway: World) -> None:
    account = await authorized_account(gateway)
    key = component_key(gateway.platform.appid)
    await gateway.node.keeper.drop(key)
    await gateway.node.keeper.drop(authorizer_key(gateway.platform.appid, account["appid"]))
    path = "/cgi-bin/component/api_component_token"
    await gateway.add_fault(path, "errcode", errcode=45009, times=None)
    reader = await holder(gateway)
    await reader.get(account_path(account["appid"]))
    said = await reader.get(account_path(account["appid"]))
    assert (said.status, said.error["code"]) == (503, "fetches_stopped")
    assert int(said.headers["retry-after"]) > 0


async def test_while_wechat_keeps_failing_for_an_account_the_answer_says_when_to_come_back(
    gateway: World,
) -> None:
    account = await authorized_account(gateway)
    await gateway.node.keeper.drop(authorizer_key(gateway.platform.appid, account["appid"]))
    path = "/cgi-bin/component/api_authorizer_token"
    await gateway.add_fault(path, "errcode", errcode=-1, times=None)
    reader = await holder(gateway)
    said = [await reader.get(account_path(account["appid"])) for _ in range(20)]
    assert [one.error["code"] for one in said] == ["wechat_busy"] * 2 + ["renewal_held_back"] * 18
    assert (said[-1].status, said[-1].headers["retry-after"]) == (503, "1")
    assert len(await gateway.calls(path)) == 2


async def test_a_direct_account_gets_its_own_token(gateway: World) -> None:
    direct = await add_direct(gateway)
    said = await (await holder(gateway)).get(account_path(direct.appid))
    assert (said.document["kind"], said.document["issuer"]) == ("direct", "direct")


async def test_of_several_platforms_the_request_must_say_which(gateway: World) -> None:
    other = await add_platform(gateway)
    account = await authorized_account(gateway)
    await authorize(gateway, account["appid"], other)
    everybody = await holder(gateway)
    said = await everybody.get(account_path(account["appid"]))
    assert said.status == 409
    assert (said.error["code"], set(said.error["issuers"])) == (
        "several_issuers",
        {gateway.platform.appid, other.appid},
    )
    chosen = await everybody.get(account_path(account["appid"]) + f"?issuer={other.appid}")
    assert chosen.document["issuer"] == other.appid
    only_one = await holder(gateway, platforms=(gateway.platform.appid,))
    assert (await only_one.get(account_path(account["appid"]))).document["issuer"] == gateway.platform.appid


async def test_a_key_for_a_tag_follows_the_tag(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    tagged = await holder(gateway, ClientScope.AUTHORIZER, tags=("shops",))
    refused = await tagged.get(account_path(appid))
    assert (refused.status, refused.error["missing"]) == (403, f"account:{appid}")
    await gateway.node.store.labels.change(appid, add=Labels(frozenset({"shops"})), remove=Labels())
    await gateway.advance(TRUSTED)
    assert (await tagged.get(account_path(appid))).status == 200


@pytest.mark.parametrize("key", [None, "", "nonsense", "wxg_0123456789ab_" + "x" * 43])
async def test_without_a_good_key_nobody_gets_anything(gateway: World, key: str | None) -> None:
    said = await request(gateway, "GET", account_path("wx0123456789abcdef"), key)
    assert said.status == 401
    assert said.headers["www-authenticate"] == "Bearer"
    assert said.error["hint"]


async def test_a_revoked_key_is_turned_away_on_every_node(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    async with another_node(gateway) as (node, url):
        assert (await held.get(account_path(appid))).status == 200
        await node.clients.revoke(held.client.id)
        await gateway.advance(TRUSTED)
        for base in (gateway.gateway_url, url):
            said = await request(gateway, "GET", account_path(appid), held.key, base=base)
            assert (said.status, said.error["code"]) == (401, "revoked_key")


async def test_a_key_is_good_until_its_time(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway, valid_for=timedelta(hours=1))
    assert (await held.get(account_path(appid))).status == 200
    await gateway.advance(timedelta(hours=1))
    said = await held.get(account_path(appid))
    assert (said.status, said.error["code"]) == (401, "expired_key")


async def test_a_key_is_refused_from_another_address(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    assert (await (await holder(gateway, networks=("127.0.0.0/8",))).get(account_path(appid))).status == 200
    said = await (await holder(gateway, networks=("10.0.0.0/8",))).get(account_path(appid))
    assert (said.status, said.error["code"]) == (403, "address_refused")


async def test_whoever_guesses_keys_is_slowed_down_and_good_keys_are_not(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    assert (await held.get(account_path(appid))).status == 200
    statuses = []
    for number in range(WRONG_KEYS + 2):
        said = await request(gateway, "GET", account_path(appid), f"wxg_{number:012x}_" + "x" * 43)
        statuses.append(said.status)
    assert statuses == [401] * WRONG_KEYS + [429] * 2
    assert int(said.headers["retry-after"]) >= 1
    await gateway.advance(2 * TRUSTED)
    assert (await held.get(account_path(appid))).status == 200


async def test_an_unknown_account_is_told_only_to_who_may_know(gateway: World) -> None:
    everybody = await holder(gateway)
    assert (await everybody.get(account_path("wx0123456789abcdef"))).status == 404
    narrow = await holder(gateway, ClientScope.AUTHORIZER, accounts=("wxother",))
    said = await narrow.get(account_path("wx0123456789abcdef"))
    assert (said.status, said.error["missing"]) == (403, "account:wx0123456789abcdef")
    assert (await everybody.get("/v1/platforms/wx0123456789abcdef/access-token")).status == 404


async def test_a_withdrawn_authorization_comes_with_the_merchants_link(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    platform = gateway.platform.appid
    await gateway.act("unauthorize", platform=platform, appid=appid)
    said = await (await holder(gateway)).get(account_path(appid))
    assert (said.status, said.error["code"]) == (409, "not_authorized")
    assert said.error["link"] == gateway.url(f"/authorize/{platform}?biz_appid={appid}")


async def test_a_refusal_of_wechat_is_explained(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    await gateway.advance(HOURS)
    await gateway.push_ticket()
    await gateway.add_fault(RENEWAL, "errcode", errcode=48001)
    said = await (await holder(gateway)).get(account_path(appid))
    assert (said.status, said.error["code"], said.error["errcode"]) == (502, "wechat_refused", 48001)
    assert said.error["cause"]
    assert said.error["hint"]


async def test_a_merchant_who_must_authorise_again_is_named_with_the_link(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    await gateway.advance(HOURS)
    await gateway.push_ticket()
    await gateway.add_fault(RENEWAL, "errcode", errcode=61023, times=None)
    said = await (await holder(gateway)).get(account_path(appid))
    assert (said.status, said.error["code"]) == (409, "needs_reauthorization")
    assert "61023" in said.error["message"]
    assert said.error["link"] == gateway.url(f"/authorize/{gateway.platform.appid}?biz_appid={appid}")


async def test_a_read_only_key_is_served_what_is_there_and_renews_nothing(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    read_only = await holder(gateway, ClientScope.AUTHORIZER, may_renew=False)
    assert (await read_only.get(account_path(appid))).status == 200
    await gateway.advance(HOURS)
    said = await read_only.get(account_path(appid))
    assert (said.status, said.error["code"]) == (409, "renewal_not_allowed")
    assert await gateway.calls(RENEWAL) == []


async def test_an_unchanged_token_is_not_sent_again(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    first = await held.get(account_path(appid))
    again = await held.get(account_path(appid), if_none_match=first.headers["etag"])
    assert (again.status, again.text, again.headers["etag"]) == (304, "", first.headers["etag"])
    other = await held.get(account_path(appid), if_none_match='"another"')
    assert other.document["access_token"] == first.document["access_token"]


async def test_a_long_poll_ends_with_the_change(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    first = await held.get(account_path(appid))
    polling = asyncio.create_task(
        held.get(account_path(appid) + "?wait=60", if_none_match=first.headers["etag"])
    )
    await asyncio.sleep(0.05)
    assert not polling.done()
    reported = await held.post(
        account_path(appid, "report-invalid"), {"access_token": first.document["access_token"]}
    )
    changed = await asyncio.wait_for(polling, 60)
    assert changed.status == 200
    assert changed.document["version"] == reported.document["version"] > first.document["version"]


async def test_a_long_poll_without_a_change_ends_in_its_time(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    tag = (await held.get(account_path(appid))).headers["etag"]
    said = await asyncio.wait_for(held.get(account_path(appid) + "?wait=1", if_none_match=tag), 60)
    assert said.status == 304


async def test_a_key_revoked_during_a_long_poll_gets_nothing_more(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    tag = (await held.get(account_path(appid))).headers["etag"]
    polling = asyncio.create_task(held.get(account_path(appid) + "?wait=5", if_none_match=tag))
    await asyncio.sleep(0.05)
    await gateway.node.clients.revoke(held.client.id)
    await gateway.advance(TRUSTED)
    assert (await asyncio.wait_for(polling, 60)).status == 401


async def test_a_report_renews_the_current_token_and_no_other(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    path = account_path(appid, "report-invalid")
    old = (await held.get(account_path(appid))).document["access_token"]
    assert (await held.post(path, {"access_token": old})).document["result"] == "renewed"
    assert (await held.post(path, {"access_token": old})).document["result"] == "stale"
    assert len(await gateway.calls(RENEWAL)) == 1
    new = (await held.get(account_path(appid))).document["access_token"]
    assert new != old


async def test_a_report_needs_its_scope(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway, ClientScope.AUTHORIZER)
    said = await held.post(account_path(appid, "report-invalid"), {"access_token": "x"})
    assert (said.status, said.error["missing"]) == (403, "kind:report")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"access_token": 5}', 400),
        (b"[" * 10_000, 400),
        (b"\xff", 400),
        (json.dumps({"access_token": "x" * 20_000}).encode(), 413),
    ],
)
async def test_a_body_that_is_no_report_is_refused(gateway: World, body: bytes, status: int) -> None:
    appid = (await authorized_account(gateway))["appid"]
    said = await (await holder(gateway)).post(account_path(appid, "report-invalid"), body=body)
    assert said.status == status
    assert await gateway.calls(RENEWAL) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/accounts/wx1/access-token", 405),
        ("GET", "/v1/accounts/wx1/report-invalid", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/accounts/wx1/nothing", 404),
        ("GET", "/v1/accounts/%00/access-token", 400),
        ("GET", "/v1/accounts/" + "x" * 65 + "/access-token", 400),
        ("GET", "/v1/accounts/wx1/access-token?wait=61", 400),
        ("GET", "/v1/accounts/wx1/access-token?wait=soon", 400),
        ("GET", "/v1/accounts/wx1/access-token?issuer=a&issuer=b", 400),
        ("GET", "/v1/accounts/wx1/access-token?issuer=%FF", 400),
    ],
)
async def test_what_is_not_understood_is_said_so_in_json(
    gateway: World, method: str, path: str, status: int
) -> None:
    held = await holder(gateway)
    said = await request(gateway, method, path, held.key)
    assert (said.status, bool(said.error["message_zh"])) == (status, True)


async def test_every_read_and_refusal_is_in_the_audit_log(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway, ClientScope.AUTHORIZER)
    for _ in range(3):
        await held.get(account_path(appid))
    await held.post(account_path(appid, "report-invalid"), {"access_token": "x"})
    await request(gateway, "GET", account_path(appid), "wxg_0123456789ab_" + "x" * 43)
    await gateway.node.audit.flush()
    lines = await gateway.node.store.audit.read()
    assert {(one.client, one.action, one.account, one.issuer, one.outcome, one.ip) for one in lines} == {
        (held.client.id, "access_token", appid, gateway.platform.appid, "ok", "127.0.0.1"),
        (held.client.id, "report_invalid", appid, "", "missing_scope", "127.0.0.1"),
        ("", "admission", "", "", "wrong_key", "127.0.0.1"),
    }
    assert sum(one.count for one in lines if one.outcome == "ok") == 3
    used = await gateway.node.clients.require(held.client.id)
    assert used.last_used_at is not None


async def test_requests_are_counted_by_route_and_outcome(gateway: World) -> None:
    held = await holder(gateway)
    await held.get(account_path("wx0123456789abcdef"))
    metrics = (await gateway.fetch("/metrics")).text
    assert 'wxgate_api_requests_total{outcome="not_found",route="access_token"} 1.0' in metrics


async def test_reads_that_follow_each_other_ask_the_database_nothing(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    await held.get(account_path(appid))
    asked: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        for _ in range(100):
            assert (await held.get(account_path(appid))).status == 200
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    # What is remembered ages meanwhile, and the node looks after its own things.
    assert len(asked) < 30, asked


async def test_however_many_systems_ask_for_an_expired_token_it_is_fetched_once(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    keys = [await holder(gateway, ClientScope.AUTHORIZER) for _ in range(5)]
    await gateway.advance(HOURS)
    await gateway.push_ticket()
    said = await asyncio.gather(*(held.get(account_path(appid)) for held in keys for _ in range(20)))
    assert {one.status for one in said} == {200}
    assert len({one.document["access_token"] for one in said}) == 1
    assert len(await gateway.calls(RENEWAL)) == 1


async def test_a_long_poll_hears_of_a_change_on_another_node(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    first = await held.get(account_path(appid))
    async with another_node(gateway) as (_, url):
        polling = asyncio.create_task(
            request(
                gateway, "GET", account_path(appid) + "?wait=60", held.key, base=url,
                if_none_match=first.headers["etag"],
            )
        )  # fmt: skip
        await asyncio.sleep(0.05)
        await held.post(
            account_path(appid, "report-invalid"), {"access_token": first.document["access_token"]}
        )
        changed = await asyncio.wait_for(polling, 60)
    assert changed.document["version"] > first.document["version"]


async def test_a_caller_that_hangs_up_is_waited_for_no_longer(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    tag = (await held.get(account_path(appid))).headers["etag"]
    polling = asyncio.create_task(held.get(account_path(appid) + "?wait=60", if_none_match=tag))
    await asyncio.sleep(0.05)
    polling.cancel()

    async def gone() -> bool:
        return 'outcome="gone",route="access_token"} 1.0' in (await gateway.fetch("/metrics")).text

    await until(gone)


async def test_one_key_cannot_take_every_place_to_wait(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    greedy, other = await holder(gateway), await holder(gateway)
    tag = (await other.get(account_path(appid))).headers["etag"]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        many = replace(greedy, world=replace(gateway, http=http))
        polls = {
            asyncio.create_task(many.get(account_path(appid) + "?wait=60", if_none_match=tag))
            for _ in range(MOST_WAITING_EACH + 1)
        }
        ended, waiting = await asyncio.wait(polls, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        [refused] = [poll.result() for poll in ended]
        assert (refused.status, refused.error["code"]) == (429, "too_many_attempts")
        assert f"{MOST_WAITING_EACH} requests of this key" in refused.error["message"]
        assert (await greedy.get(account_path(appid))).status == 200, "who does not wait is served"
        assert (await other.get(account_path(appid) + "?wait=1", if_none_match=tag)).status == 304
        for poll in waiting:
            poll.cancel()
        await asyncio.wait(waiting)

    async def has_room() -> bool:
        again = await greedy.get(account_path(appid) + "?wait=1", if_none_match=tag)
        return again.status == 304

    await until(has_room)


async def test_reports_that_do_not_help_end_in_429(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    said = await held.get(account_path(appid))
    for _ in range(REPORTS_MOST + 1):
        token = (await held.get(account_path(appid))).document["access_token"]
        said = await held.post(account_path(appid, "report-invalid"), {"access_token": token})
    assert (said.status, said.error["code"]) == (429, "renewals_exhausted")
    assert int(said.headers["retry-after"]) > 0
    assert len(await gateway.calls(RENEWAL)) == REPORTS_MOST


async def test_behind_a_proxy_a_key_is_held_to_the_address_the_proxy_names(tmp_path: Path) -> None:
    async with Harness(tmp_path, trusted_proxies="127.0.0.1") as world:
        appid = (await authorized_account(world))["appid"]
        held = await holder(world, networks=("203.0.113.0/24",))
        assert (await held.get(account_path(appid), x_forwarded_for="203.0.113.9")).status == 200
        for hops in ("203.0.113.9, 198.51.100.1", "x" * 500, ""):
            assert (await held.get(account_path(appid), x_forwarded_for=hops)).status == 403
        await world.node.audit.flush()
        assert len(await world.node.store.audit.read(client=held.client.id)) == 4


async def test_no_key_and_no_token_is_logged(gateway: World) -> None:
    appid = (await authorized_account(gateway))["appid"]
    held = await holder(gateway)
    with capture_logs() as logged:
        token = (await held.get(account_path(appid))).document["access_token"]
        await held.post(account_path(appid, "report-invalid"), {"access_token": token})
        await held.get(account_path("wx0123456789abcdef"))
        await request(
            gateway, "GET", account_path(appid), held.key[:-1] + ("a" if held.key[-1] != "a" else "b")
        )
    told = str(logged) + (await gateway.fetch("/metrics")).text + repr(held.client)
    secret = held.key.split("_", 2)[2]
    assert token not in told
    assert secret[:-1] not in told
    assert len(logged) >= 2
