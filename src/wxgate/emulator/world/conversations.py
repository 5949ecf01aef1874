"""What users saw and when they last wrote: the inbox, and the window in which an account may write to them.

An account may write within 48 hours of the user's last message, and only so many times (客服消息).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.world.refusals import refusal

FAULT_NOTICE = "该公众号提供的服务出现故障，请稍后再试"


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One thing a user saw; `source` is passive, custom or fault_notice, `sender` whose it was.

    `message` names the message it answers: for a customer-service message the one that opened the window.
    """

    at: float
    appid: str
    openid: str
    source: str
    type: str
    content: str | None
    fields: Mapping[str, Any]
    sender: str | None
    message: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control plane shows it."""
        return {
            "at": self.at,
            "appid": self.appid,
            "openid": self.openid,
            "from": self.source,
            "type": self.type,
            "content": self.content,
            "fields": self.fields,
            "sender": self.sender,
            "message": self.message,
        }


@dataclass(slots=True)
class _Window:
    opened_at: float
    message: str | None = None
    sent: int = 0


class Conversations:
    """Every user's inbox at every account."""

    def __init__(self, clock: EmulatorClock, switches: Switches) -> None:
        self._clock, self._switches = clock, switches
        self._inbox: list[InboxEntry] = []
        self._by_message: dict[str, list[InboxEntry]] = {}
        self._windows: dict[tuple[str, str], _Window] = {}

    def user_wrote(self, appid: str, openid: str, *, message: str | None = None) -> None:
        """Open the window in which the account may write."""
        self._windows[appid, openid] = _Window(self._clock.now(), message)

    def close(self, appid: str, openid: str) -> None:
        """Close the window: the user has left."""
        self._windows.pop((appid, openid), None)

    def send_custom(self, appid: str, openid: str, message: Mapping[str, Any], sender: str | None) -> None:
        """Put a customer-service message into the inbox; raises 45015 or 45047."""
        window = self._windows.get((appid, openid))
        if window is None or self._clock.now() >= window.opened_at + self._switches.custom_message_window:
            raise refusal(45015)
        if window.sent >= self._switches.custom_message_limit:
            raise refusal(45047)
        window.sent += 1
        kind = str(message.get("msgtype"))
        body = message.get(kind)
        fields = body if isinstance(body, Mapping) else {}
        self._put(appid, openid, "custom", kind, fields.get("content"), fields, sender, window.message)

    def show_reply(
        self,
        appid: str,
        openid: str,
        type: str,
        content: str | None,
        fields: Mapping[str, Any],
        sender: str,
        *,
        message: str | None = None,
    ) -> None:
        """Put a passive reply into the inbox."""
        self._put(appid, openid, "passive", type, content, fields, sender, message)

    def show_fault(self, appid: str, openid: str, *, message: str | None = None) -> None:
        """Put WeChat's own apology into the inbox."""
        self._put(appid, openid, "fault_notice", "text", FAULT_NOTICE, {}, None, message)

    def inbox(self, appid: str | None = None, openid: str | None = None) -> list[InboxEntry]:
        """Return what was seen, oldest first."""
        return [each for each in self._inbox if appid in (None, each.appid) and openid in (None, each.openid)]

    def seen_of(self, message: str) -> list[InboxEntry]:
        """Return what was seen in answer to one message, oldest first."""
        return list(self._by_message.get(message, ()))

    def _put(
        self,
        appid: str,
        openid: str,
        source: str,
        type: str,
        content: Any,
        fields: Mapping[str, Any],
        sender: str | None,
        message: str | None,
    ) -> None:
        entry = InboxEntry(self._clock.now(), appid, openid, source, type, content, fields, sender, message)
        self._inbox.append(entry)
        if message is not None:
            self._by_message.setdefault(message, []).append(entry)
