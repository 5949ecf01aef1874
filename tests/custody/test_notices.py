"""What the gateway finds out itself reaches handlers, once, and survives the node that found it."""

import asyncio
from pathlib import Path

from tests.cast import authorized_account, until
from tests.harness import Harness
from wxgate.custody.records import Evidence
from wxgate.custody.states import Trigger
from wxgate.events.handlers import Handlers
from wxgate.events.notices import Notice


async def test_a_change_by_evidence_reaches_a_handler_by_name_once(tmp_path: Path) -> None:
    handlers, heard = Handlers(), list[Notice]()

    async def listen(message: Notice) -> None:
        heard.append(message)

    handlers.add(("wxgate.needs_reauthorization",), listen)
    async with Harness(tmp_path, handlers=handlers) as world:
        appid = (await authorized_account(world))["appid"]
        held = await world.node.authorizations.load(world.platform.appid, appid)
        assert held is not None
        refused = Evidence(
            held.platform, appid, held.event_at, held.refresh_token, "61023", link="https://link/"
        )
        for _ in range(2):
            await world.node.authorizations.observe(refused, Trigger.REFUSED)
        await asyncio.gather(*(world.node.runner.tick() for _ in range(3)))
        await until(lambda: _has(heard))
        await world.node.runner.tick()
        await world.node.reception.close()
        [notice] = heard
        assert (notice.platform, notice.appid, notice.state) == (
            world.platform.appid,
            appid,
            "needs_reauthorization",
        )
        assert (notice.before, notice.reason, notice.link) == ("active", "61023", "https://link/")


async def _has(heard: list[Notice]) -> bool:
    return bool(heard)
