"""How WeChat is asked who somebody is, and what follows from each of its answers (P12, P13)."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pytest

from wxgate.client.api import WeChatApi
from wxgate.client.sns import SnsApi
from wxgate.client.transport import Request, Response
from wxgate.errors import (
    CircuitOpen,
    ConfigError,
    GatewayError,
    NeedsReauthorization,
    NotFound,
    StorageError,
    TicketMissing,
    Unreachable,
)
from wxgate.login.records import Acr, App, AppKind, Mode
from wxgate.login.wechat import Failure, LoginFailed, WeChatAddresses, WeChatLogin, failure_of
from wxgate.protocol.answers import error_of
from wxgate.secret import AppSecret, ComponentToken, LoginState, OAuthCode

T = TypeVar("T")

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = App("shop", "r", AppKind.OFFICIAL, "wxshop", "wxplatform", "Shop", LONG_AGO)
OWN = App("own", "r", AppKind.OFFICIAL, "wxown", "direct", "Own", LONG_AGO)
SITE = App("site", "r", AppKind.WEBSITE, "wxsite", "direct", "Site", LONG_AGO)

PERSON = {"access_token": "at", "openid": "o1", "scope": "snsapi_userinfo", "expires_in": 7200}
INFO = {"openid": "o1", "nickname": "小\x14明", "headimgurl": "http://a.example/132", "unionid": "u1"}


class Wire:
    """Answers each path as it is told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.paths: list[str] = []

    async def send(self, request: Request) -> Response:
        """Answer."""
        path = urlsplit(request.url).path
        self.paths.append(path)
        answer = self.answers[path.rpartition("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return Response(200, "text/plain", json.dumps(answer).encode())


class Credentials:
    """Has one secret and one token."""

    async def secret(self, app: App) -> AppSecret:
        """Return the secret."""
        return AppSecret("secret")

    async def using(self, platform: str, call: Callable[[ComponentToken], Awaitable[T]]) -> T:
        """Call with the token."""
        assert platform == "wxplatform"
        return await call(ComponentToken("token"))


def login(**answers: Any) -> tuple[WeChatLogin, Wire]:
    """Make it over a wire."""
    wire = Wire(**answers)
    addresses = WeChatAddresses("https://open.example", "https://gw.example/login/wechat/callback")
    return WeChatLogin(SnsApi(WeChatApi(wire, "https://api.example")), Credentials(), addresses), wire


@pytest.mark.parametrize(
    ("app", "mode", "path", "scope", "last"),
    [
        (SHOP, Mode.SILENT, "/connect/oauth2/authorize", "snsapi_base", "component_appid"),
        (SHOP, Mode.CONSENT, "/connect/oauth2/authorize", "snsapi_userinfo", "component_appid"),
        (OWN, Mode.SILENT, "/connect/oauth2/authorize", "snsapi_base", "state"),
        (SITE, Mode.QR, "/connect/qrconnect", "snsapi_login", "state"),
    ],
)
def test_each_way_has_its_link(app: App, mode: Mode, path: str, scope: str, last: str) -> None:
    link, _ = login()
    parts = urlsplit(link.link(app, mode, LoginState("aState")))
    query = parse_qsl(parts.query)
    assert (parts.path, parts.fragment) == (path, "wechat_redirect")
    assert dict(query)["scope"] == scope
    assert dict(query)["redirect_uri"] == "https://gw.example/login/wechat/callback"
    assert query[-1][0] == last


def test_a_consent_can_be_asked_for_again_and_the_qr_page_be_english() -> None:
    link, _ = login()
    again = urlsplit(link.link(SHOP, Mode.CONSENT, LoginState("s"), force_popup=True)).query
    assert again.endswith("&forcePopup=true&component_appid=wxplatform")
    assert urlsplit(link.link(SITE, Mode.QR, LoginState("s"), lang="en-GB")).query.endswith("&lang=en")
    assert "lang" not in link.link(SITE, Mode.QR, LoginState("s"), lang="zh-CN")


@pytest.mark.parametrize(
    ("app", "mode", "path", "acr"),
    [
        (SHOP, Mode.CONSENT, "/sns/oauth2/component/access_token", Acr.CONSENT),
        (OWN, Mode.CONSENT, "/sns/oauth2/access_token", Acr.CONSENT),
        (SITE, Mode.QR, "/sns/oauth2/access_token", Acr.SCAN),
    ],
)
async def test_a_code_becomes_a_proof_with_a_name(app: App, mode: Mode, path: str, acr: Acr) -> None:
    wechat, wire = login(access_token=PERSON, userinfo=INFO)
    proof = await wechat.prove(app, mode, OAuthCode("code"))
    assert wire.paths == [path, "/sns/userinfo"]
    assert (proof.app, proof.appid, proof.openid, proof.unionid) == (app.name, app.appid, "o1", "u1")
    assert proof.acr is acr
    assert (proof.profile.nickname, proof.profile.avatar) == ("小明", "https://a.example/132")


async def test_a_silent_proof_asks_for_no_name() -> None:
    wechat, wire = login(access_token=PERSON | {"scope": "snsapi_base"})
    proof = await wechat.prove(SHOP, Mode.SILENT, OAuthCode("code"))
    assert len(wire.paths) == 1
    assert (proof.acr, proof.unionid, proof.profile.nickname) == (Acr.SILENT, None, None)


@pytest.mark.parametrize(
    "trouble", [Unreachable("gone", sent=True), {"errcode": 48001}, INFO | {"openid": "o2"}]
)
async def test_a_proven_person_without_a_name_is_logged_in_all_the_same(trouble: Any) -> None:
    wechat, _ = login(access_token=PERSON, userinfo=trouble)
    proof = await wechat.prove(SHOP, Mode.CONSENT, OAuthCode("code"))
    assert (proof.openid, proof.unionid, proof.profile.nickname) == ("o1", None, None)


async def test_a_snapshot_page_is_known_and_asked_nothing_more() -> None:
    answer = PERSON | {"scope": "snsapi_base", "is_snapshotuser": 1}
    wechat, wire = login(access_token=answer)
    assert (await wechat.prove(SHOP, Mode.CONSENT, OAuthCode("code"))).snapshot
    assert len(wire.paths) == 1


async def test_less_than_was_asked_for_is_no_consent() -> None:
    wechat, _ = login(access_token=PERSON | {"scope": "snsapi_base"})
    with pytest.raises(LoginFailed) as failed:
        await wechat.prove(SHOP, Mode.CONSENT, OAuthCode("code"))
    assert failed.value.failure is Failure.EXPIRED_CODE


async def test_what_went_wrong_is_told_without_the_code() -> None:
    wechat, _ = login(access_token={"errcode": 40163, "errmsg": "code been used"})
    with pytest.raises(LoginFailed, match="40163") as failed:
        await wechat.prove(SHOP, Mode.SILENT, OAuthCode("very-secret-code"))
    assert (failed.value.failure, failed.value.errcode) == (Failure.EXPIRED_CODE, 40163)
    assert "very-secret-code" not in str(failed.value)


async def test_our_own_database_out_of_reach_is_no_fault_of_the_code() -> None:
    wechat, _ = login(access_token=StorageError("away"))
    with pytest.raises(StorageError):
        await wechat.prove(SHOP, Mode.SILENT, OAuthCode("code"))


FAILURES = {
    **dict.fromkeys((40029, 40163, 41008, 42003), Failure.EXPIRED_CODE),
    **dict.fromkeys((-1, 45009, 45011), Failure.RETRY_LATER),
    **dict.fromkeys((50001, 50002, 40226), Failure.RESTRICTED),
    **dict.fromkeys((48001, 40013, 40125, 40164, 61004, 61007), Failure.MISCONFIGURED),
    **dict.fromkeys((40001, 42001, 61003, 61023, 99999), Failure.UNAVAILABLE),
}


@pytest.mark.parametrize(("errcode", "failure"), FAILURES.items())
def test_an_errcode_says_what_follows(errcode: int, failure: Failure) -> None:
    assert failure_of(error_of(errcode, "", "/sns/oauth2/access_token")) is failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Unreachable("lost", sent=True), Failure.LOST),
        (Unreachable("not sent", sent=False), Failure.LOST),
        (CircuitOpen("too many", retry_after=5), Failure.RETRY_LATER),
        (TicketMissing("none yet"), Failure.UNAVAILABLE),
        (NeedsReauthorization("again"), Failure.UNAVAILABLE),
        (NotFound("no direct account"), Failure.MISCONFIGURED),
        (ConfigError("no key"), Failure.MISCONFIGURED),
    ],
)
def test_other_trouble_says_what_follows_too(error: GatewayError, failure: Failure) -> None:
    assert failure_of(error) is failure
