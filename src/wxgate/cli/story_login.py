"""The demo's story where people log in: with a browser of each kind, checked from both sides."""

import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet

from wxgate.cli.stage import Stage, expect
from wxgate.login.records import App, AppKind, Session
from wxgate.login.registration import NewApp, NewClient
from wxgate.secret import AppSecret
from wxgate.testing.browser import Browser, WeChatBrowser
from wxgate.testing.pages import Page

REALM = "main"
AUTHORIZE = "/connect/oauth2/authorize"


async def login_in_wechat(stage: Stage) -> list[str]:
    """An account with its own secret: nothing is shown, and a kill of WeChat costs one redirect."""
    tea = await _wechat_app(stage, kind="official_account", nick_name="街角茶馆")
    app = await _add_app(stage, "tea", tea, AppKind.OFFICIAL)
    xiaoming = WeChatBrowser(await _user(stage, "小明"), stage.emulator)
    page = await xiaoming.get(_start(stage, app))
    expect(_is_back(page) and page.came_by(AUTHORIZE), f"the login ends at {page.url}: {page.words[:200]}")
    session = await _only_session(stage, app)
    expect(session.openid == await _openid(stage, "小明", app), "that is not the openid of who logged in")
    spent = await _spent(stage, "/sns/oauth2/access_token")
    page = await xiaoming.get(_start(stage, app))
    expect(_is_back(page) and not page.came_by(AUTHORIZE), "a second visit asks WeChat again")
    xiaoming.kill_wechat()
    page = await xiaoming.get(_start(stage, app))
    expect(_is_back(page) and page.came_by(AUTHORIZE), "nobody looked who it is after WeChat was killed")
    again = await _only_session(stage, app)
    expect(again.sid == session.sid, "the session did not survive WeChat's end")
    return [
        f"小明 opens a link in WeChat and is {session.sub}: nothing was shown, {spent} code exchanged",
        "WeChat is killed: one redirect that nobody sees, and the same session goes on",
    ]


async def login_on_behalf(stage: Stage) -> list[str]:
    """The merchant's account, through the platform: consent, and another person on the same phone."""
    app = await _add_app(stage, "shop", {"appid": stage.account})
    expect(app.issuer == stage.platform, f"it would log in through {app.issuer}")
    await stage.control("users", id="ahua", nickname="阿花 🌸")
    phone = WeChatBrowser("ahua", stage.emulator)
    page = await phone.get(_start(stage, app, mode="consent"))
    expect(stage.account_name in page.words, f"WeChat's page does not name the account: {page.words[:200]}")
    page = await phone.press("allow")
    expect(_is_back(page), f"the login ends at {page.url}: {page.words[:200]}")
    first = await _only_session(stage, app)
    person = await stage.node.login.subjects.require(REALM, first.sub)
    expect(person.subject.profile.nickname == "阿花 🌸", "her nickname did not arrive")
    await _spent(stage, "/sns/oauth2/component/access_token")
    phone.switch_account(await _user(stage, "小红"))
    page = await phone.get(_start(stage, app))
    expect(_is_back(page), f"the login ends at {page.url}: {page.words[:200]}")
    second = await _only_session(stage, app)
    expect(second.sub != first.sub, "whoever holds the phone now is taken for who held it before")
    expect(second.openid == await _openid(stage, "小红", app), "that is not the openid of who logged in")
    return [
        f"阿花 🌸 says yes to {stage.account_name}: {first.sub}; its secret is not needed",
        f"小红 logs into WeChat on the same phone: {second.sub}, and sees nothing of 阿花's",
    ]


async def login_qr(stage: Stage) -> list[str]:
    """A website application: the code on the desktop is scanned and confirmed on a phone."""
    site = await _wechat_app(stage, kind="website", nick_name="街角面馆官网")
    app = await _add_app(stage, "site", site, AppKind.WEBSITE)
    desktop = Browser(None, stage.emulator)
    page = await desktop.get(_start(stage, app, mode="qr"))
    link = next((one for one in page.links if "/connect/qrconnect" in one), None)
    expect(link, f"there is no QR code at {page.url}: {page.words[:200]}")
    page = await desktop.click(str(link))
    state = page.query["state"]
    login = await stage.control("act/scan_login", state=state, user=await _user(stage, "Ming"))
    await stage.control("act/confirm_login", state=state, accept=True)
    # What the page's own script does: it hears that the phone said yes, and goes back with the code.
    heard = await desktop.fetch(f"/connect/l/qrconnect?uuid={login['uuid']}&last=404")
    told = re.search(r"wx_errcode=405;window\.wx_code='([^']+)'", heard.text)
    expect(told, f"WeChat's page is told {heard.text!r}")
    assert told is not None
    back = f"{page.query['redirect_uri']}?{urlencode({'code': told[1], 'state': state})}"
    page = await desktop.click(back)
    expect(_is_back(page), f"the login ends at {page.url}: {page.words[:200]}")
    session = await _only_session(stage, app)
    expect(session.openid == await _openid(stage, "Ming", app), "that is not the openid of who scanned")
    desktop.quit()
    page = await desktop.get(_start(stage, app))
    expect(_is_back(page) and not page.came_by("/connect/qrconnect"), "closing the browser logged Ming out")
    return [
        f"the desktop shows WeChat's QR code; Ming scans it and confirms on the phone: {session.sub}",
        "the browser is closed and opened again: still logged in, and WeChat is not asked",
    ]


async def login_oidc(stage: Stage) -> list[str]:
    """Any OpenID client logs people in, and does not know of WeChat."""
    async with _application() as callback:
        client, secret = await stage.node.login.configuration.add_client(
            REALM, NewClient("面馆点餐", redirect_uris=(callback,))
        )
        assert secret is not None
        provider = await stage.get(f"{stage.gateway}/oidc/{REALM}/.well-known/openid-configuration")
        verifier, nonce, state = (token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": client.id, "redirect_uri": callback, "response_type": "code", "state": state,
            "scope": "openid", "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
            "login_hint": "app:shop",
        }  # fmt: skip
        xiaoming = WeChatBrowser(await _user(stage, "小明"), stage.emulator)
        page = await xiaoming.get(f"{provider['authorization_endpoint']}?{urlencode(asked)}")
        expect(page.url.startswith(callback), f"the login ends at {page.url}: {page.words[:200]}")
        expect(page.query["state"] == state, "the state did not come back")
        expect(page.query["iss"] == provider["issuer"], "the answer does not say whose it is")
        redeemed = {
            "grant_type": "authorization_code", "code": page.query["code"], "redirect_uri": callback,
            "code_verifier": verifier,
        }  # fmt: skip
        basic = aiohttp.BasicAuth(client.id, secret.reveal())
        async with stage.session.post(provider["token_endpoint"], data=redeemed, auth=basic) as answer:
            tokens = await answer.json()
        expect("id_token" in tokens, f"the token endpoint answers {tokens}")
        keys = KeySet.import_key_set(await stage.get(provider["jwks_uri"]))
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
        expect(claims["nonce"] == nonce and claims["aud"] == client.id, f"the ID token says {claims}")
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        async with stage.session.get(provider["userinfo_endpoint"], headers=bearer) as answer:
            told = await answer.json()
        expect(told["sub"] == claims["sub"], f"userinfo tells of {told}")
        found = await stage.node.login.subjects.find(REALM, search=str(claims["sub"]))
        expect(found, "nobody of that sub is in the database")
    return [
        f"{stage.gateway}/oidc/{REALM}: code and PKCE, an ID token signed with {client.algorithm}",
        f"小明 is {claims['sub']} for the application, by {', '.join(claims['amr'])}; it saw no openid",
    ]


@asynccontextmanager
async def _application() -> AsyncIterator[str]:
    """Serve the page of an application that people come back to; yield its address."""

    async def welcome(_: web.Request) -> web.Response:
        return web.Response(text="welcome")

    application = web.Application()
    application.router.add_get("/callback", welcome)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    finally:
        await runner.cleanup()


async def _wechat_app(stage: Stage, **given: object) -> dict[str, Any]:
    """Register an app with WeChat that sends people back to this gateway and nowhere else."""
    made = await stage.control("accounts", oauth_domains=[urlsplit(stage.gateway).netloc], **given)
    return dict(made)


async def _add_app(stage: Stage, name: str, theirs: dict[str, Any], kind: AppKind | None = None) -> App:
    """Let people log in with it, as `wxgate login app add` does."""
    secret = theirs.get("secret")
    return await stage.node.login.configuration.add_app(
        NewApp(name, theirs["appid"], kind=kind, secret=AppSecret(secret) if secret else None)
    )


def _start(stage: Stage, app: App, **query: str) -> str:
    """Make the address at which people log in."""
    return f"{stage.gateway}/login/wechat/{app.name}?{urlencode({'return_to': '/healthz', **query})}"


def _is_back(page: Page) -> bool:
    """Tell whether the browser came back to the page that asked for the login."""
    return page.status == 200 and urlsplit(page.url).path == "/healthz"


async def _only_session(stage: Stage, app: App) -> Session:
    found = [one for one in await _sessions(stage) if one.app == app.name]
    expect(len(found) == 1, f"{len(found)} sessions by {app.name} are in the database")
    return found[0]


async def _sessions(stage: Stage) -> Sequence[Session]:
    return await stage.node.login.subjects.live(REALM)


async def _user(stage: Stage, nickname: str) -> str:
    state = await stage.get(f"{stage.emulator}/_emulator/state")
    return next(str(user["id"]) for user in state["users"] if user["nickname"] == nickname)


async def _openid(stage: Stage, nickname: str, app: App) -> str:
    """Tell by what openid WeChat names somebody to an app."""
    state = await stage.get(f"{stage.emulator}/_emulator/state")
    user = next(user for user in state["users"] if user["nickname"] == nickname)
    return str(user["openids"][app.appid])


async def _spent(stage: Stage, path: str) -> int:
    """Count the codes that were exchanged; none may have been spent in vain."""
    calls = await stage.calls(path)
    refused = [call["answer"] for call in calls if call["errcode"]]
    expect(calls and not refused, f"codes were refused: {refused}")
    return len(calls)
