"""What WeChat tells a platform itself: kept and handled whatever its fields look like."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.cast import settle
from tests.harness import Harness
from tests.pushing import metric, recorded
from wxgate.events.handlers import Handlers


async def test_an_info_type_of_the_future_is_kept_and_reaches_its_handler(tmp_path: Path) -> None:
    seen: list[Any] = []

    def keep(message: Any) -> None:
        seen.append(message)

    handlers = Handlers()
    handlers.add(("notify_from_the_future",), keep)
    async with Harness(tmp_path, handlers=handlers) as world:
        told = await world.act(
            "component-event",
            platform=world.platform.appid,
            info_type="notify_from_the_future",
            fields={"appid": "wx1", "deep": {"a": "b"}},
        )
        assert told["outcome"] == "success"
        await settle(world)
        newest = (await recorded(world))[0]
        assert (newest.name, newest.fields["deep"]) == ("notify_from_the_future", {"a": "b"})
    [message] = seen
    assert message.raw["deep"] == {"a": "b"}


async def test_odd_fields_lose_nothing_and_are_counted(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        appid = world.platform.appid
        told = await world.act(
            "push",
            platform=appid,
            xml=f"<xml><AppId>{appid}</AppId><CreateTime>soon</CreateTime>"
            "<InfoType>notify_apply_icpfiling_result</InfoType>"
            "<authorizer_appid>wx1</authorizer_appid><beian_status>filed</beian_status></xml>",
        )
        assert told["outcome"] == "success"
        newest = (await recorded(world))[0]
        assert (newest.name, newest.appid) == ("notify_apply_icpfiling_result", "wx1")
        assert newest.fields["beian_status"] == "filed"
        assert newest.created_at == int(newest.received_at.timestamp())
        assert await metric(world, "wxgate_odd_pushes_total", info_type=newest.name) == 1


@pytest.mark.parametrize("personal", [False, True])
async def test_the_code_of_a_fast_registration_is_exchanged_like_any_other(
    tmp_path: Path, personal: bool
) -> None:
    async with Harness(tmp_path) as world:
        told = await world.act("register", platform=world.platform.appid, personal=personal)
        assert told["push"]["outcome"] == "success"
        await settle(world)
        [exchanged] = await world.calls("/cgi-bin/component/api_query_auth")
        assert exchanged["errcode"] == 0
        one = await world.node.authorizations.load(world.platform.appid, told["appid"])
        assert one is not None
        assert (one.state, one.refresh_token is not None) == ("active", True)
        await world.node.calls.account(told["appid"]).get("wxa/get_category")
        newest = next(each for each in await recorded(world) if each.name == "notify_third_fasteregister")
        assert newest.fields["auth_code"] == "****"


async def test_a_registration_that_failed_says_why(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        with capture_logs() as logs:
            told = await world.act("register", platform=world.platform.appid, status=102)
        assert told["push"]["outcome"] == "success"
        assert await world.calls("/cgi-bin/component/api_query_auth") == []
        [line] = [each for each in logs if each["event"] == "registration.failed"]
        assert line["reason"] == "the company does not exist, or the register is not up to date"
