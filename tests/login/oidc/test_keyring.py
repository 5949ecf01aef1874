"""Keys in a store: one set however many ask first, and tokens that no other key or algorithm makes."""

import asyncio
import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.login.oidc.scene import REALM, Provider
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.login.oidc.keys import PUBLISHED_AHEAD, ROTATED_AFTER, STAYS, Keyring
from wxgate.login.oidc.terms import ALGORITHMS
from wxgate.store.login_keys import SqlSigningKeys

CLAIMS = {"iss": "https://gw.example/oidc/shop", "sub": "u_1"}


def kid_of(token: str) -> str:
    """Read which key a token names."""
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


async def test_however_many_ask_first_a_realm_gets_one_key_of_each_kind(idp: Provider) -> None:
    rings = [Keyring(idp.store.login.keys, idp.clock) for _ in range(6)]
    found = await asyncio.gather(*(ring.published(REALM) for ring in rings))

    assert all(one == found[0] for one in found)
    assert sorted(key["alg"] for key in found[0]["keys"]) == sorted(ALGORITHMS)
    assert not {"d", "p", "q", "k"} & {name for key in found[0]["keys"] for name in key}
    one, two = [(await ring.pairwise_key(REALM)).reveal() for ring in rings[:2]]
    assert one == two


async def test_a_new_key_is_published_a_day_before_it_signs_and_the_old_one_stays_two_days(
    sqlite_idp: Provider,
) -> None:
    keyring, clock = sqlite_idp.oidc.keyring, sqlite_idp.clock
    old = await keyring.sign(REALM, "RS256", CLAIMS)
    pairwise = (await keyring.pairwise_key(REALM)).reveal()

    clock.advance(ROTATED_AFTER)
    await keyring.tend(REALM)
    await keyring.tend(REALM)
    published = {key["kid"] for key in (await keyring.published(REALM))["keys"]}
    assert len(published) == 2 * len(ALGORITHMS)
    assert kid_of(await keyring.sign(REALM, "RS256", CLAIMS)) == kid_of(old)

    clock.advance(PUBLISHED_AHEAD)
    new = await keyring.sign(REALM, "RS256", CLAIMS)
    assert kid_of(new) in published - {kid_of(old)}
    assert await keyring.verify(REALM, old) == CLAIMS

    clock.advance(STAYS)
    await keyring.tend(REALM)
    assert len((await keyring.published(REALM))["keys"]) == len(ALGORITHMS)
    assert await keyring.verify(REALM, old) is None
    assert await keyring.verify(REALM, new) == CLAIMS
    assert (await keyring.pairwise_key(REALM)).reveal() == pairwise


async def test_a_leaked_key_is_out_at_once(sqlite_idp: Provider) -> None:
    keyring = sqlite_idp.oidc.keyring
    leaked = await keyring.sign(REALM, "RS256", CLAIMS)
    await keyring.rotate(REALM, at_once=True)

    assert await keyring.verify(REALM, leaked) is None
    assert await keyring.verify(REALM, await keyring.sign(REALM, "RS256", CLAIMS)) == CLAIMS


async def test_no_algorithm_is_taken_but_that_of_the_key(sqlite_idp: Provider) -> None:
    """Algorithm confusion: `none`, our public key as an HMAC secret, a stranger's key under our name."""
    keyring = sqlite_idp.oidc.keyring
    good = await keyring.sign(REALM, "RS256", CLAIMS)
    kid = kid_of(good)
    public: dict[str, Any] = next(
        key for key in (await keyring.published(REALM))["keys"] if key["kid"] == kid
    )
    body = good.split(".")[1]

    def head(**fields: str) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()

    pem = RSAKey.import_key(public).as_pem(private=False)
    unsigned = f"{head(alg='HS256', kid=kid)}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(pem, unsigned.encode(), "sha256")).rstrip(b"=").decode()
    stranger = RSAKey.generate_key(2048)
    forged = [
        f"{head(alg='none', kid=kid)}.{body}.",
        f"{head(alg='None')}.{body}.",
        f"{unsigned}.{mac}",
        jwt.encode({"alg": "RS256", "kid": kid}, dict(CLAIMS), stranger, algorithms=["RS256"]),
        jwt.encode({"alg": "PS256", "kid": kid}, dict(CLAIMS), stranger, algorithms=["PS256"]),
        good[:-8] + "AAAAAAAA",
        good.replace(body, base64.urlsafe_b64encode(b'{"sub":"u_2"}').rstrip(b"=").decode()),
        "",
        "a.b",
        "a.b.c.d.e",
    ]
    for token in forged:
        assert await keyring.verify(REALM, token) is None, token


async def test_keys_that_do_not_open_are_not_replaced_but_complained_of(sqlite_idp: Provider) -> None:
    kid = kid_of(await sqlite_idp.oidc.keyring.sign(REALM, "RS256", CLAIMS))
    stranger = SqlSigningKeys(sqlite_idp.store.database, Vault(KeyRing.generate()))
    keyring = Keyring(stranger, sqlite_idp.clock)
    for _ in range(2):
        with pytest.raises(ConfigError, match="WXGATE_KEYS"):
            await keyring.published(REALM)

    again = Keyring(sqlite_idp.store.login.keys, sqlite_idp.clock)
    assert kid_of(await again.sign(REALM, "RS256", CLAIMS)) == kid
