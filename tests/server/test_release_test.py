"""The gateway takes WeChat's release test by itself, keeps a record of it, and no merchant of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.cast import add_platform, another_node, authorized_account, until
from tests.events.application import application
from tests.harness import Harness, World
from tests.server.keys import holder
from tests.server.test_management import manager
from wxgate.custody.clients import ClientScope
from wxgate.custody.records import AuthorizationFilter
from wxgate.events.handlers import Handlers
from wxgate.events.records import Filter
from wxgate.events.release_test import ReleaseLine, ReleaseStep
from wxgate.events.release_testing import LEASE, STALE
from wxgate.protocol.official_tests import RELEASE_TEST_ACCOUNTS

OFFICIAL, MINI = RELEASE_TEST_ACCOUNTS[1], RELEASE_TEST_ACCOUNTS[7]
CODE = "queryauthcode@@@not-one-of-ours"


async def play(world: World, appid: str = OFFICIAL.appid) -> dict[str, Any]:
    """Let WeChat test the platform."""
    await world.control("POST", "switches", {"push_timeout": 15})
    report: dict[str, Any] = await world.act("release-test", platform=world.platform.appid, appid=appid)
    await world.node.release_testing.settle()
    return report


async def lines(world: World) -> list[ReleaseLine]:
    """Read the record, oldest first."""
    return list(reversed(await world.node.store.release_tests.find_lines(world.platform.appid)))


async def outcome(world: World) -> ReleaseLine:
    """Wait until the work after the code has ended, whoever does it; return its line."""
    found: list[ReleaseLine] = []

    async def ended() -> bool:
        found[:] = [
            line for line in await lines(world) if line.step is ReleaseStep.API_TEXT and line.ok is not None
        ]
        return bool(found)

    await until(ended, seconds=30)
    return found[0]


@pytest.mark.parametrize("account", [OFFICIAL, MINI], ids=["official account", "mini program"])
async def test_the_gateway_passes(tmp_path: Path, account: Any) -> None:
    async with Harness(tmp_path) as world:
        report = await play(world, account.appid)
        assert report["ok"], report
        assert {step["verdict"] for step in report["steps"]} == {"right"}
        kept = await lines(world)
        assert [line.step for line in kept] == [step["step"] for step in report["steps"]]
        assert {line.ok for line in kept} == {True}


async def test_no_merchant_comes_of_it_and_no_handler_hears_of_it(tmp_path: Path) -> None:
    handlers, heard = Handlers(), []

    async def hear(message: Any) -> str:
        heard.append(message)
        return "business"

    handlers.add(("*",), hear, frozenset())
    async with Harness(tmp_path, handlers=handlers) as world:
        assert (await play(world))["ok"]
        assert await world.node.authorizations.find(AuthorizationFilter()) == []
        events = await world.node.store.inbox.find(issuer=world.platform.appid)
        kinds = [event.name for event in events if event.appid == OFFICIAL.appid]
        assert kinds == ["unauthorized", "LOCATION", "text", "text", "authorized"]
        assert all("全网发布检测" in event.error for event in events if event.appid == OFFICIAL.appid)
        assert all(event.noted for event in events if event.appid == OFFICIAL.appid)
    assert {type(one).__name__ for one in heard} <= {"VerifyTicket"}


async def test_no_subscriber_hears_of_it_either(tmp_path: Path) -> None:
    async with application() as app, Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
        where = Filter(accounts=(OFFICIAL.appid,))
        subscriber = await world.node.delivering.subscriptions.add(name="crm", url=app.url, filter=where)
        assert (await play(world))["ok"]
        assert await world.node.store.deliveries.find(subscriber_id=subscriber.id) == []
        assert app.got == []


async def test_the_record_shows_the_exchange_without_secrets(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        report = await play(world)
        code = report["steps"][3]["exchange"]["request"]["plain"].partition("QUERY_AUTH_CODE:")[2][:40]
        line = await outcome(world)
        assert "QUERY_AUTH_CODE:****" in line.received
        assert "api_query_auth" in line.answered
        assert '"****_from_api"' in line.answered
        assert "the customer-service message was sent" in line.reason
        events = await world.node.store.inbox.find(appid=OFFICIAL.appid)
        shown = repr([line, events, [event.fields for event in events]])
        assert code.startswith("queryauthcode@@@")
        assert code not in shown
        metrics = world.node.metrics.render().decode()
        counted = f'platform="{world.platform.appid}",result="good",step="api_text"'
        assert f"wxgate_release_test_steps_total{{{counted}}} 1.0" in metrics


async def test_a_refused_code_gives_way_to_that_of_the_authorized_push(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.add_fault("/cgi-bin/component/api_query_auth", "errcode", errcode=61009)
        report = await play(world)
        assert report["ok"], report
        assert report["steps"][3]["code"] == "api_text_other_code"
        line = await outcome(world)
        assert "refused the code of the message (61009)" in line.reason
        assert "the code of the authorized push was exchanged" in line.reason


async def test_lost_answers_and_passing_trouble_are_got_over(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.add_fault("/cgi-bin/component/api_query_auth", "cut", stage="after")
        await world.add_fault("/cgi-bin/message/custom/send", "errcode", errcode=-1)
        report = await play(world)
        assert report["ok"], report
        line = await outcome(world)
        assert line.ok is True
        # The first code was spent by the answer that was lost.
        assert "refused the code of the message (61010)" in line.reason


async def test_what_cannot_be_sent_is_recorded_in_words(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.add_fault("/cgi-bin/message/custom/send", "errcode", errcode=45015, times=None)
        await world.control("POST", "switches", {"push_timeout": 15})
        given = {"platform": world.platform.appid, "appid": OFFICIAL.appid, "patience": 0.1}
        await world.act("release-test", **given)
        await world.node.release_testing.settle()
        line = await outcome(world)
        assert line.ok is False
        assert "45015" in line.reason


async def ask(world: World, content: str, appid: str = OFFICIAL.appid) -> dict[str, Any]:
    """Let somebody write to one of WeChat's accounts, outside of a run."""
    await world.control("POST", "switches", {"push_timeout": 15})
    account = await world.add_account(appid=appid, user_name=OFFICIAL.user_name)
    user = await world.control("POST", "users", {"follows": [account["appid"]]})
    await world.act("authorize", platform=world.platform.appid, appid=account["appid"])
    openid = user["openids"][account["appid"]]
    pushes = await world.act("message", appid=account["appid"], openid=openid, type="text", content=content)
    first: dict[str, Any] = pushes[0]
    return first


async def test_a_push_that_comes_twice_is_one_line_and_one_job(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.control("POST", "faults", {"push": "message", "action": "duplicate"})
        push = await ask(world, f"QUERY_AUTH_CODE:{CODE}")
        assert [attempt["outcome"] for attempt in push["attempts"]] == ["empty", "empty"]
        await outcome(world)
        found = [line for line in await lines(world) if line.step is ReleaseStep.API_TEXT]
        assert len(found) == 1
        assert len(await world.calls("/cgi-bin/component/api_query_auth")) == 2  # this code, then the other


async def test_a_job_whose_node_died_is_done_by_another(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.add_fault("/cgi-bin/component/api_query_auth", "hang")
        await ask(world, f"QUERY_AUTH_CODE:{CODE}")

        async def asked() -> bool:
            return bool(await world.calls("/cgi-bin/component/api_query_auth"))

        await until(asked, seconds=15)
        for job in list(world.node.release_testing._running.values()):
            job.cancel()
        await world.advance(LEASE)
        await world.control("DELETE", "faults")
        async with another_node(world) as (other, _):
            await other.release_testing.sweep()
            await other.release_testing.settle()
            line = await outcome(world)
        assert line.ok is True
        assert "the code of the authorized push was exchanged" in line.reason


async def test_a_job_that_nobody_took_over_in_time_has_failed(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.add_fault("/cgi-bin/component/api_query_auth", "hang")
        await ask(world, f"QUERY_AUTH_CODE:{CODE}")
        for job in list(world.node.release_testing._running.values()):
            job.cancel()
        await world.node.release_testing.settle()
        await world.advance(STALE + LEASE)
        await world.node.release_testing.sweep()
        line = await outcome(world)
        assert (line.ok, [remark.code for remark in line.remarks]) == (False, ["abandoned"])
        assert await world.node.store.release_tests.due_lines(now=world.clock.now() + LEASE) == []


async def test_a_merchant_who_writes_the_same_words_is_a_merchant(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        account = await authorized_account(world)
        user = await world.control("POST", "users", {"follows": [account["appid"]]})
        openid = user["openids"][account["appid"]]
        given = {"appid": account["appid"], "openid": openid, "type": "text"}
        for content in ("TESTCOMPONENT_MSG_TYPE_TEXT", f"QUERY_AUTH_CODE:{CODE}"):
            (push,) = await world.act("message", content=content, **given)
            assert push["outcome"] == "success"
        assert await lines(world) == []


async def test_switched_off_the_test_is_left_to_handlers_and_custody(tmp_path: Path) -> None:
    handlers = Handlers()

    async def answer(message: Any) -> str:
        return "mine"

    handlers.add(("text",), answer, frozenset())
    async with Harness(tmp_path, handlers=handlers, release_test=False) as world:
        push = await ask(world, "TESTCOMPONENT_MSG_TYPE_TEXT")
        assert push["outcome"] == "reply"
        assert await lines(world) == []
        assert len(await world.node.authorizations.find(AuthorizationFilter())) == 1


async def test_the_record_is_read_over_http_by_whom_the_platform_concerns(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await play(world)
        path = f"/v1/platforms/{world.platform.appid}/release-tests"
        said = await (await manager(world)).get(path)
        (run,) = said.document
        assert (said.status, run["appid"], run["ok"]) == (200, OFFICIAL.appid, True)
        steps = [step["step"] for step in run["steps"]]
        assert steps == ["ticket", "authorized", "text", "api_text", "event", "unauthorized"]
        assert "queryauthcode" not in said.text
        other = await add_platform(world, ticket=False)
        narrow = await holder(world, ClientScope.MANAGE, platforms=(other.appid,))
        assert (await narrow.get(path)).status == 403
        assert (await narrow.get(f"/v1/platforms/{other.appid}/release-tests")).document == []
