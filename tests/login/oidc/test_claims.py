"""What tokens say: nothing that was not asked for, and each person by the name the client may know."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from authlib.oidc.core.grants.util import create_half_hash

from wxgate.login.oidc.claims import Login, at_hash, challenge_of, pairwise_sub, person
from wxgate.login.records import Acr, Client, Mode, Profile, Subject
from wxgate.secret import Secret

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOGIN = Login("u_1", "s_1", NOW, Acr.SILENT, Mode.SILENT, "news", "wx1", "openid-1")
SUBJECT = Subject("u_1", "shop", NOW, NOW, Profile("林小雨", "https://avatar.example/1"))
CLIENT = Client(id="wxcl_1", realm="shop", name="the shop", created_at=NOW, pairwise=True)


def test_each_scope_tells_its_own_and_never_an_address_of_mail() -> None:
    bare = person(LOGIN, SUBJECT, "u_1", frozenset({"openid"}))
    whole = person(
        replace(LOGIN, unionid="union-1"), SUBJECT, "u_1", frozenset({"openid", "profile", "wechat"})
    )

    assert set(bare) == {"sub", "auth_time", "acr", "amr"}
    assert set(whole) - set(bare) == {
        *("name", "picture", "updated_at", "wechat_openid", "wechat_appid", "wechat_unionid")
    }
    assert whole["amr"] == ["wechat", "silent"]


def test_what_is_not_known_is_left_out() -> None:
    unknown = person(LOGIN, replace(SUBJECT, profile=Profile()), "u_1", frozenset({"profile", "wechat"}))
    assert not unknown.keys() & {"name", "picture", "wechat_unionid"}


def test_a_login_survives_being_written_down() -> None:
    for login in (LOGIN, replace(LOGIN, unionid="union-1", acr=Acr.SCAN, mode=Mode.QR)):
        assert Login.of_data(login.sub, login.sid, login.data()) == login


def test_pairwise_subjects_differ_by_sector_and_are_the_same_within_one() -> None:
    key = Secret("a key")
    other = replace(CLIENT, id="wxcl_2")
    together = [replace(one, sector="shop.example") for one in (CLIENT, other)]

    assert pairwise_sub(CLIENT, "u_1", key) != pairwise_sub(other, "u_1", key)
    assert len({pairwise_sub(one, "u_1", key) for one in together}) == 1
    assert pairwise_sub(CLIENT, "u_1", key) != pairwise_sub(CLIENT, "u_2", key)
    assert pairwise_sub(CLIENT, "u_1", key) != pairwise_sub(CLIENT, "u_1", Secret("another key"))


def test_at_hash_is_what_another_implementation_makes() -> None:
    assert at_hash(Secret("wxat_token")) == create_half_hash("wxat_token", "RS256").decode()


def test_the_challenge_is_that_of_rfc_7636() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert challenge_of(verifier) == (
        base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )
