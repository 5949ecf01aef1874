"""Parametric QR codes (带参数的二维码): a scene that comes back in the push when somebody scans it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.values import Values
from wxgate.emulator.world.refusals import refusal

DEFAULT_SECONDS, MOST_SECONDS = 60, 2_592_000
MOST_PERMANENT_ID, MOST_SCENE = 100_000, 64
_TEXT = {"QR_STR_SCENE", "QR_LIMIT_STR_SCENE"}
_NUMBER = {"QR_SCENE", "QR_LIMIT_SCENE"}
_PERMANENT = {"QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE"}


@dataclass(frozen=True, slots=True)
class QrCode:
    """One code: `ticket` shows it, `url` is what it says to a phone; permanent ones never expire."""

    ticket: str
    url: str
    appid: str
    scene: str
    expire_seconds: int | None
    expires_at: float | None


class QrCodes:
    """Every parametric QR code."""

    def __init__(self, values: Values, clock: EmulatorClock) -> None:
        self._values, self._clock = values, clock
        self._codes: dict[str, QrCode] = {}

    def make(self, appid: str, given: Mapping[str, Any]) -> QrCode:
        """Make a code from the body of qrcode/create; raises 40052 or 40053."""
        action = given.get("action_name")
        if action not in _TEXT | _NUMBER:
            raise refusal(40052)
        scene = _scene(given.get("action_info"), str(action))
        seconds = None if action in _PERMANENT else given.get("expire_seconds", DEFAULT_SECONDS)
        if seconds is not None and (type(seconds) is not int or not 0 < seconds <= MOST_SECONDS):
            raise refusal(40053)
        name = self._values.qr_name()
        code = QrCode(
            self._values.qr_ticket(),
            f"http://weixin.qq.com/q/{name}",
            appid,
            scene,
            seconds,
            None if seconds is None else self._clock.now() + seconds,
        )
        self._codes[code.ticket] = code
        return code

    def get(self, ticket: str) -> QrCode | None:
        """Return the code of a ticket unless it is over."""
        code = self._codes.get(ticket)
        return None if code is None or self._over(code) else code

    def all(self) -> list[QrCode]:
        """List the codes that can be scanned, oldest first."""
        return [each for each in self._codes.values() if not self._over(each)]

    def of_url(self, url: str) -> QrCode | None:
        """Return the code that says this to a phone."""
        return next((each for each in self._codes.values() if each.url == url and not self._over(each)), None)

    def of_scene(self, appid: str, scene: str) -> QrCode | None:
        """Return an account's latest code of a scene."""
        found = [each for each in self._codes.values() if (each.appid, each.scene) == (appid, scene)]
        return next((each for each in reversed(found) if not self._over(each)), None)

    def _over(self, code: QrCode) -> bool:
        return code.expires_at is not None and self._clock.now() >= code.expires_at


def _scene(info: Any, action: str) -> str:
    scene = info.get("scene") if isinstance(info, Mapping) else None
    given = scene.get("scene_str" if action in _TEXT else "scene_id") if isinstance(scene, Mapping) else None
    if action in _TEXT:
        if not isinstance(given, str) or not 1 <= len(given) <= MOST_SCENE:
            raise refusal(40053)
        return given
    most = MOST_PERMANENT_ID if action in _PERMANENT else 2**32 - 1
    if type(given) is not int or not 1 <= given <= most:
        raise refusal(40053)
    return str(given)
