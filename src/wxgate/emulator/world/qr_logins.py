"""QR codes of 网站应用扫码登录: waiting, scanned, confirmed or refused, expired.

waiting --scan--> scanned --confirm--> confirmed
   ^                 |
   +----- refuse ----+     and from every state but confirmed: expired
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.errors import ConfigError, NotFound


class QrState(StrEnum):
    """How a QR code stands; the page's script knows each by a number."""

    WAITING = "waiting"
    SCANNED = "scanned"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    EXPIRED = "expired"


WX_ERRCODES = {
    QrState.WAITING: 408,
    QrState.SCANNED: 404,
    QrState.CONFIRMED: 405,
    QrState.REFUSED: 403,
    QrState.EXPIRED: 402,
}


@dataclass(slots=True)
class QrLogin:
    """One QR code on one page, and the person who scanned it; `polls` counts how often the page asked."""

    uuid: str
    appid: str
    redirect_uri: str
    state: str
    expires_at: float
    at: QrState = QrState.WAITING
    user: str | None = None
    code: str = ""
    polls: int = 0


class QrLogins:
    """Every QR code of a website; whoever is in `changed` is called when one of them changes."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._logins: dict[str, QrLogin] = {}
        self.changed: set[Callable[[], None]] = set()

    def make(self, appid: str, redirect_uri: str, state: str) -> QrLogin:
        """Make the QR code of one page."""
        expires_at = self._clock.now() + self._switches.qr_lifetime
        login = QrLogin(self._values.qr_uuid(), appid, redirect_uri, state, expires_at)
        self._logins[login.uuid] = login
        return login

    def all(self) -> list[QrLogin]:
        """Return every QR code, oldest first, as each stands now."""
        return [self._aged(each) for each in self._logins.values()]

    def get(self, uuid: str) -> QrLogin | None:
        """Return a QR code by its name, as it stands now."""
        login = self._logins.get(uuid)
        return login and self._aged(login)

    def find(self, *, uuid: str | None = None, state: str | None = None) -> QrLogin:
        """Return the QR code of this name, or the latest of this state; raises NotFound."""
        if uuid is None and state is None:
            raise ConfigError("say which: 'uuid' or 'state' is missing")
        found = [each for each in self.all() if uuid in (None, each.uuid) and state in (None, each.state)]
        if not found:
            raise NotFound("there is no such QR code")
        return found[-1]

    def scan(self, login: QrLogin, user: str) -> None:
        """Let a user scan a QR code; a second person takes it over until somebody confirms."""
        if login.at not in (QrState.WAITING, QrState.SCANNED, QrState.REFUSED):
            raise ConfigError(f"this QR code is {login.at}")
        login.user = user
        self._move(login, QrState.SCANNED)

    def confirm(self, login: QrLogin, code: str) -> None:
        """Let whoever scanned it confirm."""
        self._check_scanned(login)
        login.code = code
        self._move(login, QrState.CONFIRMED)

    def refuse(self, login: QrLogin) -> None:
        """Let whoever scanned it refuse; the page is told once, and may be scanned again."""
        self._check_scanned(login)
        self._move(login, QrState.REFUSED)

    def tell(self, login: QrLogin) -> tuple[int, str]:
        """Return wx_errcode and wx_code for the page as the QR code stands."""
        told = WX_ERRCODES[login.at], login.code
        if login.at is QrState.REFUSED:
            login.at, login.user = QrState.WAITING, None
        return told

    def _check_scanned(self, login: QrLogin) -> None:
        if login.at is not QrState.SCANNED:
            raise ConfigError(f"nobody has scanned this QR code; it is {login.at}")

    def _aged(self, login: QrLogin) -> QrLogin:
        if login.at is not QrState.CONFIRMED and self._clock.now() >= login.expires_at:
            login.at = QrState.EXPIRED
        return login

    def _move(self, login: QrLogin, to: QrState) -> None:
        login.at = to
        for tell in list(self.changed):
            tell()
