"""Token exchange: a mini program's code becomes tokens, once, and its session can be ended like any other."""

import base64
import json
from dataclasses import replace
from typing import Any

from tests.login.scene import CLIENT_SECRET, REALM, Scene
from tests.server.oidc.party import Party, join
from wxgate.login.oidc.terms import ACCESS_TOKEN_TYPE, JS_CODE, GrantType


async def js_code(scene: Scene, person: str) -> str:
    """Let somebody call wx.login() in the mini program."""
    made = await scene.world.act("js_code", appid=scene.program.appid, user=person)
    return str(made["code"])


async def exchange(party: Party, code: str, **changed: str) -> tuple[int, dict[str, Any]]:
    """Exchange a code."""
    form = {
        "grant_type": GrantType.TOKEN_EXCHANGE.value,
        "subject_token": code,
        "subject_token_type": JS_CODE,
    }
    secret = f"{party.client.id}:{CLIENT_SECRET.reveal()}".encode()
    headers = {"authorization": "Basic " + base64.b64encode(secret).decode()}
    url = party.metadata["token_endpoint"]
    async with party.scene.world.http.post(url, data=form | changed, headers=headers) as answer:
        return answer.status, json.loads(await answer.text())


async def test_a_mini_programs_code_becomes_tokens_once(scene: Scene) -> None:
    party = await join(scene, grants=frozenset(GrantType))
    person = await scene.person()
    code = await js_code(scene, person)

    status, document = await exchange(party, code, scope="openid wechat offline_access")
    assert (status, document["issued_token_type"]) == (200, ACCESS_TOKEN_TYPE)
    claims = await party.check(document["id_token"], document["access_token"], None)
    assert claims["amr"] == ["wechat", "miniprogram"]
    assert claims["wechat_openid"] == await scene.openid(person, scene.program)
    assert "session_key" not in json.dumps(document)
    assert (await party.userinfo(document["access_token"]))["sub"] == claims["sub"]

    assert (await exchange(party, code))[1]["error"] == "invalid_grant"
    _, again = await exchange(party, await js_code(scene, person), audience="program")
    assert (await party.userinfo(again["access_token"]))["sub"] == claims["sub"]

    await scene.world.node.login.subjects.end(claims["sid"])
    answer = await scene.world.fetch(
        party.metadata["userinfo_endpoint"], Authorization=f"Bearer {document['access_token']}"
    )
    assert answer.status == 401


async def test_what_cannot_be_exchanged_is_refused_in_the_words_of_the_specification(scene: Scene) -> None:
    party = await join(scene, grants=frozenset(GrantType))
    code = await js_code(scene, await scene.person())
    wrong: list[tuple[dict[str, str], str]] = [
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"audience": "shop"}, "invalid_target"),
    ]
    for changed, error in wrong:
        assert (await exchange(party, code, **changed))[1]["error"] == error, changed

    await scene.world.add_fault("/sns/component/jscode2session", "errcode", errcode=-1)
    status, document = await exchange(party, code)
    assert (status, document["error"]) == (503, "temporarily_unavailable")

    without = replace(party.client, grants=frozenset({"authorization_code"}))
    await scene.world.node.store.login.realms.put_client(without)
    assert (await exchange(party, code))[1]["error"] == "unauthorized_client"
    assert await scene.world.node.store.login.realms.realm(REALM)
