"""A merchant confirms on WeChat's page, and the test says which way the code comes to us, and when."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.cast import click, settle
from tests.harness import World
from wxgate.custody.records import Authorization, Exchange, ExchangeSource, ExchangeState, NewExchange
from wxgate.secret import AuthorizationCode

QUERY_AUTH = "/cgi-bin/component/api_query_auth"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A confirmation of which we have not heard yet."""

    world: World
    appid: str
    code: str
    push: str
    flow: str

    async def by_push(self) -> None:
        """Let the push arrive; it must be acknowledged."""
        told = await self.world.act("push", platform=self.world.platform.appid, xml=self.push)
        assert told["outcome"] == "success", told

    async def by_redirect(self, base: str = "") -> None:
        """Let the browser come back; it is sent on to the result."""
        query = urlencode({"flow": self.flow, "auth_code": self.code, "expires_in": "3600"})
        path = f"/authorize/{self.world.platform.appid}/return?{query}"
        answer = await self.world.fetch((base or self.world.gateway_url) + path)
        assert answer.status == 303, answer.text

    async def is_done(self) -> bool:
        """Tell whether the code has been exchanged, on whichever node."""
        return (await self.job()).state is ExchangeState.DONE

    async def job(self) -> Exchange:
        """Load the job of the redirect's code, when everything under way has come to rest."""
        await settle(self.world)
        now = self.world.clock.now()
        again = NewExchange(
            self.world.platform.appid, AuthorizationCode(self.code), ExchangeSource.REDIRECT, now
        )
        return await self.world.node.store.exchanges.open(again, now=now)


async def confirm(world: World, account: dict[str, Any] | None = None, **choices: Any) -> Confirmed:
    """Let a merchant confirm, and keep the push back."""
    told_of = account or await world.add_account()
    await world.control("POST", "faults", {"push": "*", "action": "lose"})
    told = await world.authorize(told_of["appid"], **choices)
    flow = await click(world, told["pre_auth_code"])
    return Confirmed(world, told_of["appid"], told["authorization_code"], told["push"]["plain"], flow)


async def authorization(world: World, appid: str) -> Authorization:
    """Load what we hold of an account, when everything under way has come to rest."""
    await settle(world)
    found = await world.node.authorizations.load(world.platform.appid, appid)
    assert found is not None
    return found


def their_refresh_token(world: World, appid: str) -> str:
    """Look up the refresh token WeChat holds for an account."""
    return world.emulator.world.authorizations.require(world.platform.appid, appid).refresh_token


async def same_tokens(world: World, appid: str) -> bool:
    """Tell whether what we hold of an account is what WeChat holds, and its token works."""
    await world.node.calls.account(appid, issuer=world.platform.appid).get("cgi-bin/user/get")
    held = await authorization(world, appid)
    assert held.refresh_token is not None
    return held.refresh_token.reveal() == their_refresh_token(world, appid)
