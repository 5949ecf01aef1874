"""What the emulator's guide lets a reader send, the emulator takes."""

import json
import re
from collections.abc import Iterator

from tests.docs.pages import ROOT, blocks_of
from wxgate.emulator.control import Control
from wxgate.emulator.running import RunningEmulator

GUIDE = ROOT / "docs/guides/emulator.md"

POST = re.compile(r"curl http://127\.0\.0\.1:8001/_emulator/(\S+) -d '([^']*)'")


def posts() -> Iterator[tuple[str, str]]:
    """List the paths and bodies the guide posts, in its order."""
    for block in blocks_of(GUIDE):
        yield from POST.findall(block.text) if block.info == "sh" else ()


async def test_every_act_of_the_guide_is_accepted() -> None:
    shown = list(posts())
    assert len(shown) > 8
    async with RunningEmulator(scenario="demo") as wechat:
        for path, body in shown:
            # Its own API stands for the gateway, which is not there: what counts is that it is called.
            given = json.loads(body.replace("http://127.0.0.1:8000", f"{wechat.url}/gateway"))
            await wechat.control("POST", path, given)
        pushed = await wechat.control("GET", "pushes")

    assert {push["kind"] for push in pushed} >= {"ticket", "authorized", "message", "event", "unauthorized"}


async def test_the_guide_lists_the_whole_control_plane() -> None:
    async with RunningEmulator() as wechat:
        paths = {route.path.removeprefix("/") for route in Control(wechat.emulator).routes()}
    page = GUIDE.read_text("utf-8")
    assert {path for path in paths if not re.search(rf"[`/]{path}\b", page)} == set()
