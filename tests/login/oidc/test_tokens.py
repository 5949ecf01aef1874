"""Codes, refresh tokens and access tokens: each good once, for one client, and dead with its family."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.login.oidc.scene import BASE, CALLBACK, REALM, VERIFIER, Provider, wide
from wxgate.errors import BearerRefused, OAuthRefused
from wxgate.login.oidc.claims import at_hash
from wxgate.login.records import Client
from wxgate.secret import Secret

ISSUER = f"{BASE}/oidc/{REALM}"


async def opened(idp: Provider, token: str) -> dict[str, Any]:
    """Open an ID token with the published keys alone, as a client does."""
    keys = KeySet.import_key_set(await idp.oidc.keyring.published(REALM))  # type: ignore[arg-type]
    found = jwt.decode(token, keys, algorithms=["RS256", "ES256"])
    return dict(found.claims)


async def told(idp: Provider, token: str) -> dict[str, Any]:
    """Ask the userinfo endpoint."""
    return await idp.oidc.userinfo.tell(REALM, Secret(token))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_code_becomes_tokens_that_say_who_it_is(sqlite_idp: Provider, algorithm: str) -> None:
    client = await sqlite_idp.client(algorithm=algorithm)
    session = await sqlite_idp.session()

    document = await sqlite_idp.login(client, session)
    claims = await opened(sqlite_idp, document["id_token"])

    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, client.id, session.sub)
    assert (claims["nonce"], claims["sid"], claims["name"]) == ("a nonce", session.sid, "林小雨")
    assert claims["exp"] - claims["iat"] == 600
    assert claims["auth_time"] == int(session.proved_at.timestamp())
    assert claims["at_hash"] == at_hash(Secret(document["access_token"]))
    assert (document["token_type"], document["expires_in"]) == ("Bearer", 3600)
    assert document["scope"] == "openid profile"
    assert "refresh_token" not in document
    assert (await told(sqlite_idp, document["access_token"]))["sub"] == session.sub


async def test_of_fifty_who_redeem_a_code_one_gets_tokens_and_they_are_revoked(idp: Provider) -> None:
    client = await idp.client()
    code = await idp.code(client, await idp.session())

    results = await asyncio.gather(*(idp.redeem(client, code) for _ in range(50)), return_exceptions=True)

    good = [result for result in results if isinstance(result, dict)]
    refused = [result for result in results if isinstance(result, OAuthRefused)]
    assert (len(good), len(refused)) == (1, 49)
    assert {error.error for error in refused} == {"invalid_grant"}
    with pytest.raises(BearerRefused):
        await told(idp, good[0]["access_token"])


async def test_a_code_that_is_used_again_revokes_what_came_of_it(idp: Provider) -> None:
    client = await idp.client()
    code = await idp.code(client, await idp.session())
    document = await idp.redeem(client, code)
    await told(idp, document["access_token"])

    with pytest.raises(OAuthRefused):
        await idp.redeem(client, code)
    with pytest.raises(BearerRefused):
        await told(idp, document["access_token"])


async def test_a_code_is_good_for_a_minute(sqlite_idp: Provider) -> None:
    client = await sqlite_idp.client()
    session = await sqlite_idp.session()
    in_time, too_late = [await sqlite_idp.code(client, session) for _ in range(2)]

    sqlite_idp.clock.advance(timedelta(seconds=59))
    await sqlite_idp.redeem(client, in_time)
    sqlite_idp.clock.advance(timedelta(seconds=1))
    with pytest.raises(OAuthRefused):
        await sqlite_idp.redeem(client, too_late)


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": None},
        {"code_verifier": "w" * 43},
        {"code_verifier": None},
        {"code_verifier": "v" * 42},
        {"code_verifier": "ü" * 43},
    ],
    ids=str,
)
async def test_a_code_is_redeemed_as_it_was_asked_for_or_not_at_all(
    sqlite_idp: Provider, changed: dict[str, str | None]
) -> None:
    """Code injection: a thief has neither the verifier nor the address, and spends the code by trying."""
    client = await sqlite_idp.client()
    code = await sqlite_idp.code(client, await sqlite_idp.session())

    with pytest.raises(OAuthRefused) as refused:
        await sqlite_idp.redeem(client, code, **changed)
    assert refused.value.error == "invalid_grant"
    with pytest.raises(OAuthRefused):
        await sqlite_idp.redeem(client, code)


async def test_a_code_is_for_the_client_it_was_made_for(sqlite_idp: Provider) -> None:
    client, other = await sqlite_idp.client(), await sqlite_idp.client()
    code = await sqlite_idp.code(client, await sqlite_idp.session())
    with pytest.raises(OAuthRefused):
        await sqlite_idp.redeem(other, code)


async def test_pkce_cannot_be_taken_out_of_a_request(sqlite_idp: Provider) -> None:
    """PKCE downgrade: a verifier for a code without a challenge shows that somebody removed it."""
    client = await sqlite_idp.client(require_pkce=False)
    session = await sqlite_idp.session()

    with pytest.raises(OAuthRefused):
        await sqlite_idp.redeem(client, await sqlite_idp.code(client, session, code_challenge=None))
    without = await sqlite_idp.code(client, session, code_challenge=None)
    assert await sqlite_idp.redeem(client, without, code_verifier=None)


async def test_no_token_passes_for_another_kind(sqlite_idp: Provider) -> None:
    client = wide(await sqlite_idp.client())
    document = await sqlite_idp.login(client, await sqlite_idp.session(), scope="openid offline_access")

    for wrong in (document["refresh_token"], document["id_token"], "", "wxat_", "wxat_" + "x" * 43):
        with pytest.raises(BearerRefused):
            await told(sqlite_idp, wrong)
    for wrong in (document["access_token"], document["id_token"], "wxrt_" + "x" * 43):
        with pytest.raises(OAuthRefused):
            await sqlite_idp.oidc.tokens.refresh(client, {"refresh_token": wrong})


async def test_an_access_token_is_for_its_realm_and_its_hour(sqlite_idp: Provider) -> None:
    document = await sqlite_idp.login(await sqlite_idp.client(), await sqlite_idp.session())

    with pytest.raises(BearerRefused):
        await sqlite_idp.oidc.userinfo.tell("other", Secret(document["access_token"]))
    sqlite_idp.clock.advance(timedelta(hours=1))
    with pytest.raises(BearerRefused):
        await told(sqlite_idp, document["access_token"])


async def refresh(idp: Provider, client: Client, token: str, **more: str) -> dict[str, Any]:
    """Use a refresh token."""
    return dict(await idp.oidc.tokens.refresh(client, {"refresh_token": token, **more}))


async def test_a_refresh_token_is_replaced_and_its_second_use_revokes_the_family(idp: Provider) -> None:
    client = wide(await idp.client())
    session = await idp.session()
    first = await idp.login(client, session, scope="openid offline_access")

    second = await refresh(idp, client, first["refresh_token"])
    claims = await opened(idp, second["id_token"])
    assert (claims["sub"], claims["sid"]) == (session.sub, session.sid)
    assert "nonce" not in claims
    assert claims["auth_time"] == int(session.proved_at.timestamp())
    assert second["refresh_token"] != first["refresh_token"]

    with pytest.raises(OAuthRefused):
        await refresh(idp, client, first["refresh_token"])
    with pytest.raises(OAuthRefused):
        await refresh(idp, client, second["refresh_token"])
    with pytest.raises(BearerRefused):
        await told(idp, second["access_token"])


async def test_of_twenty_who_refresh_at_once_nobody_keeps_a_token(idp: Provider) -> None:
    client = wide(await idp.client())
    document = await idp.login(client, await idp.session(), scope="openid offline_access")

    tries = (refresh(idp, client, document["refresh_token"]) for _ in range(20))
    results = await asyncio.gather(*tries, return_exceptions=True)

    good = [result for result in results if isinstance(result, dict)]
    assert len(good) == 1
    assert all(isinstance(result, OAuthRefused) for result in results if result is not good[0])
    with pytest.raises(OAuthRefused):
        await refresh(idp, client, good[0]["refresh_token"])


async def test_a_refresh_narrows_one_token_and_never_widens(sqlite_idp: Provider) -> None:
    client = wide(await sqlite_idp.client())
    asked = "openid profile offline_access"
    document = await sqlite_idp.login(client, await sqlite_idp.session(), scope=asked)

    narrow = await refresh(sqlite_idp, client, document["refresh_token"], scope="openid")
    assert narrow["scope"] == "openid"
    assert "name" not in await told(sqlite_idp, narrow["access_token"])
    wide_again = await refresh(sqlite_idp, client, narrow["refresh_token"])
    assert wide_again["scope"] == asked
    with pytest.raises(OAuthRefused) as refused:
        await refresh(sqlite_idp, client, wide_again["refresh_token"], scope="openid wechat")
    assert refused.value.error == "invalid_scope"


async def test_refresh_tokens_end_thirty_days_after_the_login(sqlite_idp: Provider) -> None:
    client = wide(await sqlite_idp.client())
    document = await sqlite_idp.login(client, await sqlite_idp.session(), scope="openid offline_access")

    sqlite_idp.clock.advance(timedelta(days=29))
    document = await refresh(sqlite_idp, client, document["refresh_token"])
    sqlite_idp.clock.advance(timedelta(days=1))
    with pytest.raises(OAuthRefused):
        await refresh(sqlite_idp, client, document["refresh_token"])


async def test_the_end_of_a_session_is_the_end_of_its_tokens(sqlite_idp: Provider) -> None:
    client = wide(await sqlite_idp.client())
    session = await sqlite_idp.session()
    document = await sqlite_idp.login(client, session, scope="openid offline_access")
    code = await sqlite_idp.code(client, session)

    await sqlite_idp.store.login.sessions.end(session.id_hash, reason="logout", now=sqlite_idp.clock.now())

    with pytest.raises(BearerRefused):
        await told(sqlite_idp, document["access_token"])
    with pytest.raises(OAuthRefused):
        await refresh(sqlite_idp, client, document["refresh_token"])
    with pytest.raises(OAuthRefused):
        await sqlite_idp.redeem(client, code)


async def test_a_client_that_is_disabled_or_a_person_forgotten_gets_nothing(sqlite_idp: Provider) -> None:
    client = wide(await sqlite_idp.client())
    session = await sqlite_idp.session()
    document = await sqlite_idp.login(client, session, scope="openid offline_access")
    other = await sqlite_idp.login(client, session, scope="openid offline_access")

    await sqlite_idp.store.login.realms.put_client(replace(client, disabled_at=sqlite_idp.clock.now()))
    with pytest.raises(BearerRefused):
        await told(sqlite_idp, document["access_token"])
    await sqlite_idp.store.login.realms.put_client(client)
    await sqlite_idp.store.login.identities.forget(REALM, session.sub)
    with pytest.raises(OAuthRefused):
        await refresh(sqlite_idp, client, other["refresh_token"])


async def test_a_token_is_revoked_by_its_client_with_its_family(sqlite_idp: Provider) -> None:
    client, other = wide(await sqlite_idp.client()), await sqlite_idp.client()
    document = await sqlite_idp.login(client, await sqlite_idp.session(), scope="openid offline_access")
    tokens = sqlite_idp.oidc.tokens

    with pytest.raises(OAuthRefused):
        await tokens.revoke(other, {"token": document["access_token"]})
    assert await told(sqlite_idp, document["access_token"])
    assert not await tokens.revoke(client, {"token": "wxat_" + "x" * 43})
    assert await tokens.revoke(client, {"token": document["refresh_token"]})
    with pytest.raises(BearerRefused):
        await told(sqlite_idp, document["access_token"])


async def test_a_pairwise_client_knows_people_by_its_own_name_everywhere(sqlite_idp: Provider) -> None:
    client, other = await sqlite_idp.client(pairwise=True), await sqlite_idp.client(pairwise=True)
    session = await sqlite_idp.session()

    document = await sqlite_idp.login(client, session)
    mine = (await opened(sqlite_idp, document["id_token"]))["sub"]
    theirs = (await opened(sqlite_idp, (await sqlite_idp.login(other, session))["id_token"]))["sub"]

    assert mine == (await told(sqlite_idp, document["access_token"]))["sub"]
    assert len({mine, theirs, session.sub}) == 3


async def test_a_merged_person_keeps_the_name_the_client_knows(sqlite_idp: Provider) -> None:
    client = wide(await sqlite_idp.client())
    old, new = await sqlite_idp.session("openid-1"), await sqlite_idp.session("openid-2")
    document = await sqlite_idp.login(client, old, scope="openid profile offline_access")
    identities = sqlite_idp.store.login.identities
    assert await identities.merge(REALM, kept=new.sub, other=old.sub, now=sqlite_idp.clock.now())

    document = await refresh(sqlite_idp, client, document["refresh_token"])

    assert (await opened(sqlite_idp, document["id_token"]))["sub"] == old.sub
    assert (await told(sqlite_idp, document["access_token"]))["sub"] == old.sub


async def test_the_verifier_is_the_one_of_this_code(sqlite_idp: Provider) -> None:
    client = await sqlite_idp.client(public=True)
    document = await sqlite_idp.redeem(
        client, await sqlite_idp.code(client, await sqlite_idp.session()), code_verifier=VERIFIER
    )
    assert document["id_token"]


async def test_what_was_taken_from_a_client_is_not_given_for_its_old_tokens(sqlite_idp: Provider) -> None:
    client, realms = wide(await sqlite_idp.client()), sqlite_idp.store.login.realms
    await realms.put_client(client)
    document = await sqlite_idp.login(
        client, await sqlite_idp.session(), scope="openid wechat offline_access"
    )
    assert "wechat_openid" in await told(sqlite_idp, document["access_token"])
    code = await sqlite_idp.code(client, await sqlite_idp.session(), scope="openid wechat")
    narrow = replace(client, scopes=client.scopes - {"wechat"})
    await realms.put_client(narrow)

    assert "wechat_openid" not in await told(sqlite_idp, document["access_token"])
    assert (await sqlite_idp.redeem(narrow, code))["scope"] == "openid"
    renewed = await sqlite_idp.oidc.tokens.refresh(narrow, {"refresh_token": document["refresh_token"]})
    assert renewed["scope"] == "openid offline_access"
    online = replace(narrow, scopes=frozenset({"openid"}))
    with pytest.raises(OAuthRefused):
        await sqlite_idp.oidc.tokens.refresh(online, {"refresh_token": renewed["refresh_token"]})


async def test_no_tokens_come_out_when_the_session_ends_at_that_moment(sqlite_idp: Provider) -> None:
    client, session = await sqlite_idp.client(), await sqlite_idp.session()
    await sqlite_idp.store.login.sessions.end(session.id_hash, reason="r", now=sqlite_idp.clock.now())
    with pytest.raises(OAuthRefused, match="the session has ended"):
        await sqlite_idp.oidc.tokens.start(client, session, frozenset({"openid"}))


async def test_two_pairwise_clients_cannot_join_a_person_by_the_session(sqlite_idp: Provider) -> None:
    session = await sqlite_idp.session()
    clients = [await sqlite_idp.client(pairwise=True) for _ in range(2)]
    clients += [await sqlite_idp.client(pairwise=True, sector="both") for _ in range(2)]
    clients.append(await sqlite_idp.client())
    told = [
        (await opened(sqlite_idp, (await sqlite_idp.login(client, session))["id_token"]))["sid"]
        for client in clients
    ]
    assert len(set(told)) == 4
    assert told[2] == told[3]
    assert told[4] == session.sid
    assert told[:4] == [await sqlite_idp.oidc.subjects.sid_told_to(each, session.sid) for each in clients[:4]]
