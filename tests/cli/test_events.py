"""Events, deliveries, pushes, subscribers and replies by command."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import Within
from tests.events.application import application
from tests.harness import Harness, World
from tests.server.streaming import record
from tests.servers.templates import migrated_file
from wxgate.cli.main import app
from wxgate.cli.moments import read_moment
from wxgate.clock import SystemClock
from wxgate.errors import ConfigError


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway whose database is in the folder the commands run in."""
    async with Harness(tmp_path, ticket=False, subscriber_networks="127.0.0.0/8") as world:
        yield world


async def test_events_are_listed_shown_and_forgotten(within: Within, world: World) -> None:
    within.use(world)
    made = [await record(world.node, content="在吗", openid=openid) for openid in ("oA", "oB")]
    await record(world.node, name="image")
    listed = await within("event", "list", "--name", "message.te*", "--since", "2h", "--json")
    assert [one["id"] for one in listed.json] == made[::-1]
    shown = await within("event", "show", made[0])
    assert "在吗" in shown.out
    assert "没有回复" in shown.out
    forgotten = await within("event", "forget", "oA", "--yes", "--json")
    assert forgotten.json == {"openid": "oA", "deleted": 1}


async def test_an_empty_log_is_no_failure(within: Within, tmp_path: Path) -> None:
    migrated_file(tmp_path / "wxgate.db")
    assert (await within("push", "list", "--json")).json == []
    assert "no delivery" in (await within("delivery", "list", "--state", "dead")).out


async def test_who_replies_is_set_and_shown_with_what_to_know(within: Within, world: World) -> None:
    within.use(world)
    said = await within("replies", "set", "*", "--replier", "none", "--default-text", "稍后回复您")
    assert "choose silent" in said.out
    shown = (await within("replies", "show", "wxa", "--json")).json
    assert (shown["source"], shown["replier"], shown["default_text"]) == ("default", "none", "稍后回复您")


async def test_a_subscriber_is_made_tried_and_given_what_was_before(within: Within, world: World) -> None:
    within.use(world).settings["WXGATE_SUBSCRIBER_NETWORKS"] = "127.0.0.0/8"
    made = [await record(world.node) for _ in range(2)]
    async with application() as app:
        added = await within("subscriber", "add", "crm", app.url, "--name", "text", "--ordered", "--json")
        assert added.code == 0, added.err
        assert added.json["signing_secret"].startswith("whsec_")
        replayed = await within("event", "replay", "--subscriber", "crm", "--account", "wxshop", "--json")
        assert replayed.json == {"queued": {added.json["id"]: 2}}
        await app.arrived(2)
        assert app.ids == made
        app.status = 500
        tried = await within("subscriber", "test", "crm")
        assert tried.code == 1
        assert "HTTP 500" in tried.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("event replay", "--subscriber"),
        ("event replay evt_1 --since 2h", "not both"),
        ("event replay --subscriber crm", "say which events"),
        ("delivery retry", "--all"),
        ("subscriber change crm", "say what to change"),
        ("subscriber change crm --all --tag shops", "not both"),
        ("replies set wxa", "say what to change"),
        ("replies set wxa --reset --policy silent", "not both"),
    ],
)
def test_a_mistake_is_named_before_anything_is_opened(arguments: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        app(arguments.split(), standalone_mode=False)


@pytest.mark.parametrize("command", ["settings", "settings --json", "serve --port 0"])
def test_a_mistake_in_the_retention_is_told_in_one_sentence(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WXGATE_RETENTION", "message=forever")
    with pytest.raises(ConfigError, match="WXGATE_RETENTION: 'forever': message is kept for a time"):
        app(command.split(), standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_moments_are_read_as_people_write_them() -> None:
    now = SystemClock().now()
    ago = read_moment("--since", "90min", now)
    assert ago is not None
    assert (now - ago).total_seconds() == 5400
    absolute = read_moment("--since", "2026-03-01T10:00+08:00", now)
    assert absolute is not None
    assert absolute.isoformat() == "2026-03-01T02:00:00+00:00"
    assert read_moment("--since", None, now) is None
    with pytest.raises(ConfigError, match="--since yesterday"):
        read_moment("--since", "yesterday", now)
