"""Which events a key may see."""

from wxgate.custody.clients import Client
from wxgate.events.records import NewEvent
from wxgate.server.node import Node


async def reaches(node: Node, client: Client, event: NewEvent) -> bool:
    """Tell whether an event is within a key's reach; a platform's own are for keys that name no accounts."""
    reach = client.reach
    if not reach.has_issuer(event.issuer):
        return False
    if not reach.names_accounts:
        return True
    return bool(event.appid) and reach.has_account(event.appid, await node.targets.tags(event.appid))
