"""What every framework must do alike: know the visitor, send them away, refuse scripts, set cookies."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import pytest
from fastapi import Depends, FastAPI

from tests.sdk.frameworks import Ask, Reply, ask_asgi, django_site, flask_site, starlette_site
from tests.sdk.visiting import WECHAT, Site, path_of
from wxgate.sdk.login import Login, Person, Visit
from wxgate.sdk.login.starlette import WeChatLogin, required

ROOT = Path(__file__).parents[2]
PAGE = {"user-agent": WECHAT, "sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}
SCRIPT = {"user-agent": WECHAT, "sec-fetch-dest": "empty", "sec-fetch-mode": "cors"}


@dataclass
class Client:
    """A browser in front of one framework."""

    site: Site
    ask: Ask
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: dict[str, str] = PAGE) -> Reply:
        """Get a page."""
        return self.send("GET", path, headers)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        """Send a request with the cookies there are."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.ask(method, path, {**headers, "cookie": cookie}, body)
        for line in reply.all("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                attributes = (morsel["samesite"], morsel["path"], morsel["httponly"], morsel["secure"])
                assert attributes == ("Lax", "/", True, True) or "wxlogin" not in name
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
        return reply

    def logs_in(self, sent: Reply, **claims: Any) -> Reply:
        """Come back from the gateway as somebody."""
        assert sent.status == 303, sent
        arrived = self.site.issuer.arrive(sent.all("location")[0], **claims)
        return self.get(f"/wechat/callback?{urlencode(arrived)}")


@pytest.fixture(params=[starlette_site, flask_site, django_site], ids=["starlette", "flask", "django"])
def client(request: pytest.FixtureRequest) -> Client:
    """A browser in front of a site."""
    make: Callable[[Login], Ask] = request.param
    site = Site.make()
    return Client(site, make(site.login))


def test_a_visitor_is_known_after_the_login(client: Client) -> None:
    assert client.get("/").document["sub"] is None
    assert client.get("/?a=%E4").document["login"] == "/wechat/login?return_to=%2F%3Fa%3D%25E4"

    back = client.logs_in(client.get("/me"))
    assert (back.status, back.all("location")) == (303, ["/me"])
    assert back.all("cache-control") == ["no-store"]

    for headers in (PAGE, SCRIPT):
        page = client.get("/me", headers)
        assert page.document["sub"] == "u_zhang"
        assert page.all("cache-control") == ["private, no-cache"]


def test_a_page_that_demands_more_is_answered_in_its_place(client: Client) -> None:
    client.logs_in(client.get("/me"))
    sent = client.get("/pay")
    asked = client.site.issuer.read(sent.all("location")[0])
    assert (asked["acr_values"], asked["max_age"]) == ("urn:wxgw:consent", "300")
    assert asked["scope"] == "openid profile"
    assert client.logs_in(sent, acr="urn:wxgw:consent").all("location") == ["/pay"]
    assert client.get("/pay").document["sub"] == "u_zhang"


def test_a_script_is_refused_with_an_address_to_open(client: Client) -> None:
    for method in ("GET", "POST"):
        told = client.send(method, "/me", SCRIPT)
        assert told.status == 401
        assert told.document["error"] == "login_required"
        assert told.all("content-type") == ["application/json"]
        assert told.all("content-length") in ([], [str(len(told.body))])
    client.logs_in(client.get(path_of(told.document["url"])))

    client.cookies.pop("__Host-wxlogin-p")
    told = client.get("/me", SCRIPT)
    assert (told.status, told.document["error"]) == (401, "reauth_required")


def test_the_gateway_can_end_the_session(client: Client) -> None:
    client.logs_in(client.get("/me"))
    body = f"logout_token={client.site.issuer.logout_token(sid='sid-of-u_zhang')}".encode()
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.ask("POST", "/wechat/backchannel-logout", form, body).status == 200
    assert client.get("/").document["sub"] is None


def test_a_page_that_is_not_there_is_still_the_frameworks(client: Client) -> None:
    assert client.get("/wechat/nothing").status == 404
    assert client.send("POST", "/wechat/logout", PAGE).status == 303


def test_fastapi_has_the_person_as_a_dependency() -> None:
    site = Site.make()
    app = FastAPI()

    @app.get("/me")
    async def me(person: Annotated[Person, Depends(required("consent"))]) -> dict[str, str]:
        return {"sub": person.sub}

    app.add_middleware(WeChatLogin, login=site.login)
    client = Client(site, lambda *asked: asyncio.run(ask_asgi(app, *asked)))
    assert client.get("/me", SCRIPT).document["error"] == "login_required"
    client.logs_in(client.get("/me"), acr="urn:wxgw:scan")
    assert client.get("/me").document == {"sub": "u_zhang"}


def test_a_websocket_knows_its_visitor_and_is_never_redirected() -> None:
    site = Site.make(need="login")
    seen: list[Visit] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["wechat"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nobody is told anything")

    scope = {"type": "websocket", "path": "/live", "query_string": b"", "headers": []}
    asyncio.run(WeChatLogin(app, login=site.login)(scope, nothing, nothing))
    assert [visit.person for visit in seen] == [None]


def test_nothing_of_the_server_is_loaded_with_the_middleware() -> None:
    program = "import sys, wxgate.sdk.login.flask; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    unwanted = {"sqlalchemy", "aiohttp", "starlette", "structlog", "django", "wxgate.server", "wxgate.store"}
    assert unwanted & set(done.stdout.split()) == set()


def test_djangos_user_follows_the_person() -> None:
    """In a process of its own: Django's models are there or not for a whole process."""
    command = [sys.executable, "-m", "tests.sdk.django_users"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["u_zhang", "u_zhang", "u_li", "AnonymousUser"]
