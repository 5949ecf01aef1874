"""What operators manage over HTTP: who may, what comes out, and what is turned away."""

import io
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.cast import add_direct, add_platform, authorized_account, settle
from tests.harness import World
from tests.server.keys import Holder, Said, holder, request
from wxgate.custody.clients import ClientScope
from wxgate.server.management.app import Management

MANAGE = ClientScope.MANAGE


async def manager(world: World, **narrowed: Any) -> Holder:
    """Make a key that may manage and nothing else."""
    return await holder(world, MANAGE, **narrowed)


async def audit(world: World, **filters: str) -> list[tuple[str, str]]:
    """List what was written down, as (action, outcome), oldest first."""
    await world.node.audit.flush()
    lines = await world.node.store.audit.read(**filters)
    return [(line.action, line.outcome) for line in reversed(lines)]


async def test_the_api_describes_itself_to_anybody_and_tells_no_secret(gateway: World) -> None:
    said = await request(gateway, "GET", "/v1/openapi.json", None)
    assert said.status == 200
    paths = said.document["paths"]
    assert {"/v1/platforms", "/v1/accounts/{appid}", "/v1/clients"} <= set(paths)
    assert gateway.platform.appid not in said.text
    for routes in paths.values():
        for route in routes.values():
            assert {"4XX", "5XX"} <= route["responses"].keys()
            assert "422" not in route["responses"]
    assert "HTTPValidationError" not in said.text
    assert said.document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


@pytest.mark.parametrize("path", ["/v1/platforms", "/v1/clients", "/v1/audit", "/v1/nothing", "/v1/"])
async def test_nobody_comes_in_without_a_key(gateway: World, path: str) -> None:
    said = await request(gateway, "GET", path, None)
    assert (said.status, said.error["code"]) == (401, "no_key")
    said = await request(gateway, "GET", path, "wxg_0123456789ab_" + "A" * 43)
    assert (said.status, said.error["code"]) == (401, "wrong_key")


@pytest.mark.parametrize("path", ["/v1/platforms", "/v1/authorizations", "/v1/clients", "/v1/nothing"])
async def test_a_key_without_the_scope_is_told_what_it_lacks(gateway: World, path: str) -> None:
    reader = await holder(gateway, ClientScope.AUTHORIZER)
    said = await reader.get(path.format(platform=gateway.platform.appid))
    assert (said.status, said.error["missing"]) == (403, "kind:manage")


async def test_platforms_are_shown_with_how_they_stand_and_without_their_secrets(gateway: World) -> None:
    await authorized_account(gateway)
    said = await (await manager(gateway)).get("/v1/platforms")
    [platform] = said.document
    assert platform["appid"] == gateway.platform.appid
    assert platform["ticket"]["health"] == "good"
    assert platform["authorizations"] == {"active": 1}
    assert (platform["tokens"], platform["aes_keys"]) == (1, 1)
    for secret in (gateway.platform.secret, *gateway.platform.push.tokens, *gateway.platform.push.aes_keys):
        assert secret.reveal() not in said.text


async def test_a_key_for_one_platform_sees_and_manages_only_that(gateway: World) -> None:
    other = await add_platform(gateway)
    narrow = await manager(gateway, platforms=(gateway.platform.appid,))
    assert [one["appid"] for one in (await narrow.get("/v1/platforms")).document] == [gateway.platform.appid]
    refused = await narrow.get(f"/v1/platforms/{other.appid}")
    assert (refused.status, refused.error["missing"]) == (403, f"platform:{other.appid}")
    refused = await narrow.get("/v1/clients")
    assert (refused.status, refused.error["missing"]) == (403, "everything")
    refused = await narrow.post(
        "/v1/clients", {"name": "a bigger one", "scopes": ["manage"], "everything": True}
    )
    assert (refused.status, refused.error["missing"]) == (403, "everything")


async def test_a_key_for_one_platform_sees_nothing_of_an_account_that_is_anothers(gateway: World) -> None:
    direct, other = await add_direct(gateway), await add_platform(gateway)
    theirs = await authorized_account(gateway, other)
    narrow = await manager(gateway, platforms=(gateway.platform.appid,))
    for appid in (direct.appid, theirs["appid"]):
        assert (await narrow.get(f"/v1/accounts/{appid}")).status == 404
    assert (await narrow.get("/v1/authorizations")).document == []


async def test_only_a_key_for_everything_says_what_other_keys_reach(gateway: World) -> None:
    account = await authorized_account(gateway)
    path = f"/v1/accounts/{account['appid']}/labels"
    for narrowed in ({"platforms": (gateway.platform.appid,)}, {"accounts": (account["appid"],)}):
        refused = await (await manager(gateway, **narrowed)).post(path, {"add_tags": ["shops"]})
        assert (refused.status, refused.error["missing"]) == (403, "everything")


async def test_a_key_for_one_account_sees_only_that(gateway: World) -> None:
    mine, theirs = await authorized_account(gateway), await authorized_account(gateway, nick_name="别家")
    narrow = await manager(gateway, accounts=(mine["appid"],))
    seen = (await narrow.get("/v1/authorizations")).document
    assert [one["appid"] for one in seen] == [mine["appid"]]
    assert (await narrow.get("/v1/platforms")).document == []
    refused = await narrow.get(f"/v1/accounts/{theirs['appid']}")
    assert (refused.status, refused.error["missing"]) == (403, f"account:{theirs['appid']}")
    assert (await narrow.get(f"/v1/accounts/{mine['appid']}")).document["authorizations"][0][
        "state"
    ] == "active"


async def test_an_account_is_shown_with_its_permission_sets_and_history(gateway: World) -> None:
    account = await authorized_account(gateway)
    said = await (await manager(gateway)).get(f"/v1/accounts/{account['appid']}")
    [right] = said.document["authorizations"]
    assert right["platform"] == gateway.platform.appid
    assert right["has_refresh_token"] is True
    assert right["permission_sets"][0].keys() == {"id", "name", "name_zh"}
    assert [change["reason"] for change in right["refresh_token_history"]] == ["authorized"]
    assert "refreshtoken@@@" not in said.text
    assert said.document["direct"] is None


async def test_a_direct_account_is_shown(gateway: World) -> None:
    direct = await add_direct(gateway)
    said = await (await manager(gateway)).get(f"/v1/accounts/{direct.appid}")
    assert said.document["direct"]["mode"] == "safe"
    assert direct.secret.reveal() not in said.text


async def test_an_unknown_account_is_not_found(gateway: World) -> None:
    said = await (await manager(gateway)).get("/v1/accounts/wx0000000000000000")
    assert (said.status, said.error["code"]) == (404, "not_found")


async def test_a_link_for_a_merchant_is_made_and_opens(gateway: World) -> None:
    path = f"/v1/platforms/{gateway.platform.appid}/invites"
    said = await (await manager(gateway)).post(path, {"reference": "tenant-42", "days": 3})
    assert said.status == 201
    assert said.document["reference"] == "tenant-42"
    page = await gateway.fetch(said.document["url"])
    assert page.status == 200


async def test_who_must_authorise_again_is_listed_with_a_link_each(gateway: World) -> None:
    account, boss = await gateway.add_account(), await manager(gateway)
    await gateway.authorize(account["appid"], func_ids=[1, 2])
    await settle(gateway)
    path = f"/v1/platforms/{gateway.platform.appid}/missing-permission"
    has = {int(id): (await boss.get(f"{path}/{id}")).document["lacking"] for id in ("1", "6")}
    assert (has[1], [one["appid"] for one in has[6]]) == ([], [account["appid"]])
    assert gateway.platform.appid in has[6][0]["link"]
    assert (await boss.get(f"{path}/0")).status == 404
    assert (await boss.get(f"{path}/many")).status == 400


async def test_tags_are_added_and_taken_away(gateway: World) -> None:
    account = await authorized_account(gateway)
    boss, path = await manager(gateway), f"/v1/accounts/{account['appid']}/labels"
    said = await boss.post(path, {"add_tags": ["shops", "north"]})
    assert said.document["tags"] == ["north", "shops"]
    said = await boss.post(path, {"remove_tags": ["north"]})
    assert said.document["tags"] == ["shops"]
    assert (await boss.get(f"/v1/accounts/{account['appid']}")).document["labels"]["tags"] == ["shops"]
    for wrong in ({"add_tags": ["two words"]}, {"add_hosts": ["https://shop.example.com/"]}):
        said = await boss.post(path, wrong)
        assert (said.status, said.error["code"]) == (400, "bad_request")


async def test_a_key_made_over_http_works_until_it_is_ended(gateway: World) -> None:
    boss = await manager(gateway)
    made = await boss.post(
        "/v1/clients", {"name": "crm", "scopes": ["manage"], "everything": True, "days": 1}
    )
    assert made.status == 201
    key, path = made.document["key"], f"/v1/clients/{made.document['id']}"
    assert (await request(gateway, "GET", path, key)).status == 200
    assert key not in (await boss.get("/v1/clients")).text
    ended = await request(gateway, "DELETE", path, boss.key)
    assert ended.document["revoked_at"] is not None
    done = await audit(gateway, client=boss.client.id)
    assert {("add_client", "201"), ("list_clients", "200"), ("revoke_client", "200")} == set(done)


BAD_BODIES = [
    (b"{", "JSON decode error"),
    (b"[]", "valid dictionary"),
    (b'{"scopes": ["manage"]}', "name"),
    (b'{"name": "x", "scopes": ["fly"]}', "scopes"),
    (b'{"name": "x", "scopes": ["manage"]}', "name platforms, accounts or tags"),
    (b'{"name": "x", "scopes": ["manage"], "everything": true, "networks": ["moon"]}', "'moon'"),
    (b'{"name": "x", "scopes": ["manage"], "everything": true, "surprise": 1}', "surprise"),
    (b'{"name": "' + b"x" * 5000 + b'", "scopes": ["manage"]}', "at most 100"),
    (b'{"name": "x", "scopes": ["manage"], "everything": true, "may_renew": false}', "read-only"),
    (b"\xff\xfe", ""),
    (b"[" * 100_000, ""),
]


@pytest.mark.parametrize(("body", "words"), BAD_BODIES, ids=[str(n) for n in range(len(BAD_BODIES))])
async def test_what_is_not_understood_is_named_and_changes_nothing(
    gateway: World, body: bytes, words: str
) -> None:
    boss = await manager(gateway)
    said = await boss.post("/v1/clients", body=body)
    assert said.status == 400, said.text
    assert said.error["code"] == "bad_request"
    assert words in said.error["message"]
    assert len(await gateway.node.clients.list()) == 1


async def test_a_body_that_is_too_large_is_not_read(gateway: World) -> None:
    boss = await manager(gateway)
    headers = {"authorization": f"Bearer {boss.key}"}
    large = io.BytesIO(b" " * (1024 * 1024 + 1))
    async with gateway.http.post(gateway.url("/v1/clients"), data=large, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (413, "too_large")


async def test_a_parameter_given_twice_is_not_understood(gateway: World) -> None:
    said = await (await manager(gateway)).get("/v1/authorizations?platform=a&platform=b")
    assert (said.status, said.error["code"]) == (400, "bad_request")


async def test_a_dry_run_asked_for_in_the_wrong_place_is_no_real_run(gateway: World) -> None:
    boss, path = await manager(gateway), f"/v1/platforms/{gateway.platform.appid}/reconcile"
    for said in (await boss.post(path, {"dry_run": True}), await boss.post(f"{path}?dryrun=true")):
        assert (said.status, said.error["code"]) == (400, "bad_request")
    assert await gateway.calls("/cgi-bin/component/api_get_authorizer_list") == []


async def test_what_goes_wrong_inside_is_answered_in_the_apis_words_and_logged_without_values(
    gateway: World,
) -> None:
    boss, sent = await manager(gateway), list[MutableMapping[str, Any]]()

    async def broken() -> None:
        raise RuntimeError(f"no such thing: access_token={boss.key}")

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    management = Management(gateway.node)
    (await management._made()).add_api_route("/v1/broken", broken)
    headers = [(b"authorization", f"Bearer {boss.key}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/broken", "query_string": b"", "headers": headers}
    with capture_logs() as logs:
        await management(scope, receive, send)
    assert [event["status"] for event in sent if event["type"] == "http.response.start"] == [503]
    assert json.loads(sent[-1]["body"])["error"]["code"] == "unexpected"
    [line] = [line for line in logs if line["event"] == "api.failed"]
    assert "RuntimeError" in line["exception"]
    assert boss.key not in str(logs)


async def test_a_method_nobody_serves_is_told_so(gateway: World) -> None:
    said = await request(gateway, "PATCH", "/v1/clients", (await manager(gateway)).key)
    assert (said.status, said.error["code"]) == (405, "method_not_allowed")
    assert "GET" in said.headers["allow"]


async def test_an_address_that_is_not_there_is_told_so_in_json(gateway: World) -> None:
    said: Said = await (await manager(gateway)).get("/v1/nothing/here")
    assert (said.status, json.loads(said.text)["error"]["code"]) == (404, "no_such_route")
