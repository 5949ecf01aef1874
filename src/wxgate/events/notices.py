"""The gateway's own events: what it found out about an authorization without a push from WeChat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An authorization is in another state; `link` is where the merchant can authorise again.

    `name` is `wxgate.` and the new state, such as `wxgate.needs_reauthorization`.
    """

    name: str
    platform: str
    appid: str
    created_at: int
    before: str
    state: str
    reason: str
    link: str
    raw: Mapping[str, Any] = field(repr=False)


def parse_notice(name: str, platform: str, appid: str, created_at: int, fields: Mapping[str, Any]) -> Notice:
    """Read a recorded event of our own."""
    told = {key: str(fields.get(key) or "") for key in ("before", "state", "reason", "link")}
    return Notice(
        name=name,
        platform=platform,
        appid=appid,
        created_at=created_at,
        raw=fields,
        **told,
    )
