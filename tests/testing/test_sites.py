"""`world.site`: an application that people log in to, in WeChat and on a computer, inside one test."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wxgate import Gateway
from wxgate.errors import ConfigError
from wxgate.sdk.login.asgi import WeChatLogin
from wxgate.testing import Site, wechat


async def me(request: Request) -> Response:
    person = request.state.wechat.person
    return JSONResponse({"sub": person.sub, "name": person.name})


def make_shop(site: Site) -> WeChatLogin:
    """Make a shop whose pages need a login with nickname, and so learn the unionid."""
    return WeChatLogin(
        Starlette(routes=[Route("/me", me)]),
        issuer=site.issuer,
        client_id=site.client_id,
        client_secret=site.client_secret,
        base_url=site.url,
        secret_key="a secret of at least 32 characters",
        need="login",
        profile=True,
    )


async def test_who_logs_in_in_wechat_and_by_qr_code_is_one_person() -> None:
    async with wechat(Gateway()) as world, world.site(make_shop) as site:
        user = await world.user(nickname="小明")
        phone, computer = user.browser(), world.computer()
        on_phone = await phone.get(f"{site.url}/me")
        await computer.get(f"{site.url}/me")
        on_computer = await user.confirms(computer)

        assert on_phone.came_by("/connect/oauth2/authorize")
        assert on_phone.json["name"] == "小明"
        assert on_computer.json == on_phone.json


async def test_who_refuses_stays_outside_and_one_world_has_several_sites() -> None:
    async with (
        wechat(Gateway()) as world,
        world.site(make_shop) as first,
        world.site(make_shop) as second,
    ):
        user = await world.user()
        computer = world.computer()
        with pytest.raises(ConfigError, match="no QR code"):
            await user.confirms(computer)
        await computer.get(f"{first.url}/me")
        refused = await user.confirms(computer, accept=False)
        await computer.get(f"{second.url}/me")
        await user.confirms(computer)

        assert first.issuer == second.issuer
        assert first.client_id != second.client_id
        assert refused.status >= 400
        assert (await computer.get(f"{second.url}/me")).json["name"] == "小明"
