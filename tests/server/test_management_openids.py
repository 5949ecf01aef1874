"""Openids of a moved account, imported over HTTP and by command."""

from pathlib import Path

from tests.cast import authorized_account
from tests.cli.conftest import Within, within
from tests.harness import Harness, World
from tests.server.login_records import openid, put_person
from tests.server.test_management import manager
from wxgate.events.records import EventQuery
from wxgate.login.news import MERGED
from wxgate.login.records import IdentityKind, Name

__all__ = ["within"]

PATH = "/v1/login/realms/main/openids/import"


async def moved(world: World) -> tuple[str, str, dict[str, str]]:
    """Let an account whose people have logged in move to another; return both and the openids."""
    old, new = [(await authorized_account(world, nick_name=name))["appid"] for name in ("旧店", "新店")]
    users = [await world.control("POST", "users", {"follows": [old]}) for _ in range(2)]
    for number, user in enumerate(users):
        name = Name(IdentityKind.OPENID, old, user["openids"][old])
        await put_person(world, f"u_{number}", name)
    return old, new, (await world.act("move_account", appid=old, to_appid=new))["openids"]


async def test_wechat_converts_what_is_known_and_a_dry_run_changes_nothing(gateway: World) -> None:
    boss = await manager(gateway)
    await boss.post("/v1/login/realms", {"name": "main"})
    old, new, _ = await moved(gateway)
    asked = {"from_appid": old, "to_appid": new}
    dry = await boss.post(PATH, asked | {"dry_run": True})
    done = await boss.post(PATH, asked)
    again = await boss.post(PATH, asked)
    assert (dry.status, done.status) == (200, 200)
    assert dry.document["results"]["linked"] == done.document["results"]["linked"] == 2
    assert (done.document["total"], done.document["after"]) == (2, None)
    assert again.document["results"]["known"] == 2


async def test_pairs_are_taken_as_they_are_and_mistakes_are_named(gateway: World) -> None:
    boss = await manager(gateway)
    await boss.post("/v1/login/realms", {"name": "main"})
    await put_person(gateway, "u_1", openid("o-1"))
    asked = {"from_appid": openid("").space, "to_appid": "wx-new", "pairs": [{"old": "o-1", "new": "n-1"}]}
    assert (await boss.post(PATH, asked)).document["results"]["linked"] == 1
    same = await boss.post(PATH, asked | {"to_appid": asked["from_appid"]})
    assert (same.status, "give two" in same.text) == (400, True)
    assert (await boss.post(PATH.replace("main", "other"), asked)).status == 404
    assert (await boss.post(PATH, asked | {"from_appid": "../x"})).status in (400, 422)


async def test_a_merge_is_told_to_applications(gateway: World) -> None:
    boss = await manager(gateway)
    await boss.post("/v1/login/realms", {"name": "main"})
    await put_person(gateway, "u_1", openid("o-1"))
    await put_person(gateway, "u_2", openid("o-2"))
    await boss.post("/v1/login/realms/main/subjects/u_1/merge", {"other": "u_2"})
    [event] = await gateway.node.store.event_log.find_events(EventQuery(names=(MERGED,)))
    assert event.fields == {"realm": "main", "kept": "u_1", "other": "u_2"}


async def test_a_command_does_the_same(within: Within, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        within.use(world)
        await within("login", "realm", "add", "main")
        old, new, openids = await moved(world)
        asked = ("login", "import-openids", "--from", old, "--to", new)
        dry = await within(*asked, "--dry-run")
        assert (dry.code, dry.out.strip()) == (0, "would be: 2 linked")
        pairs = tmp_path / "openids.csv"
        pairs.write_text("old,new\n" + "".join(f"{each},{openids[each]}\n" for each in openids), "utf-8")
        done = await within(*asked, "--file", str(pairs), "--json")
        assert done.json["results"]["linked"] == 2
        again = await within(*asked)
        assert again.out.strip() == "done: 2 known"
        name = Name(IdentityKind.OPENID, new, next(iter(openids.values())))
        await world.node.store.login.identities.forget("main", "u_0")
        await put_person(world, "u_else", name)
        await put_person(world, "u_0", Name(IdentityKind.OPENID, old, next(iter(openids))))
        met = await within(*asked)
        assert met.code == 1
        assert "login subject conflicts" in met.out
