"""Login by scanning an account's code: each step once, by the one person and the one browser."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.login.agents import describe
from wxgate.login.records import App, AppKind, Goal, Purpose, Realm, ScanState
from wxgate.login.scans import (
    LIVES,
    STEPS,
    Decision,
    Heard,
    ScanLogins,
    Shown,
    Step,
    scene_of,
)
from wxgate.protocol.messages import Message, parse_message
from wxgate.secret import BrowserKey
from wxgate.store import Store

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
SHOP = App("shop", "main", AppKind.OFFICIAL, "wx0000000000000001", "direct", "晨光咖啡馆", START)
GOAL = Goal(Purpose.PAGE, {"return_to": "/orders"})
SCREEN = BrowserKey("the key of the browser that shows the code")
SOMEBODY_ELSES = BrowserKey("the key of another browser")


def scan_push(scene: str, openid: str = "o-ann", *, subscribe: bool = False) -> Message:
    """Make WeChat's push of a scan, by a follower or by somebody who follows by it."""
    name, key = ("subscribe", f"qrscene_{scene}") if subscribe else ("SCAN", scene)
    return parse_message(
        {
            "ToUserName": "gh_1",
            "FromUserName": openid,
            "CreateTime": "1772359200",
            "MsgType": "event",
            "Event": name,
            "EventKey": key,
            "Ticket": "gQ-ticket",
        }
    )


@dataclass
class Stage:
    """Scan logins on a store of their own, with WeChat's codes made by hand."""

    store: Store
    clock: ManualClock
    scenes: list[str] = field(default_factory=list)
    made: int = 0
    logins: ScanLogins = field(init=False)

    def __post_init__(self) -> None:
        self.logins = ScanLogins(
            self.store.login.scans,
            self.clock,
            make_code=self.code,
            random=self.random,
        )

    async def code(self, app: App, scene: str, seconds: int) -> str:
        """Give a code as WeChat does."""
        assert (app, seconds) == (SHOP, 300)
        self.scenes.append(scene)
        return f"http://weixin.qq.com/q/{len(self.scenes)}"

    def random(self, length: int) -> bytes:
        """Make bytes that were not made before."""
        self.made += 1
        return self.made.to_bytes(length)

    async def begin(self) -> tuple[Shown, str]:
        """Show a code; return it with its scene."""
        shown = await self.logins.begin(SHOP, GOAL, browser_key=SCREEN, asked_by={"site": "晨光"})
        return shown, self.scenes[-1]

    async def hears(self, message: Message) -> Heard | None:
        """Take a push; return what came of it."""
        found = await self.logins.heard(SHOP.appid, message)
        return found and found[1]


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    """An empty stage."""
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    await store.login.realms.put_realm(Realm("main", "晨光", START))
    await store.login.realms.put_app(SHOP)
    yield Stage(store, ManualClock(START))
    await store.close()


@pytest.mark.parametrize("subscribe", [False, True], ids=["by_a_follower", "by_somebody_new"])
async def test_a_scan_is_confirmed_on_the_phone_and_redeemed_at_the_screen(
    stage: Stage, subscribe: bool
) -> None:
    shown, scene = await stage.begin()
    assert (shown.url, shown.scan.number) == ("http://weixin.qq.com/q/1", "13")
    assert stage.logins.state_of(shown.scan) == "shown"
    found = await stage.logins.heard(SHOP.appid, scan_push(scene, subscribe=subscribe))
    assert found is not None
    scan, heard = found
    assert (heard, scan.state, scan.openid) == (Heard.ASK, ScanState.SCANNED, "o-ann")
    assert await stage.logins.decide(scan, Step.CONFIRM, openid="o-ann", unionid="u-ann") is Decision.DONE
    at_screen = await stage.logins.shown_to(scan.id, SCREEN)
    assert at_screen is not None
    redeemed = await stage.logins.redeem(at_screen)
    assert redeemed is not None
    assert (redeemed.openid, redeemed.proof_unionid, redeemed.goal) == ("o-ann", "u-ann", GOAL)
    assert redeemed.state is ScanState.REDEEMED


@pytest.mark.parametrize("state", ScanState)
@pytest.mark.parametrize("step", Step)
async def test_no_step_is_taken_from_another_state_than_its_own(
    stage: Stage, state: ScanState, step: Step
) -> None:
    shown, scene = await stage.begin()
    way = {
        ScanState.SHOWN: (),
        ScanState.SCANNED: (Step.SCAN,),
        ScanState.CONFIRMED: (Step.SCAN, Step.CONFIRM),
        ScanState.REFUSED: (Step.SCAN, Step.REFUSE),
        ScanState.REDEEMED: (Step.SCAN, Step.CONFIRM, Step.REDEEM),
    }
    for taken in way[state]:
        await take(stage, shown.scan.id, scene, taken)
    before = await stage.logins.load(shown.scan.id)
    assert before is not None
    assert before.state is state
    await take(stage, shown.scan.id, scene, step)
    after = await stage.logins.load(shown.scan.id)
    assert after is not None
    assert after.state is (STEPS[step][1] if STEPS[step][0] is state else state)


async def take(stage: Stage, scan_id: str, scene: str, step: Step) -> None:
    """Try to take a step."""
    scan = await stage.logins.load(scan_id)
    assert scan is not None
    match step:
        case Step.SCAN:
            await stage.hears(scan_push(scene))
        case Step.REDEEM:
            await stage.logins.redeem(scan)
        case _:
            await stage.logins.decide(scan, step, openid="o-ann")


async def test_only_the_first_who_scans_is_asked_however_often(stage: Stage) -> None:
    _, scene = await stage.begin()
    assert await stage.hears(scan_push(scene)) is Heard.ASK
    assert await stage.hears(scan_push(scene, "o-eve")) is Heard.TAKEN
    assert await stage.hears(scan_push(scene)) is Heard.ASK


async def test_only_who_scanned_can_confirm(stage: Stage) -> None:
    shown, scene = await stage.begin()
    early = shown.scan
    assert await stage.logins.decide(early, Step.CONFIRM, openid="o-ann") is Decision.NOT_THIS_PERSON
    await stage.hears(scan_push(scene))
    scan = await stage.logins.load(shown.scan.id)
    assert scan is not None
    assert await stage.logins.decide(scan, Step.CONFIRM, openid="o-eve") is Decision.NOT_THIS_PERSON
    assert await stage.logins.decide(scan, Step.CONFIRM, openid="o-ann") is Decision.DONE
    assert await stage.logins.decide(scan, Step.CONFIRM, openid="o-ann") is Decision.DONE
    assert await stage.logins.decide(scan, Step.REFUSE, openid="o-ann") is Decision.OVER


async def test_only_the_browser_that_shows_the_code_finds_it(stage: Stage) -> None:
    shown, _ = await stage.begin()
    assert await stage.logins.shown_to(shown.scan.id, SCREEN) is not None
    for key in (None, BrowserKey(""), SOMEBODY_ELSES):
        assert await stage.logins.shown_to(shown.scan.id, key) is None
    for id in ("", "../x", "x" * 22, shown.scan.id + "\n"):
        assert await stage.logins.shown_to(id, SCREEN) is None


async def test_of_many_who_redeem_one_does(stage: Stage) -> None:
    shown, scene = await stage.begin()
    for step in (Step.SCAN, Step.CONFIRM):
        await take(stage, shown.scan.id, scene, step)
    scan = await stage.logins.load(shown.scan.id)
    assert scan is not None
    redeemed = await asyncio.gather(*(stage.logins.redeem(scan) for _ in range(20)))
    assert sum(each is not None for each in redeemed) == 1


@pytest.mark.parametrize("steps", [(), (Step.SCAN,), (Step.SCAN, Step.CONFIRM)], ids=len)
async def test_after_five_minutes_nothing_comes_of_a_code(stage: Stage, steps: tuple[Step, ...]) -> None:
    shown, scene = await stage.begin()
    for step in steps:
        await take(stage, shown.scan.id, scene, step)
    stage.clock.advance(LIVES)
    scan = await stage.logins.load(shown.scan.id)
    assert scan is not None
    assert stage.logins.state_of(scan) == "expired"
    assert await stage.hears(scan_push(scene)) is Heard.OVER
    assert await stage.logins.redeem(scan) is None
    if steps:
        assert await stage.logins.decide(scan, Step.REFUSE, openid="o-ann") is Decision.OVER


async def test_scans_of_the_business_are_left_to_it(stage: Stage) -> None:
    _, scene = await stage.begin()
    for other in ("", "table-7", "lg_", "lg_" + "x" * 21, scene + "x", "lg_" + "y" * 22, "lg_" + "é" * 22):
        assert await stage.hears(scan_push(other)) is None
    assert await stage.logins.heard("wx0000000000000002", scan_push(scene)) is None
    text = {
        "ToUserName": "gh_1",
        "FromUserName": "o-ann",
        "CreateTime": "1",
        "MsgType": "text",
        "MsgId": "1",
        "Content": scene,
    }
    assert scene_of(parse_message(text)) is None


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0 Safari/537.36 Edg/130.0",
            "Edge · Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1 Version/17 Safari/605.1",
            "Safari · macOS",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox · Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile MicroMessenger/8.0.49",
            "WeChat · iPhone",
        ),
        ("curl/8.5", ""),
        ("", ""),
    ],
)
def test_a_browser_is_called_by_the_name_people_know(agent: str, name: str) -> None:
    assert describe(agent) == name
