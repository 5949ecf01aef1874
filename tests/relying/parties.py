"""Sites that log people in by OpenID Connect and were written by others, each as its manual shows.

Every site has two pages: `login` begins, and the page where it ends shows what the site has learned, as JSON:
{"claims": {...}, "userinfo": {...}}.
"""

import contextlib
import os
import re
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth as FlaskOAuth
from authlib.integrations.starlette_client import OAuth as StarletteOAuth
from flask import Flask, jsonify
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from werkzeug.serving import make_server

from tests.harness import listen, serving
from tests.login.scene import CLIENT_SECRET, REALM, Scene
from tests.servers.processes import ServerProcess, free_port
from wxgate.login.records import Client
from wxgate.secret import fingerprint
from wxgate.testing.browser import Browser
from wxgate.testing.pages import Page

SCOPE = "openid profile"
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Party:
    """A site and what it was told of the gateway."""

    url: str
    client_id: str
    login: str = "/login"

    @property
    def begins(self) -> str:
        """The address at which a login begins."""
        return f"{self.url}{self.login}"


def issuer(scene: Scene) -> str:
    """Name the realm's issuer."""
    return scene.world.url(f"/oidc/{REALM}")


async def register(scene: Scene, *redirect_uris: str, name: str = "party", **fields: Any) -> str:
    """Make a client of the realm; its secret is CLIENT_SECRET."""
    client = Client(
        id=f"wxcl_{name:0<16.16}",
        realm=REALM,
        name=name,
        created_at=scene.realm.created_at,
        secret_hash=fingerprint(CLIENT_SECRET),
        redirect_uris=redirect_uris,
        **fields,
    )
    await scene.world.node.store.login.realms.put_client(client)
    return client.id


async def confirm_on_phone(scene: Scene, browser: Browser, *, accept: bool = True) -> Page:
    """Scan WeChat's QR code that a computer shows, and confirm on the phone; the computer moves on."""
    shown = re.search(r"/connect/qrcode/(\w+)", browser.page.text if browser.page else "")
    assert shown, browser.page
    told = await scene.world.act("confirm_login", uuid=shown[1], user=browser.user, accept=accept)
    return await browser.click(told["leads_to"])


@contextlib.asynccontextmanager
async def authlib_starlette(scene: Scene, folder: Path) -> AsyncIterator[Party]:
    """Authlib in Starlette, which fetches in the event loop."""
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    party = Party(url, await register(scene, f"{url}/callback"))
    wxgate = StarletteOAuth().register("wxgate", **_authlib(scene, party))

    async def login(request: Request) -> Response:
        answer: Response = await wxgate.authorize_redirect(request, f"{url}/callback")
        return answer

    async def callback(request: Request) -> Response:
        try:
            token = await wxgate.authorize_access_token(request)
        except OAuthError as error:
            return JSONResponse({"error": error.error}, 400)
        userinfo = await wxgate.userinfo(token=token)
        return JSONResponse({"claims": token["userinfo"], "userinfo": userinfo})

    app = Starlette(
        routes=[Route("/login", login), Route("/callback", callback)],
        middleware=[Middleware(SessionMiddleware, secret_key="s" * 32)],
    )
    async with serving(app, listener):
        yield party


@contextlib.asynccontextmanager
async def authlib_flask(scene: Scene, folder: Path) -> AsyncIterator[Party]:
    """Authlib in Flask, which fetches in a thread."""
    url = f"http://127.0.0.1:{free_port()}"
    party = Party(url, await register(scene, f"{url}/callback"))
    app = Flask(__name__)
    app.secret_key = "s" * 32
    wxgate = FlaskOAuth(app).register("wxgate", **_authlib(scene, party))

    @app.get("/login")
    def login() -> Any:
        return wxgate.authorize_redirect(f"{url}/callback")

    @app.get("/callback")
    def callback() -> Any:
        try:
            token = wxgate.authorize_access_token()
        except OAuthError as error:
            return jsonify(error=error.error), 400
        return jsonify(claims=token["userinfo"], userinfo=wxgate.userinfo(token=token))

    with serving_wsgi(app, url):
        yield party


@contextlib.asynccontextmanager
async def allauth(scene: Scene, folder: Path) -> AsyncIterator[Party]:
    """django-allauth with its provider `openid_connect`."""
    port = free_port()
    url, login = f"http://127.0.0.1:{port}", "/accounts/oidc/wxgate/login/"
    party = Party(url, await register(scene, f"{url}{login}callback/"), login)
    command = [sys.executable, "-m", "tests.relying.allauth_site", str(port), str(folder / "allauth.db")]
    async with _process(scene, party, folder, command, port):
        yield party


@contextlib.asynccontextmanager
async def openid_client(scene: Scene, folder: Path) -> AsyncIterator[Party]:
    """openid-client in Node.js."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if node is None or not (HERE / "node" / "node_modules" / "openid-client").exists():
        _missing("Node.js with openid-client")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    party = Party(url, await register(scene, f"{url}/callback"))
    async with _process(scene, party, folder, [node, str(HERE / "node" / "app.mjs")], port):
        yield party


PARTIES: list[Callable[[Scene, Path], contextlib.AbstractAsyncContextManager[Party]]]
PARTIES = [authlib_starlette, authlib_flask, allauth, openid_client]


@contextlib.contextmanager
def serving_wsgi(app: Any, url: str) -> Any:
    """Serve a WSGI application in threads."""
    server = make_server("127.0.0.1", int(url.rpartition(":")[2]), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.asynccontextmanager
async def _process(
    scene: Scene, party: Party, folder: Path, command: list[str], port: int
) -> AsyncIterator[None]:
    log = folder / "party.log"
    told = {
        "PORT": str(port),
        "ISSUER": issuer(scene),
        "CLIENT_ID": party.client_id,
        "CLIENT_SECRET": CLIENT_SECRET.reveal(),
        "SCOPE": SCOPE,
    }
    process = ServerProcess(command, log_file=log, env=told, cwd=HERE.parents[1], port=port)
    try:
        await process.start()
        yield
    finally:
        process.kill()
        print(process.output())


def _authlib(scene: Scene, party: Party) -> dict[str, Any]:
    return {
        "client_id": party.client_id,
        "client_secret": CLIENT_SECRET.reveal(),
        "server_metadata_url": f"{issuer(scene)}/.well-known/openid-configuration",
        "client_kwargs": {"scope": SCOPE, "code_challenge_method": "S256"},
    }


def _missing(name: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed: CI must test with it, `make test` installs it")
    pytest.skip(f"{name.upper()} IS NOT INSTALLED, so this is not tested; `make test` installs it")
