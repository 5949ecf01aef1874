"""Audits by command: one that was submitted elsewhere is watched, and listed."""

from pathlib import Path

from tests.cast import authorized_account
from tests.cli.conftest import Cli
from tests.harness import Harness


async def test_an_audit_is_watched_and_listed(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        cli.use(world)
        appid = (await authorized_account(world, kind="mini_program"))["appid"]
        audit = world.emulator.world.audits.submit(appid)
        watched = await cli("audit", "watch", appid)
        assert watched.code == 0, watched.err
        assert f"audit {audit.id} of {appid} is waiting" in watched.out
        [listed] = (await cli("audit", "list", appid, "--state", "waiting", "--json")).json
        assert (listed["audit_id"], listed["platform"]) == (str(audit.id), world.platform.appid)
        assert str(audit.id) in (await cli("audit", "list")).out
        wrong = await cli("audit", "list", "--state", "lost")
        assert wrong.code == 1
        assert "waiting" in wrong.err
