"""Login by scanning an account's QR code (LOGIN 5.4), for those without a website application.

    shown ──scan──> scanned ──confirm──> confirmed ──redeem──> redeemed
                       └─────refuse────> refused

The code on the screen holds a scene and nothing else: whoever photographs it can scan it, and then has to
confirm on the phone that WeChat's push named. Only the browser that was shown the code can redeem it, by a
secret that is in no code (P7). Everything is in the store, so push, phone and screen may each be served by
another node.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from wxgate.clock import Clock
from wxgate.login import ports
from wxgate.login.records import App, Goal, Scan, ScanState
from wxgate.login.values import Random, base62
from wxgate.protocol.messages import Message, ScanEvent, SubscribeEvent
from wxgate.secret import BrowserKey, Secret, equal, fingerprint

LIVES = timedelta(minutes=5)
"""How long a code is good, from being shown to being redeemed; WeChat's own code ends at the same time."""

SCENE_PREFIX = "lg_"

_SCENE = re.compile(r"lg_[0-9A-Za-z]{22}")
_ID = re.compile(r"[0-9A-Za-z]{22}")


class Step(StrEnum):
    """What can happen to a scan login."""

    SCAN = "scan"
    CONFIRM = "confirm"
    REFUSE = "refuse"
    REDEEM = "redeem"


STEPS: Mapping[Step, tuple[ScanState, ScanState]] = {
    Step.SCAN: (ScanState.SHOWN, ScanState.SCANNED),
    Step.CONFIRM: (ScanState.SCANNED, ScanState.CONFIRMED),
    Step.REFUSE: (ScanState.SCANNED, ScanState.REFUSED),
    Step.REDEEM: (ScanState.CONFIRMED, ScanState.REDEEMED),
}
"""From where to where each step leads; nothing leads back."""


class Heard(StrEnum):
    """What came of a scan that WeChat pushed."""

    ASK = "ask"
    """The person is to confirm, now or as before."""

    TAKEN = "taken"
    """Somebody else had scanned this code."""

    OVER = "over"
    """The code has expired or been used."""


class Decision(StrEnum):
    """What came of a word of the phone's."""

    DONE = "done"
    OVER = "over"
    NOT_THIS_PERSON = "not_this_person"


MakeCode = Callable[[App, str, int], Awaitable[str]]
"""Asks WeChat for a QR code of the app's account: scene and seconds in, the code's text out."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A scan login that has begun; `url` is what the QR code says."""

    scan: Scan
    url: str


class ScanLogins:
    """Sees scan logins from the code on the screen to the person at the browser."""

    def __init__(
        self,
        store: ports.Scans,
        clock: Clock,
        *,
        make_code: MakeCode,
        random: Random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._make_code = make_code
        self._random = random

    async def begin(
        self, app: App, goal: Goal, *, browser_key: BrowserKey, asked_by: Mapping[str, str]
    ) -> Shown:
        """Make a code for one browser to show; raises what WeChat raises when there is none to be had."""
        scene = SCENE_PREFIX + base62(self._random, 22)
        now = self._clock.now()
        scan = Scan(
            id=base62(self._random, 22),
            scene_hash=_hash(scene),
            browser_hash=fingerprint(browser_key),
            realm=app.realm,
            app=app.name,
            appid=app.appid,
            number=make_number(self._random),
            goal=goal,
            asked_by=asked_by,
            started_at=now,
            expires_at=now + LIVES,
        )
        # Kept first: the code must not be out before its scan would be understood.
        await self._store.create(scan)
        return Shown(scan, await self._make_code(app, scene, int(LIVES.total_seconds())))

    async def load(self, scan_id: str) -> Scan | None:
        """Load one; None for what can be no id, or is forgotten."""
        return await self._store.load(scan_id) if _ID.fullmatch(scan_id) else None

    async def shown_to(self, scan_id: str, browser_key: BrowserKey | None) -> Scan | None:
        """Load one for the browser that shows its code; None for every other."""
        scan = await self.load(scan_id)
        if scan is None or browser_key is None or not equal(scan.browser_hash, fingerprint(browser_key)):
            return None
        return scan

    async def heard(self, appid: str, message: Message) -> tuple[Scan, Heard] | None:
        """Take WeChat's push of a scan; None for what is no scan of ours, which is the business's own."""
        scene = scene_of(message)
        scan = await self._store.by_scene(_hash(scene)) if scene else None
        if scan is None or scan.appid != appid:
            return None
        taken = await self._step(Step.SCAN, scan, openid=message.openid)
        # WeChat pushes up to three times, and people scan twice: the same person is asked again.
        now = taken or await self._store.load(scan.id)
        if now is None or self.is_over(now):
            return scan, Heard.OVER
        if now.openid != message.openid:
            return now, Heard.TAKEN
        return now, Heard.ASK if now.state is ScanState.SCANNED else Heard.OVER

    async def decide(self, scan: Scan, step: Step, *, openid: str, unionid: str | None = None) -> Decision:
        """Take the word of whoever WeChat has proved to hold the phone: only who scanned has a say."""
        if scan.openid is None or not equal(scan.openid, openid):
            return Decision.NOT_THIS_PERSON
        if await self._step(step, scan, unionid=unionid) is not None:
            return Decision.DONE
        now = await self._store.load(scan.id)
        # A second tap says what the first has said.
        return Decision.DONE if now is not None and now.state is STEPS[step][1] else Decision.OVER

    async def redeem(self, scan: Scan) -> Scan | None:
        """Spend a confirmed scan; of any number of callers one gets it."""
        return await self._step(Step.REDEEM, scan)

    def is_over(self, scan: Scan) -> bool:
        """Tell whether nothing can become of a scan any more."""
        ended = scan.state in (ScanState.REFUSED, ScanState.REDEEMED)
        return ended or scan.expires_at <= self._clock.now()

    def state_of(self, scan: Scan) -> str:
        """Name where a scan stands, in one word for the page that shows its code."""
        expired = scan.expires_at <= self._clock.now()
        if expired and scan.state not in (ScanState.REFUSED, ScanState.REDEEMED):
            return "expired"
        return scan.state.value

    async def _step(
        self, step: Step, scan: Scan, *, openid: str | None = None, unionid: str | None = None
    ) -> Scan | None:
        before, after = STEPS[step]
        return await self._store.advance(
            scan.id, before=before, after=after, now=self._clock.now(), openid=openid, unionid=unionid
        )


def scene_of(message: Message) -> str | None:
    """Read a scene that may be one of ours from the push of a scan, by a follower or by somebody new."""
    match message:
        case ScanEvent():
            scene = message.key
        case SubscribeEvent():
            scene = message.scene
        case _:
            return None
    return scene if _SCENE.fullmatch(scene) else None


def make_number(random: Random) -> str:
    """Make the two digits that screen and phone both show."""
    return str(10 + int.from_bytes(random(4)) % 90)


def _hash(scene: str) -> str:
    return fingerprint(Secret(scene))
