"""How explanations word things: spans, days, permission sets and links, in English and Chinese."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from wxgate.custody.situations import Situation
from wxgate.protocol import permissions
from wxgate.protocol.permissions import AccountKind

CHINA = timezone(timedelta(hours=8))
"""WeChat's days and months end at midnight there."""


def next_day(now: datetime) -> datetime:
    """Give the moment at which WeChat's daily counts begin anew."""
    today = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


def needed_set(path: str, kind: str) -> int | None:
    """Tell which permission set a path needs for this kind of account, or for whichever has the path."""
    known = kind in (AccountKind.OFFICIAL_ACCOUNT, AccountKind.MINI_PROGRAM)
    return permissions.required_for(path, AccountKind(kind) if known else None)


def sets(ids: tuple[int, ...], lang: str = "en") -> str:
    """List permission sets with their names."""
    if lang == "zh":
        return "、".join(f"{id}（{permissions.name(id, 'zh')}）" for id in ids)
    return ", ".join(f"{id} ({permissions.name(id)})" for id in ids)


def page(at: Situation) -> str:
    """Give the page where the merchant authorises."""
    return at.link or f"/authorize/{at.issuer}"


def send(at: Situation, verb: str = "Send") -> str:
    """Say to whom the page goes; `verb` begins the sentence or goes on with it."""
    return f"{verb} the merchant {page(at)} to authorise again."


def send_zh(at: Situation) -> str:
    """Say it in Chinese."""
    return f"请商家打开 {page(at)} 重新授权。"


def listed(names: Sequence[str]) -> str:
    """List names."""
    return ", ".join(names)


def day(moment: datetime | None) -> str:
    """Write a moment in China's time."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if moment else "?"


def span(span: timedelta) -> str:
    """Write a span in its largest unit."""
    number, unit, _ = _parts(span)
    return f"{number} {unit}"


def span_zh(span: timedelta) -> str:
    """Write a span in Chinese."""
    number, _, unit = _parts(span)
    return f"{number} {unit}"


def _parts(span: timedelta) -> tuple[int, str, str]:
    seconds = max(0, round(span.total_seconds()))
    units = ((172_800, 86_400, "days", "天"), (7_200, 3_600, "hours", "小时"), (120, 60, "minutes", "分钟"))
    for least, size, name, name_zh in units:
        if seconds >= least:
            return seconds // size, name, name_zh
    return seconds, "seconds", "秒"
