"""What the release test (全网发布检测) needs of custody and of WeChat, put together."""

from functools import partial
from typing import Any

from wxgate.client.api import WeChatApi
from wxgate.client.component import ComponentApi, Granted
from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.sources import component_key
from wxgate.custody.tickets import TicketHealth, Tickets
from wxgate.events.ports import ReleaseTests
from wxgate.events.release_remarks import Remark
from wxgate.events.release_testing import ReleaseListener, ReleaseTesting, TicketNews
from wxgate.secret import AccessToken, AuthorizationCode, ComponentToken


def make_release_testing(
    store: ReleaseTests,
    *,
    api: WeChatApi,
    component: ComponentApi,
    keeper: TokenKeeper,
    tickets: Tickets,
    listener: ReleaseListener,
    clock: Clock,
    enabled: bool,
) -> ReleaseTesting:
    """Make it, with an exchange that leaves no authorization behind."""

    async def exchange(platform: str, code: AuthorizationCode) -> Granted:
        async def spend(token: AccessToken) -> Granted:
            return await component.exchange(platform, ComponentToken.of(token), code)

        return await keeper.using(component_key(platform), spend)

    return ReleaseTesting(
        store,
        exchange=exchange,
        send=partial(_send, api),
        ticket=partial(_ticket, tickets),
        listener=listener,
        clock=clock,
        enabled=enabled,
    )


async def _send(api: WeChatApi, token: AccessToken, body: dict[str, Any]) -> None:
    query = {"access_token": token.reveal()}
    await api.call("POST", "/cgi-bin/message/custom/send", query=query, json=body)


async def _ticket(tickets: Tickets, platform: str) -> TicketNews:
    age = await tickets.age(platform)
    if age.age is None:
        return TicketNews(False, Remark("no_ticket"))
    remark = Remark("ticket", {"seconds": round(age.age.total_seconds())})
    return TicketNews(age.health is TicketHealth.GOOD, remark)
