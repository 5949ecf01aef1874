"""The emulator, furnished: a platform, an official account, a mini program and a user."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.emulator.receiver import Receiver
from wxgate.emulator.running import RunningEmulator
from wxgate.emulator.world import Account, Platform
from wxgate.protocol.envelope import PushKeys

START = 1_780_000_000.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The emulator, a receiver, and who plays."""

    emulator: RunningEmulator
    receiver: Receiver
    platform: Platform
    shop: Account
    mini: Account
    openid: str

    @property
    def keys(self) -> PushKeys:
        """Return what opens the platform's pushes."""
        return PushKeys.make(self.platform.appid, [self.platform.token], [self.platform.aes_key])

    def now(self) -> int:
        """Return the emulator's time."""
        return self.emulator.clock.seconds()

    async def post(self, path: str, data: Any = None, **query: str) -> Any:
        """Call an emulated API by POST."""
        return await self.emulator.call("POST", path, data, **query)

    async def get(self, path: str, **query: str) -> Any:
        """Call an emulated API by GET."""
        return await self.emulator.call("GET", path, **query)

    async def act(self, what: str, **given: Any) -> Any:
        """Act through the control plane."""
        return await self.emulator.control("POST", f"act/{what}", given)

    async def switch(self, **given: Any) -> None:
        """Turn switches."""
        await self.emulator.control("POST", "switches", given)

    async def component(self, name: str, token: str, **data: Any) -> Any:
        """Call a component API with the platform's appid in the body."""
        body = {"component_appid": self.platform.appid, **data}
        return await self.post(f"/cgi-bin/component/{name}", body, component_access_token=token)

    async def component_token(self) -> str:
        """Fetch a component token with the ticket of a fresh push."""
        await self.act("ticket", platform=self.platform.appid)
        answer = await self.post("/cgi-bin/component/api_component_token", self.credentials())
        return str(answer["component_access_token"])

    def credentials(self) -> dict[str, str]:
        """Return the body that gets a component token, with the latest ticket."""
        tickets = self.emulator.world.tickets.all(self.platform.appid)
        return {
            "component_appid": self.platform.appid,
            "component_appsecret": self.platform.secret,
            "component_verify_ticket": tickets[-1].value if tickets else "",
        }

    async def authorized(self, **more: Any) -> tuple[str, dict[str, Any]]:
        """Authorise the shop and exchange the code: the component token and the authorization_info."""
        token = await self.component_token()
        code = (await self.act("authorize", platform=self.platform.appid, appid=self.shop.appid, **more))[
            "authorization_code"
        ]
        info = await self.component("api_query_auth", token, authorization_code=code)
        return token, info["authorization_info"]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens beside us."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the condition may be anything
            await asyncio.sleep(0.005)
