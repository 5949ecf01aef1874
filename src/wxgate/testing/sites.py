"""Sites that people log in to: an application of yours beside the gateway, and its client there."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wxgate.emulator.serving import listen, serving, url_of
from wxgate.login.records import AppKind
from wxgate.login.registration import NewApp, NewClient
from wxgate.secret import AppSecret
from wxgate.testing.calling import ASGIApp

if TYPE_CHECKING:
    from wxgate.testing.world import World

REALM = "test"
SCOPES = frozenset({"openid", "profile", "wechat", "offline_access"})
GRANTS = frozenset({"authorization_code", "refresh_token"})


@dataclass(frozen=True, slots=True)
class Site:
    """Where a site is and what it knows of the gateway: what any OpenID Connect client asks for."""

    url: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@asynccontextmanager
async def open_site(world: "World", make: Callable[[Site], ASGIApp], callback: str) -> AsyncIterator[Site]:
    """Serve an application that is made once its address and its client are known."""
    configuration = world.gateway.node.login.configuration
    if REALM not in {realm.name for realm in await configuration.realms()}:
        await _add_realm(world)
    with ExitStack() as stack:
        listener = stack.enter_context(listen())
        url = url_of(listener)
        new = NewClient(
            name=url,
            redirect_uris=(url + callback,),
            post_logout_redirect_uris=(f"{url}/",),
            scopes=SCOPES,
            grants=GRANTS,
        )
        client, secret = await configuration.add_client(REALM, new)
        site = Site(url, f"{world.url}/oidc/{REALM}", client.id, secret.reveal() if secret else "")
        async with serving(make(site), listener):
            yield site


async def _add_realm(world: "World") -> None:
    """Make a realm whose apps are the world's account, for WeChat, and a website, for computers."""
    configuration = world.gateway.node.login.configuration
    await configuration.add_realm(REALM)
    await configuration.add_app(NewApp("account", world.account.appid, REALM))
    made = await world.control("POST", "accounts", nick_name="测试网站", kind="website")
    website = NewApp("website", made["appid"], REALM, kind=AppKind.WEBSITE, secret=AppSecret(made["secret"]))
    await configuration.add_app(website)
