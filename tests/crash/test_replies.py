"""The process is killed at each step from a push to its reply: at most one reply, and nothing is lost."""

import asyncio
from typing import Any

import pytest

from tests.crash.scene import Scene, until
from wxgate.custody.records import AuthorizationState
from wxgate.events.policies import DEFAULT, ReplyPolicy
from wxgate.events.records import Event, ReplyState

CUSTOM_SEND = "/cgi-bin/message/custom/send"

HASTY = [{"WXGATE_REPLY_DEADLINE": "0.3"}]
"""A deadline that a slow handler misses at once."""

SETTLED = 25.0
"""Seconds after which WeChat brings no message again, and a dead node's lease has ended."""

ENDED = {ReplyState.SENT, ReplyState.FAILED}


async def authorize(scene: Scene) -> None:
    """Let the account authorise the platform."""
    await scene.act("authorize", platform=scene.platform, appid=scene.appid)

    async def active() -> bool:
        async with scene.store() as store:
            found = await store.authorizations.load(scene.platform, scene.appid)
        return found is not None and found.state is AuthorizationState.ACTIVE

    await until(active)


async def hold_no_retries(scene: Scene) -> None:
    """Let the first deadline be the last; the process believes its own policy for two seconds."""
    async with scene.store() as store:
        await store.policies.put_policy(
            ReplyPolicy(appid=DEFAULT, hold_retries=False, updated_at=scene.now())
        )
    await scene.advance(3)


async def event_of(scene: Scene) -> Event:
    """Return the record of the one text."""
    async with scene.store() as store:
        [event] = [each for each in await store.inbox.find(appid=scene.appid) if each.name == "text"]
    return event


async def died(scene: Scene) -> None:
    """Wait until the process has killed itself."""

    async def dead() -> bool:
        return not scene.process.running

    await until(dead)


async def becomes(scene: Scene, *states: ReplyState) -> Event:
    """Wait until the reply is in one of these states."""

    async def so() -> bool:
        return (await event_of(scene)).reply_state in states

    await until(so)
    return await event_of(scene)


async def replies(scene: Scene) -> list[tuple[str, Any]]:
    """List the replies the user saw, leaving out WeChat's own apology."""
    return [(each["from"], each["content"]) for each in await scene.inbox() if each["from"] != "fault_notice"]


@pytest.mark.parametrize("moment", [0, 4])
async def test_a_kill_between_the_handlers_end_and_the_answer_leaves_one_reply(
    scene: Scene, moment: int
) -> None:
    """It falls before the reply is committed, between that and the answer, or after both."""
    await authorize(scene)
    await scene.switch(message_attempts=40, retry_pause=0.5)
    sending = asyncio.create_task(scene.say(f"die {moment}"))
    await died(scene)
    await scene.process.start()
    await scene.advance(7)  # the dead process's lease has ended

    assert (await sending)["outcome"] == "reply"
    assert await replies(scene) == [("passive", f"reply to die {moment}")]
    event = await event_of(scene)
    assert event.reply_state is ReplyState.CARRIED
    assert set(scene.handled("ended")) == {event.msg_id}, "the handler has come to its end at least once"


@pytest.mark.parametrize("more_env", HASTY, indirect=True)
@pytest.mark.parametrize("stage", ["before", "after"])
async def test_a_kill_while_the_message_is_sent_does_not_send_it_again(scene: Scene, stage: str) -> None:
    await authorize(scene)
    await hold_no_retries(scene)
    await scene.fault(CUSTOM_SEND, stage)
    assert (await scene.say("slowly"))["outcome"] == "success"
    await scene.until_fault_hit()
    assert (await event_of(scene)).reply_state is ReplyState.SENDING

    await scene.crash()
    await scene.advance(70)  # whoever was sending counts as dead

    event = await becomes(scene, ReplyState.FAILED)
    assert "not known" in event.error
    assert len(await scene.calls(CUSTOM_SEND)) == 1
    assert len(await replies(scene)) == (stage == "after")


@pytest.mark.parametrize("more_env", HASTY, indirect=True)
@pytest.mark.parametrize("moment", [0, 4])
async def test_a_kill_about_a_late_reply_sends_it_once_at_most(scene: Scene, moment: int) -> None:
    await authorize(scene)
    await hold_no_retries(scene)
    assert (await scene.say(f"late die {moment}"))["outcome"] == "success"
    await died(scene)
    await scene.process.start()
    await scene.advance(SETTLED)
    await scene.advance(70)

    event = await becomes(scene, *ENDED)
    assert scene.handled("ended")
    seen = await replies(scene)
    assert len(seen) <= 1
    assert event.reply_state is ReplyState.FAILED or seen == [("custom", f"reply to late die {moment}")]


@pytest.mark.parametrize("more_env", HASTY, indirect=True)
async def test_a_reply_that_waits_for_an_attempt_outlives_its_node(scene: Scene) -> None:
    await authorize(scene)
    await scene.switch(push_timeout=0.5, message_attempts=1)
    assert (await scene.say("slowly"))["outcome"] == "timeout"
    await becomes(scene, ReplyState.READY)

    await scene.crash()
    await scene.advance(SETTLED)

    await becomes(scene, ReplyState.SENT)
    assert await replies(scene) == [("custom", "reply to slowly")]
    assert len(scene.handled("ended")) == 1
