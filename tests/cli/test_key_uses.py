"""What commands tell about the push tokens and AES keys in use, and which they refuse to drop."""

from pathlib import Path

from tests.cli.conftest import Cli
from tests.harness import Harness


async def test_a_key_in_use_is_shown_and_not_retired_by_mistake(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        cli.use(world)
        appid = world.platform.appid
        assert (await cli("platform", "rotate-key", appid, "--token")).code == 0
        world.node.registry.forget(appid)
        await world.push_ticket()  # WeChat does not know of the new token
        await world.node.key_uses.write()

        shown = await cli("platform", "show", appid)
        assert "current: never seen in use" in shown.out
        assert "the previous token is still in use" in shown.out
        assert "旧的消息校验Token仍在使用" in shown.out
        refused = await cli("platform", "retire-key", appid, "--token")
        assert refused.code == 1
        assert "--yes" in refused.err
        assert (await cli("platform", "retire-key", appid, "--token", "--yes")).code == 0
