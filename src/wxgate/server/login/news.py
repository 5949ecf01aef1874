"""News of login, recorded and delivered like every event of the gateway's own."""

from collections.abc import Callable
from hashlib import sha256

from wxgate.clock import Clock
from wxgate.events.ports import Inbox
from wxgate.events.records import EventKind, NewEvent
from wxgate.events.subscribers import FanoutOf
from wxgate.login.news import News, Tell


def make_tell(
    inbox: Inbox,
    clock: Clock,
    *,
    fanout_of: FanoutOf,
    queued: Callable[[], object],
    heard: Callable[[], object],
) -> Tell:
    """Make what tells subscribers, streams and handlers of login's news."""

    async def tell(news: News) -> None:
        now = clock.now()
        new = NewEvent(
            dedup_key=sha256(f"login\0{news.key}".encode()).hexdigest(),
            issuer=news.issuer,
            appid=news.appid,
            kind=EventKind.GATEWAY,
            name=news.name,
            openid="",
            msg_id=None,
            created_at=int(now.timestamp()),
            received_at=now,
            source_ip="",
            fields=dict(news.fields),
        )
        fanout = fanout_of(new)
        # Under a lease that has ended, so that the next sweep has it handled.
        recorded = await inbox.record(new, holder="", lease_until=now, fanout=fanout)
        if recorded.fresh:
            heard()
            if fanout:
                queued()

    return tell
