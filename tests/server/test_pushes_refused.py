"""Bad pushes, each over HTTP: refused in one plain word, explained in the log, and nothing comes of them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.cast import authorized_account
from tests.harness import Harness, World
from tests.pushing import Sealer, component_event, is_plain, metric, post, recorded, refusal, text_message
from tests.server.spoiling import TABLE, Bad

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Stage:
    """A world with one authorised account, and the two addresses that WeChat pushes to."""

    world: World
    account: dict[str, Any]

    def path(self, where: str) -> str:
        """Return the address of the platform's events, or of the account's messages."""
        platform = f"/wechat/{self.world.platform.appid}"
        return f"{platform}/events" if where == "events" else f"{platform}/messages/{self.account['appid']}"

    def plain(self, where: str) -> str:
        """Write a plaintext that fits the address."""
        at = int(self.world.clock.now().timestamp())
        if where == "messages":
            return text_message(self.account["user_name"], at=at)
        appid = self.world.platform.appid
        ticket = "ticket@@@never-to-be-kept"
        return component_event(appid, "component_verify_ticket", at=at, ComponentVerifyTicket=ticket)

    def sealer(self, where: str) -> Sealer:
        """Seal as WeChat does for the address."""
        account = self.account["user_name"] if where == "messages" else ""
        return Sealer.of_platform(self.world, account=account)

    async def seen(self) -> tuple[int, list[str]]:
        """Tell what the gateway holds: how many events, and which tickets."""
        kept = await self.world.node.store.tickets.newest(self.world.platform.appid, 10)
        return len(await recorded(self.world)), [each.ticket.reveal() for each in kept]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One world for the whole table: nothing in it leaves a trace."""
    async with Harness(tmp_path_factory.mktemp("refused")) as world:
        yield Stage(world, await authorized_account(world))


@pytest.mark.parametrize("where", ["events", "messages"])
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
async def test_a_bad_push_is_refused_in_a_word_and_explained_in_the_log(
    stage: Stage, bad: Bad, where: str
) -> None:
    world, path = stage.world, stage.path(where)
    letter = bad.spoil(stage.sealer(where), stage.plain(where))
    before = await stage.seen()
    counted = await metric(world, "wxgate_pushes_total", receiver="platform", result=bad.reason)
    with capture_logs() as logs:
        answer = await post(world, path, letter)
    assert (answer.status, answer.text) == (bad.status, bad.reason)
    assert is_plain(answer)
    assert await metric(world, "wxgate_pushes_total", receiver="platform", result=bad.reason) == counted + 1
    assert await stage.seen() == before
    [line] = [each for each in logs if each["event"] == "push.refused"]
    assert (line["log_level"], line["reason"], line["path"]) == ("warning", bad.reason, path)
    assert line["source_ip"] == "127.0.0.1"
    assert -40011 <= line["wechat_code"] <= -40001

    assert re.search(bad.explained, line["explanation"]), line["explanation"]


@pytest.mark.parametrize(
    ("plain", "explained"),
    [
        ("<xml><FromUserName>o1</FromUserName></xml>", "no MsgType"),
        ("<xml><MsgType>event</MsgType></xml>", "no Event"),
        ("<xml/>", "no MsgType"),
    ],
)
async def test_a_well_sealed_message_that_is_none_is_refused(
    stage: Stage, plain: str, explained: str
) -> None:
    before = await stage.seen()
    with capture_logs() as logs:
        answer = await post(stage.world, stage.path("messages"), stage.sealer("messages").seal(plain))
    assert (answer.status, answer.text) == (400, "malformed")
    assert explained in refusal(logs)
    assert await stage.seen() == before


@pytest.mark.parametrize(
    ("fields", "explained"),
    [
        ("", "no InfoType"),
        ("<InfoType>authorized</InfoType>", "no CreateTime"),
        ("<InfoType>authorized</InfoType><CreateTime>x</CreateTime>", "no CreateTime"),
        (
            "<InfoType>component_verify_ticket</InfoType><CreateTime>1</CreateTime>",
            "no ComponentVerifyTicket",
        ),
        ("<InfoType>unauthorized</InfoType><CreateTime>1</CreateTime>", "no AuthorizerAppid"),
    ],
)
async def test_a_well_sealed_event_that_lacks_its_essentials_is_refused(
    stage: Stage, fields: str, explained: str
) -> None:
    plain = f"<xml><AppId>{stage.world.platform.appid}</AppId>{fields}</xml>"
    before = await stage.seen()
    with capture_logs() as logs:
        answer = await post(stage.world, stage.path("events"), stage.sealer("events").seal(plain))
    assert (answer.status, answer.text) == (400, "malformed")
    assert explained in refusal(logs)
    assert await stage.seen() == before


@pytest.mark.parametrize(
    ("envelope", "status", "reason"),
    [("wx0000000000000000", 403, "wrong_appid"), ("", 400, "malformed")],
    ids=["the envelope agrees", "the envelope does not"],
)
async def test_an_event_that_names_another_platform_inside_is_refused(
    stage: Stage, envelope: str, status: int, reason: str
) -> None:
    world, before = stage.world, await stage.seen()
    at = int(world.clock.now().timestamp())
    plain = component_event(
        "wx0000000000000000", "unauthorized", at=at, AuthorizerAppid=stage.account["appid"]
    )
    sealer = stage.sealer("events")
    sealer = replace(sealer, element=("AppId", envelope or world.platform.appid))
    answer = await post(world, stage.path("events"), sealer.seal(plain))
    assert (answer.status, answer.text) == (status, reason)
    assert is_plain(answer)
    assert await stage.seen() == before
    live = await world.node.authorizations.load(world.platform.appid, stage.account["appid"])
    assert live is not None
    assert live.state == "active"


async def test_a_message_still_arrives_after_all_that(stage: Stage) -> None:
    letter = stage.sealer("messages").seal(stage.plain("messages"))
    answer = await post(stage.world, stage.path("messages"), letter)
    assert (answer.status, answer.text) == (200, "success")
