"""The process is killed at each durable step, started again, and nothing acknowledged is lost."""

import asyncio
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.crash.scene import Scene, until
from wxgate.custody.records import AuthorizationState, ExchangeState
from wxgate.custody.sources import authorizer_key
from wxgate.events.reception import LEASE
from wxgate.events.records import EventState

QUERY_AUTH = "/cgi-bin/component/api_query_auth"
RENEW = "/cgi-bin/component/api_authorizer_token"
MOMENTS_MS = [0, 3, 7, 15]
"""Spread over the few milliseconds a push takes, so that the kill falls before, into and after its commit."""

PERSISTENT = {"push_timeout": 30.0, "message_attempts": 100, "retry_pause": 0.3}
"""A WeChat that does not give up before a busy machine has started the process again."""


async def _authorize(scene: Scene) -> None:
    await scene.act("authorize", platform=scene.platform, appid=scene.appid)
    await until(lambda: _is(scene, AuthorizationState.ACTIVE))


async def _is(scene: Scene, state: AuthorizationState) -> bool:
    async with scene.store() as store:
        authorization = await store.authorizations.load(scene.platform, scene.appid)
    return authorization is not None and authorization.state is state


async def _push_outcome(scene: Scene, push_id: str) -> str | None:
    pushes: list[dict[str, Any]] = await scene.emulator.control("GET", "pushes")
    outcome: str | None = next(push["outcome"] for push in pushes if push["id"] == push_id)
    return outcome


async def test_an_acknowledged_ticket_survives_a_kill_at_any_moment(scene: Scene) -> None:
    acknowledged = 0
    for moment in MOMENTS_MS:
        push = await scene.act("ticket", platform=scene.platform, wait=False)
        await asyncio.sleep(moment / 1000)
        scene.process.kill()

        async def over(push_id: str = push["id"]) -> bool:
            return await _push_outcome(scene, push_id) is not None

        await until(over)
        if await _push_outcome(scene, push["id"]) == "success":
            acknowledged += 1
            async with scene.store() as store:
                newest = await store.tickets.newest(scene.platform)
            assert any(ticket.ticket.reveal() in push["plain"] for ticket in newest), f"lost at {moment} ms"
        await scene.process.start()

    push = await scene.act("ticket", platform=scene.platform)
    assert push["outcome"] == "success", "the last life takes tickets as the first did"


@pytest.mark.parametrize("stage", ["before", "after", "middle"])
async def test_a_code_is_not_spent_in_vain(scene: Scene, stage: str) -> None:
    await scene.fault(QUERY_AUTH, stage)
    push = (await scene.act("authorize", platform=scene.platform, appid=scene.appid))["push"]
    assert push["outcome"] == "success", "acknowledged before it is exchanged"
    await scene.until_fault_hit()

    await scene.crash()
    await scene.advance(20)  # the dead worker's lease ends

    await until(lambda: _is(scene, AuthorizationState.ACTIVE))
    async with scene.store() as store:
        authorization = await store.authorizations.load(scene.platform, scene.appid)
        unfinished = await store.exchanges.unfinished(now=scene.now())
    assert authorization is not None
    assert authorization.refresh_token is not None
    assert unfinished == []
    granted = [
        call for call in await scene.calls(QUERY_AUTH) if "authorization_info" in (call["answer"] or {})
    ]
    assert len(granted) == 1, "WeChat took the code exactly once"


async def test_a_code_that_only_the_redirect_brought_is_read_back(scene: Scene) -> None:
    await scene.emulator.control("POST", "faults", {"push": "authorized", "action": "lose", "times": 1})
    await scene.fault(QUERY_AUTH, "after")
    flow = await scene.click()
    code = (await scene.act("authorize", platform=scene.platform, appid=scene.appid))["authorization_code"]
    status = await _get(scene, f"/authorize/{scene.platform}/return?flow={flow}&auth_code={quote(code)}")
    assert status in (302, 303)
    await scene.until_fault_hit()

    await scene.crash()
    await scene.advance(20)

    await until(lambda: _is(scene, AuthorizationState.ACTIVE))


@pytest.mark.parametrize("rotates", [False, True])
@pytest.mark.parametrize("stage", ["before", "after", "middle"])
async def test_a_renewal_cut_short_leaves_a_token_that_works(scene: Scene, stage: str, rotates: bool) -> None:
    await scene.switch(renewal_rotates_refresh_token=rotates)
    await _authorize(scene)
    await scene.advance(7300)
    await scene.act("ticket", platform=scene.platform)
    await scene.fault(RENEW, stage)
    await scene.switch(push_timeout=8.0, message_attempts=1)
    calling = asyncio.create_task(scene.say("call"))
    await scene.until_fault_hit()

    await scene.crash()
    await calling
    await scene.advance(20)

    assert (await scene.say("call"))["outcome"] == "reply", "the handler's call went through"
    async with scene.store() as store:
        authorization = await store.authorizations.load(scene.platform, scene.appid)
        token = await store.tokens.load(authorizer_key(scene.platform, scene.appid))
    assert authorization is not None
    assert authorization.refresh_token is not None
    assert token is not None


async def test_a_message_whose_handler_was_killed_is_handled_and_answered_once(scene: Scene) -> None:
    await _authorize(scene)
    await scene.switch(**PERSISTENT)
    sending = asyncio.create_task(scene.say("slowly"))

    async def began() -> bool:
        return bool(scene.handled("began"))

    await until(began)
    await scene.crash()
    await scene.advance(LEASE.total_seconds() + 1)
    push = await sending

    assert push["outcome"] == "reply"
    assert [seen["content"] for seen in await scene.inbox()] == ["reply to slowly"]
    assert len(scene.handled("ended")) == 1
    assert set(scene.handled("began")) == set(scene.handled("ended"))


async def test_a_message_is_answered_at_most_once_whenever_the_kill_falls(scene: Scene) -> None:
    await _authorize(scene)
    await scene.switch(**PERSISTENT)
    for moment in MOMENTS_MS[::2]:
        content = f"at {moment}"
        sending = asyncio.create_task(scene.say(content))
        await asyncio.sleep(moment / 1000)
        await scene.crash()
        await scene.advance(LEASE.total_seconds() + 1)
        push = await sending

        assert push["outcome"] == "reply", f"killed after {moment} ms"
        replies = [seen for seen in await scene.inbox() if seen["content"] == f"reply to {content}"]
        assert len(replies) == 1, f"killed after {moment} ms"


async def test_a_message_wechat_no_longer_brings_is_still_handled(scene: Scene) -> None:
    await _authorize(scene)
    await scene.switch(push_timeout=1.0, message_attempts=1)
    sending = asyncio.create_task(scene.say("slowly"))

    async def began() -> bool:
        return bool(scene.handled("began"))

    await until(began)
    scene.process.kill()
    assert (await sending)["outcome"] != "reply"
    await scene.process.start()
    await scene.advance(30)  # past everything WeChat would still try

    async def done() -> bool:
        async with scene.store() as store:
            events = await store.inbox.find(appid=scene.appid)
        return any(event.name == "text" and event.state is EventState.DONE for event in events)

    await until(done)
    assert len(scene.handled("ended")) == 1


async def test_every_job_left_behind_is_finished_after_the_start(scene: Scene) -> None:
    """Nothing was exchanged before the kill: the code had only just been acknowledged."""
    await scene.fault("/cgi-bin/component/api_component_token", "before")
    push = (await scene.act("authorize", platform=scene.platform, appid=scene.appid))["push"]
    assert push["outcome"] == "success"
    scene.process.kill()
    async with scene.store() as store:
        jobs = await store.exchanges.unfinished(now=scene.now())
        states = {job.state for job in jobs}
    assert states <= {ExchangeState.PENDING, ExchangeState.EXCHANGING}

    await scene.crash()
    await scene.advance(20)

    await until(lambda: _is(scene, AuthorizationState.ACTIVE))


async def _get(scene: Scene, path: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(scene.process.url + path, allow_redirects=False) as response,
    ):
        return response.status
