"""The sealing keys by command: added, made current with everything sealed anew, and retired."""

import platform as machine
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.conftest import Cli
from tests.harness import Harness
from wxgate.store.rotation import NodeKeys


async def test_keys_are_changed_while_a_server_runs(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        cli.use(world)
        old = (await cli("keys", "list", "--json")).json[0]["name"]
        new = (await cli("keys", "add", "--json")).json["added"]
        # The server tells of a new key every few seconds; one that has not done so yet is put beside it.
        nodes = world.node.store.rotation
        await nodes.tell(NodeKeys("slow", machine.node(), (old,), datetime.now(UTC)))
        early = await cli("keys", "rotate", "--to", new)
        assert early.code == 1
        assert "not known yet to" in early.err
        await nodes.leave("slow")
        await world.node.keys.tell()

        rotated = (await cli("keys", "rotate", "--to", new, "--json")).json
        assert rotated["current"] == new
        assert rotated["sealed"] > 3
        assert rotated["left"] == 0
        await world.push_ticket()
        await world.node.keys.tell()

        retired = await cli("keys", "retire", old)
        assert retired.code == 0, retired.err
        listed = (await cli("keys", "list")).out
        assert new in listed
        assert old not in listed
        again = await cli("keys", "retire", new)
        assert again.code == 1
        assert "make another one current first" in again.err


async def test_keys_of_a_setting_are_left_to_whoever_wrote_it(cli: Cli) -> None:
    key = "0badc0de:" + "A" * 43 + "="
    done = await cli("keys", "add", env={"WXGATE_KEYS": key})
    assert done.code == 1
    assert "WXGATE_KEYS" in done.err
    assert "AAAA" not in done.err
