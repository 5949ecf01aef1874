"""Realms, apps, clients and the people who logged in, managed over HTTP."""

from typing import Any

import pytest

from tests.cast import add_direct, authorized_account
from tests.harness import World
from tests.server.keys import Holder, holder
from tests.server.login_records import openid, put_person, put_session, unionid
from tests.server.test_management import audit, manager
from wxgate.custody.clients import ClientScope
from wxgate.secret import Secret, fingerprint

REDIRECT = "https://shop.example/callback"


@pytest.fixture
async def boss(gateway: World) -> Holder:
    """A manager of a gateway with the realm `main`."""
    boss = await manager(gateway)
    assert (await boss.post("/v1/login/realms", {"name": "main"})).status == 201
    return boss


async def test_a_realm_is_made_changed_and_removed(gateway: World, boss: Holder) -> None:
    said = await boss.post(
        "/v1/login/realms",
        {"name": "shops", "title": "Acme 店", "return_to": ["https://shop.example/"], "silent": False},
    )
    assert said.status == 201
    assert said.document["issuer"] == f"{gateway.gateway_url}/oidc/shops"
    assert said.document["return_to"] == ["https://shop.example"]
    assert said.document["limits"] == {
        "idle_seconds": 604800, "absolute_seconds": 2592000, "recheck_seconds": 14400,
    }  # fmt: skip
    path = "/v1/login/realms/shops"
    said = await boss.send("PATCH", path, {"limits": {"idle_seconds": 3600}, "unionid_backfill": True})
    assert (said.document["limits"]["idle_seconds"], said.document["unionid_backfill"]) == (3600, True)
    assert (said.document["title"], said.document["silent"]) == ("Acme 店", False)
    assert [one["name"] for one in (await boss.get("/v1/login/realms")).document] == ["main", "shops"]
    assert (await boss.send("DELETE", path)).status == 200
    assert (await boss.get(path)).status == 404
    done = {action for action, _ in await audit(gateway, client=boss.client.id, account="shops")}
    assert done == {"change_realm", "remove_realm", "show_realm"}


async def test_a_realm_in_use_is_not_removed_by_mistake(gateway: World, boss: Holder) -> None:
    await boss.post("/v1/login/realms/main/clients", {"name": "web", "redirect_uris": [REDIRECT]})
    said = await boss.send("DELETE", "/v1/login/realms/main")
    assert (said.status, said.error["code"]) == (400, "bad_request")
    assert "clients (1)" in said.error["message"]
    assert (await boss.send("DELETE", "/v1/login/realms/main?force=true")).status == 200
    assert (await boss.get("/v1/login/clients")).document == []


async def test_an_authorised_account_becomes_an_app_by_its_appid_alone(gateway: World, boss: Holder) -> None:
    account = await authorized_account(gateway)
    said = await boss.post("/v1/login/apps", {"name": "shop", "appid": account["appid"]})
    assert said.status == 201, said.text
    app = said.document
    assert (app["kind"], app["issuer"], app["realm"]) == ("official", gateway.platform.appid, "main")
    assert app["login_url"] == f"{gateway.gateway_url}/login/wechat/shop"
    assert app["title"] == account["nick_name"]
    again = await boss.post("/v1/login/apps", {"name": "shop2", "appid": account["appid"]})
    assert "already, as shop" in again.error["message"]
    said = await boss.send("PATCH", "/v1/login/apps/shop", {"title": "面馆"})
    assert said.document["title"] == "面馆"
    assert (await boss.send("DELETE", "/v1/login/apps/shop")).status == 200
    assert (await boss.get("/v1/login/apps?realm=main")).document == []


async def test_a_secret_goes_in_and_never_comes_out(gateway: World, boss: Holder) -> None:
    wanted = {"name": "site", "appid": "wxsite00000000001", "kind": "website"}
    said = await boss.post("/v1/login/apps", wanted)
    assert "AppSecret" in said.error["message"]
    said = await boss.post("/v1/login/apps", {**wanted, "secret": "a-secret-of-the-site"})
    assert (said.status, said.document["issuer"], said.document["has_secret"]) == (201, "direct", True)
    said = await boss.send("PATCH", "/v1/login/apps/site", {"secret": "another-secret"})
    listed = await boss.get("/v1/login/apps")
    assert "-secret" not in said.text + listed.text
    kept = await gateway.node.store.login.realms.app("site")
    assert kept is not None
    assert kept.secret is not None
    assert kept.secret.reveal() == "another-secret"


async def test_a_direct_account_needs_no_second_secret(gateway: World, boss: Holder) -> None:
    account = await add_direct(gateway)
    said = await boss.post("/v1/login/apps", {"name": "own", "appid": account.appid, "kind": "official"})
    assert (said.status, said.document["issuer"], said.document["has_secret"]) == (201, "direct", False)


async def test_a_client_is_made_shown_once_with_its_secret_and_ended(gateway: World, boss: Holder) -> None:
    made = await boss.post("/v1/login/realms/main/clients", {"name": "web", "redirect_uris": [REDIRECT]})
    assert made.status == 201
    secret, path = made.document["client_secret"], f"/v1/login/clients/{made.document['client_id']}"
    assert secret.startswith("wxcs_")
    kept = await gateway.node.store.login.realms.client(made.document["client_id"])
    assert kept is not None
    assert kept.secret_hash == fingerprint(Secret(secret))
    assert secret not in (await boss.get("/v1/login/clients")).text + (await boss.get(path)).text
    changed = await boss.send("PATCH", path, {"scopes": ["openid", "wechat"], "disabled": True})
    assert changed.document["scopes"] == ["openid", "wechat"]
    assert changed.document["disabled_at"]
    assert changed.document["redirect_uris"] == [REDIRECT]
    rotated = await boss.post(f"{path}/rotate-secret")
    assert rotated.document["client_secret"] not in (secret, None)
    assert (await boss.send("PATCH", "/v1/login/clients/web", {"disabled": False})).status == 200
    assert (await boss.send("DELETE", path)).status == 200
    assert (await boss.get(path)).status == 404


async def test_a_public_client_has_no_secret_to_show_or_to_rotate(boss: Holder) -> None:
    made = await boss.post(
        "/v1/login/realms/main/clients", {"name": "phone", "public": True, "redirect_uris": [REDIRECT]}
    )
    assert (made.document["public"], made.document["client_secret"]) == (True, None)
    said = await boss.post(f"/v1/login/clients/{made.document['client_id']}/rotate-secret")
    assert said.status == 400
    assert "public" in said.error["message"]


MISTAKES: tuple[tuple[str, str, Any, int, str], ...] = (
    ("POST", "/v1/login/realms", {"name": "main"}, 400, "already"),
    ("POST", "/v1/login/realms", {"name": "A b"}, 400, "cannot name a realm"),
    ("POST", "/v1/login/realms", {"name": "x", "limits": {"idle_seconds": 1}}, 400, "idle_seconds"),
    ("POST", "/v1/login/realms", {"name": "x", "return_to": ["shop"]}, 400, "no address"),
    ("POST", "/v1/login/realms", {"name": "x", "colour": "red"}, 400, "colour"),
    ("POST", "/v1/login/apps", {"name": "x", "appid": "no appid!"}, 400, "no appid"),
    ("POST", "/v1/login/apps", {"name": "x", "appid": "wxnobody", "realm": "y"}, 400, "does not know"),
    (
        "POST",
        "/v1/login/realms/main/clients",
        {"name": "x", "redirect_uris": ["http://a.b/"]},
        400,
        "https",
    ),
    ("POST", "/v1/login/realms/nowhere/clients", {"name": "x"}, 404, "no realm nowhere"),
    ("PATCH", "/v1/login/clients/wxcl_nobody", {"name": "x"}, 404, "no login client"),
    ("GET", "/v1/login/realms/main/subjects/u_nobody", None, 404, "nobody with the sub"),
    ("GET", "/v1/login/realms/nowhere/subjects", None, 404, "no realm nowhere"),
    ("GET", "/v1/login/realms/main/subjects?limit=0", None, 400, "limit"),
    ("DELETE", "/v1/login/sessions/s_nothing", None, 404, "no session"),
    ("POST", "/v1/login/realms/main/sessions/end", {"whose": "everybody", "which": "x"}, 400, "whose"),
)


async def test_a_mistake_is_named_and_changes_nothing(boss: Holder) -> None:
    for method, path, document, status, told in MISTAKES:
        said = await boss.send(method, path, document)
        assert said.status == status, (path, said.text)
        assert told in said.error["message"], path
    assert [one["name"] for one in (await boss.get("/v1/login/realms")).document] == ["main"]


async def test_a_key_for_some_accounts_reaches_nothing_of_login(gateway: World) -> None:
    narrow = await holder(gateway, ClientScope.MANAGE, platforms={gateway.platform.appid})
    for path in ("realms", "apps", "clients", "conflicts", "realms/main/subjects", "realms/main/keys"):
        said = await narrow.get(f"/v1/login/{path}")
        assert (said.status, said.error["missing"]) == (403, "everything"), path


async def test_people_are_found_by_what_wechat_calls_them(gateway: World, boss: Holder) -> None:
    await put_person(gateway, "u_1", openid("o1"), unionid("un1"), nickname="小明 \U0001f35c")
    await put_person(gateway, "u_2", openid("o2"))
    await put_session(gateway, "u_1", "s_1")
    path = "/v1/login/realms/main/subjects"
    assert [one["sub"] for one in (await boss.get(path)).document] == ["u_1", "u_2"]
    assert [one["sub"] for one in (await boss.get(f"{path}?after=u_1")).document] == ["u_2"]
    found = (await boss.get(f"{path}?search=un1")).document
    assert [one["nickname"] for one in found] == ["小明 \U0001f35c"]
    person = (await boss.get(f"{path}/u_1")).document
    assert {(one["kind"], one["value"]) for one in person["names"]} == {("openid", "o1"), ("unionid", "un1")}
    assert [(one["sid"], one["address"]) for one in person["sessions"]] == [("s_1", "203.0.113.7")]
    assert "hash" not in str(person)


async def test_two_people_who_are_one_are_listed_and_merged(gateway: World, boss: Holder) -> None:
    await put_person(gateway, "u_1", openid("o1"))
    await put_person(gateway, "u_2", unionid("un1"))
    assert await put_person(gateway, "u_3", openid("o1"), unionid("un1"))
    await put_session(gateway, "u_2", "s_2")
    (conflict,) = (await boss.get("/v1/login/conflicts?realm=main")).document
    assert (conflict["kept"], conflict["other"], conflict["value"]) == ("u_1", "u_2", "un1")
    path = "/v1/login/realms/main/subjects"
    merged = await boss.post(f"{path}/u_1/merge", {"other": "u_2"})
    assert merged.status == 200, merged.text
    assert {one["value"] for one in merged.document["names"]} == {"o1", "un1"}
    assert (await boss.get(f"{path}/u_2")).document["alias_of"] == "u_1"
    assert (await boss.get("/v1/login/conflicts")).document == []
    assert len((await boss.get("/v1/login/conflicts?settled=true")).document) == 1
    assert (await boss.get("/v1/login/realms/main/sessions")).document == []
    (event,) = await gateway.node.store.inbox.find(limit=1)
    assert (event.name, event.fields["other"]) == ("wxgate.identity.merged", "u_2")
    again = await boss.post(f"{path}/u_1/merge", {"other": "u_2"})
    assert again.status == 400
    assert (await boss.post(f"{path}/u_1/merge", {"other": "u_1"})).status == 400


async def test_sessions_are_listed_and_ended_one_by_one_or_together(gateway: World, boss: Holder) -> None:
    await put_person(gateway, "u_1", openid("o1"))
    for sid, app in (("s_1", "shop"), ("s_2", "shop"), ("s_3", "site")):
        await put_session(gateway, "u_1", sid, app=app)
    path = "/v1/login/realms/main/sessions"
    assert [one["sid"] for one in (await boss.get(f"{path}?limit=2")).document] == ["s_1", "s_2"]
    ended = await boss.send("DELETE", "/v1/login/sessions/s_1")
    assert ended.document["end_reason"] == "operator"
    assert (await boss.post(f"{path}/end", {"whose": "app", "which": "site"})).document == {"ended": 1}
    assert [one["sid"] for one in (await boss.get(path)).document] == ["s_2"]
    assert (await boss.post(f"{path}/end", {"whose": "subject", "which": "u_1"})).document == {"ended": 1}
    assert (await boss.get(f"{path}?sub=u_1")).document == []
    counted = 'wxgate_login_sessions_total{event="ended",realm="main"} 3.0'
    assert counted in gateway.node.metrics.render().decode()


async def test_keys_are_listed_without_their_secret_half_and_turned_over(boss: Holder) -> None:
    path = "/v1/login/realms/main/keys"
    before = await boss.get(path)
    assert {one["algorithm"] for one in before.document} == {"RS256", "ES256"}
    assert set(before.document[0]) == {"kid", "realm", "algorithm", "created_at", "signs_from"}
    made = (await boss.post(f"{path}/rotate", {})).document
    assert all(one["signs_from"] > one["created_at"] for one in made)
    assert len((await boss.get(path)).document) == 4
    assert (await boss.post(f"{path}/rotate", {"at_once": True})).status == 200
    assert len((await boss.get(path)).document) == 2


async def test_a_person_is_forgotten_with_everything(gateway: World, boss: Holder) -> None:
    await put_person(gateway, "u_1", openid("o1"))
    await put_session(gateway, "u_1", "s_1")
    path = "/v1/login/realms/main/subjects/u_1"
    # Nor does anybody forget them all by removing a realm that looks empty.
    assert (await boss.send("DELETE", "/v1/login/realms/main")).status == 400
    assert (await boss.send("DELETE", path)).document == {"ended": 1}
    assert (await boss.get(path)).status == 404
    assert not await gateway.node.store.login.identities.find("main", [openid("o1")])
