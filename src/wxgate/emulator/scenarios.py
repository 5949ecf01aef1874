"""Ready-made worlds to begin with; their names and secrets are readable, and plainly not real."""

from collections.abc import Callable, Mapping

from wxgate.emulator.world import World
from wxgate.errors import ConfigError

DEMO_PLATFORM = "wxe0000000000demo1"
DEMO_OFFICIAL_ACCOUNT = "wxe0000000000shop1"
DEMO_MINI_PROGRAM = "wxe0000000000mini1"


def _demo(world: World) -> None:
    """One platform, an official account, a mini program, three followers; URLs are posted afterwards."""
    world.put_platform(
        {
            "appid": DEMO_PLATFORM,
            "secret": "emulated-secret-of-the-platform",
            "token": "emulatedToken",
            "aes_key": "emulatedEncodingAESKeyOfTheDemoPlatform0001",
            "name": "演示平台",
        }
    )
    world.put_account(
        {
            "appid": DEMO_OFFICIAL_ACCOUNT,
            "kind": "official_account",
            "secret": "emulated-secret-of-the-shop",
            "user_name": "gh_e0000000shop",
            "nick_name": "街角面馆",
            "principal_name": "街角餐饮有限公司",
            "service_type": 2,
            "verify_type": 0,
        }
    )
    world.put_account(
        {
            "appid": DEMO_MINI_PROGRAM,
            "kind": "mini_program",
            "secret": "emulated-secret-of-the-mini",
            "user_name": "gh_e0000000mini",
            "nick_name": "街角面馆点餐",
            "principal_name": "街角餐饮有限公司",
            "service_type": 0,
            "verify_type": 0,
        }
    )
    for id, nickname in (("xiaoming", "小明"), ("xiaohong", "小红"), ("ming", "Ming")):
        world.put_user({"id": id, "nickname": nickname, "follows": [DEMO_OFFICIAL_ACCOUNT]})


SCENARIOS: Mapping[str, Callable[[World], None]] = {"demo": _demo}


def play(world: World, name: str) -> None:
    """Furnish a world; raises ConfigError for a scenario that does not exist."""
    if name not in SCENARIOS:
        raise ConfigError(f"there is no scenario {name!r}, only {', '.join(SCENARIOS)}")
    SCENARIOS[name](world)
