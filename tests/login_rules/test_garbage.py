"""Garbage at every address of login and of the provider: a clear 4xx, counted, nothing told or written."""

import base64
import io
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from yarl import URL

from tests.harness import Harness
from tests.login.scene import REALM, Scene, set_scene
from tests.login_rules.visits import live
from tests.servers.postgres import PostgresServer
from wxgate.testing.browser import WECHAT

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "s3cr3tThatNobodyRepeats"

PAGES = [
    "/login/wechat/shop",
    "/login/wechat/callback",
    "/login/wechat/site/qr.json",
    "/login/ended/cancelled",
    "/login/done",
    "/login/session",
    "/login/logout",
    "/login/logged-out",
    f"/oidc/{REALM}/authorize",
    f"/oidc/{REALM}/logout",
    f"/oidc/{REALM}/userinfo",
]
FORMS = [
    "/login/logout",
    "/login/redeem",
    f"/oidc/{REALM}/authorize",
    f"/oidc/{REALM}/token",
    f"/oidc/{REALM}/revoke",
    f"/oidc/{REALM}/logout",
    f"/oidc/{REALM}/userinfo",
]
NAMES = [
    "return_to state nonce code code_challenge code_challenge_method client_id mode prompt max_age acr realm",
    "app result lang tap back appid redirect_uri scope response_type response_mode acr_values login_hint",
    "again id_token_hint ui_locales post_logout_redirect_uri token grant_type code_verifier refresh_token",
    "all csrf client_secret subject_token subject_token_type audience request request_uri display claims",
]
EVERY_NAME = " ".join(NAMES).split()
VALUES = {
    "nothing": "",
    "NUL": "%00",
    "NUL inside": "a%00b",
    "no UTF-8": "%ff%fe",
    "a lone surrogate": "%ed%a0%80",
    "a line break": "a%0d%0aX-Injected:%20yes",
    "not an escape": "%zz%",
    "emoji": "%F0%9F%8C%B1",
    "an object": "%7B%22a%22%3A1%7D",
    "a list": "a&{name}=b",
    "SQL": "'%20OR%201%3D1--",
    "a path": "..%2f..%2fetc%2fpasswd",
    "a template": "%7B%7B1337*1337%7D%7D%24%7B1337*1337%7D",
    "a number": "-1",
    "a great number": "9" * 400,
    "long": "x" * 4000,
}
TEXTS = ("NUL", "NUL inside", "no UTF-8", "a lone surrogate")
PATHS = [
    "/login/wechat/%00",
    "/login/wechat/%ff",
    "/login/wechat/" + "x" * 3000,
    "/login/wechat/..%2f..%2fhealthz",
    "/login/wechat/shop%00",
    "/login/wechat/shop/qr.json",
    "/login/wechat/%00/qr.json",
    "/login/ended/%00",
    "/login/ended/never_heard_of",
    "/login/session?realm=%00",
    "/login/session?app=%00",
    "/login/logout?realm=%00",
    "/login/nowhere",
    "/login/scan/%00/events",
    "/login/scan/" + "0" * 22 + "/events?x=%00",
    "/login/scan/confirm/%00",
    "/login/scan/confirm/" + "x" * 3000,
    "/oidc/%00/authorize",
    "/oidc/%ff/authorize",
    "/oidc/%00/logout",
    "/oidc/%00/jwks.json",
    "/oidc/%00/userinfo",
    "/oidc/%00/.well-known/openid-configuration",
    "/oidc/none/.well-known/openid-configuration",
    "/oidc/" + "x" * 3000 + "/jwks.json",
    f"/oidc/{REALM}/authorize?client_id=%00&redirect_uri=x",
    f"/oidc/{REALM}/logout?client_id=%00",
    f"/oidc/{REALM}/logout?client_id=" + "x" * 5000,
]


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
)
async def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """A gateway on either engine: PostgreSQL does not take every text."""
    folder, url = tmp_path_factory.mktemp("garbage"), None
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_migrated_database()
    async with Harness(folder, database_url=url) as world:
        yield await set_scene(world)
    if url is not None:
        server.drop_database(url)


@dataclass(frozen=True)
class Said:
    """What came of one piece of garbage."""

    what: str
    status: int
    text: str
    headers: str


async def send(scene: Scene, method: str, target: str, what: str = "", **more: Any) -> Said:
    """Send a request as it is written, unmended."""
    headers = {"User-Agent": WECHAT, **more.pop("headers", {})}
    url = URL(scene.world.gateway_url + target, encoded=True)
    async with scene.world.http.request(
        method, url, headers=headers, allow_redirects=False, **more
    ) as answer:
        text = (await answer.read()).decode("utf-8", "replace")
        told = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        return Said(what or f"{method} {target[:120]}", answer.status, text, told)


def check(said: Said) -> None:
    """Expect an answer that is none of our failures, and that repeats nothing that is secret."""
    assert said.status < 500, said
    assert SECRET not in said.text + said.headers, said.what
    assert "X-Injected" not in said.headers.partition("Location")[0], said.what
    assert "Traceback" not in said.text, said.what
    assert "1787569" not in said.text, f"{said.what} was worked out as a template"


def values_for(scene: Scene) -> Mapping[str, str]:
    """Choose what is sent: once everything, and on the other engine what databases read differently."""
    if str(scene.world.node.settings.database_url).startswith("sqlite"):
        return VALUES
    return {kind: value for kind, value in VALUES.items() if kind in TEXTS}


async def visits_counted(scene: Scene) -> float:
    """Count the visits of login and of the provider that the metrics know of."""
    text = (await scene.world.fetch("/metrics")).text
    counters = r"^(?:wxgate_login_pages_total|wxgate_oidc_requests_total)\{.*\} ([0-9.e+]+)$"
    return sum(float(value) for value in re.findall(counters, text, re.MULTILINE))


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """Everything that is logged."""
    output = io.StringIO()
    with redirect_stderr(output), redirect_stdout(output):
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(output))
        try:
            yield output
        finally:
            structlog.reset_defaults()


async def test_every_parameter_of_every_page_takes_every_garbage(scene: Scene, printed: io.StringIO) -> None:
    before, counted, sent = await live(scene), await visits_counted(scene), 0
    for page in PAGES:
        for kind, value in values_for(scene).items():
            # All names at once, as what is wrong with one must not hide what is wrong with the next.
            for names in NAMES:
                query = "&".join(f"{name}={value.format(name=name)}" for name in names.split())
                check(await send(scene, "GET", f"{page}?{query}", f"{page} with {kind}"))
                sent += 1
    assert await visits_counted(scene) - counted == sent
    assert await live(scene) == before
    assert "Traceback" not in printed.getvalue()


async def test_every_parameter_by_itself_at_the_addresses_that_read_most(scene: Scene) -> None:
    for page in ("/login/wechat/shop", f"/oidc/{REALM}/authorize"):
        known = f"client_id={scene.client.id}&redirect_uri=https%3A%2F%2Fshop.example%2Fcallback"
        for name in EVERY_NAME:
            check(await send(scene, "GET", f"{page}?{known}&{name}=%00", f"{page} {name}"))


async def test_every_form_takes_every_garbage(scene: Scene) -> None:
    counted, sent = await visits_counted(scene), 0
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for page in FORMS:
        for what, value in values_for(scene).items():
            body = "&".join(f"{name}={value.format(name=name)}" for name in EVERY_NAME)
            for data in (body, value):
                said = await send(scene, "POST", page, f"{page} {what}", data=data.encode(), headers=kind)
                check(said)
                sent += 1
        for data, as_kind in (
            (b"\xff\xfe\x00", kind),
            (b"a=" + b"x" * 300_000, kind),
            (b"&" * 20_000, kind),
            (b'{"code": 1}', {"Content-Type": "application/json"}),
            (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}),
            (b"x", {"Content-Type": "\xff"}),
            (b"", {}),
        ):
            said = await send(scene, "POST", page, page, data=data, headers=as_kind)
            check(said)
            sent += 1
    assert await visits_counted(scene) - counted == sent


async def test_odd_paths_are_not_found(scene: Scene) -> None:
    for path in PATHS:
        said = await send(scene, "GET", path)
        check(said)
        assert said.status in (400, 401, 404, 405), said
    for path in ("/login/scan/%00/redeem", "/login/scan/confirm/%00", "/login/scan"):
        said = await send(scene, "POST", path, data={"answer": "%00", "csrf": "\x00"})
        check(said)
        assert said.status in (400, 403, 404, 405, 409), said
    for path in ("/oidc/%00/token", "/oidc/%00/revoke", "/oidc/none/token"):
        said = await send(scene, "POST", path, data={"a": "b"})
        assert said.status in (400, 404), said


async def test_a_strangers_path_makes_no_new_metric(scene: Scene) -> None:
    for number in range(5):
        await send(scene, "GET", f"/login/ended/made-up-{number}")
    assert "made-up" not in (await scene.world.fetch("/metrics")).text


async def test_wrong_methods_are_refused(scene: Scene) -> None:
    for page in {*PAGES, *FORMS, f"/oidc/{REALM}/jwks.json"}:
        for method in ("PUT", "DELETE", "PATCH", "PROPFIND"):
            assert (await send(scene, method, page)).status in (404, 405), (method, page)
    for page in ("/login/redeem", f"/oidc/{REALM}/token", f"/oidc/{REALM}/revoke"):
        assert (await send(scene, "GET", page)).status in (404, 405), page


async def test_odd_headers_are_not_there(scene: Scene) -> None:
    basic = base64.b64encode(b"\x00:\x00").decode(), base64.b64encode(b"%00:%00").decode(), "=" * 50
    odd: list[dict[str, str]] = [
        {"Cookie": "; ".join(f"wxs-{number}=x" for number in range(400))},
        {"Cookie": "wxs-shops=%00; wxp-shops=\xff; wxa=" + "x" * 4000 + "; wxl=99999"},
        {"Cookie": 'wxs-shops="' + "A" * 43 + '"; wxs-..%2f=x; =; ;;=;'},
        {"Accept-Language": ",;q=\xff," * 100},
        {"Origin": "\xff://"},
        {"Sec-Fetch-Mode": "x" * 3000, "Sec-Fetch-Dest": "\xff"},
        {"X-Forwarded-For": "x, \xff, 1.2.3.4.5", "Forwarded": "for=" + "[" * 100},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "\xff"},
        *({"Authorization": f"Basic {value}"} for value in basic),
        {"User-Agent": "MicroMessenger " + "\xff" * 4000},
        {"User-Agent": ""},
    ]
    for headers in odd:
        for page in PAGES:
            check(await send(scene, "GET", page, str(headers)[:80], headers=headers))
        for page in FORMS:
            form = aiohttp.FormData({"grant_type": "authorization_code", "code": "x", "token": "x"})
            check(await send(scene, "POST", page, str(headers)[:80], headers=headers, data=form))


async def test_no_answer_repeats_a_secret_that_was_sent_to_it(scene: Scene, printed: io.StringIO) -> None:
    secrets = ("code", "client_secret", "code_verifier", "refresh_token", "token", "subject_token")
    body = "&".join(f"{name}={SECRET}" for name in secrets)
    for page in FORMS:
        if page.endswith(("authorize", "/logout")):
            continue  # A form there becomes an address, for whoever sent it.
        for extra in ("grant_type=authorization_code", "grant_type=refresh_token", "realm=x"):
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            check(await send(scene, "POST", page, data=f"{body}&{extra}", headers=kind))
        bearer = {"Authorization": f"Bearer {SECRET}", "Cookie": f"wxs-shops={SECRET}; wxa={SECRET}"}
        check(await send(scene, "POST", page, headers=bearer, data={"a": "b"}))
    for path in ("callback?state=abc&code=", "shop?tap="):
        check(await send(scene, "GET", f"/login/wechat/{path}{SECRET}"))
    assert SECRET not in printed.getvalue()
