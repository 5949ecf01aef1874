"""How platforms and accounts stand just now, gathered once for whoever shows it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wxgate.custody.key_advice import KeyAdvice, advise
from wxgate.custody.key_uses import Seen
from wxgate.custody.records import (
    AccountInfo,
    Authorization,
    AuthorizationFilter,
    DirectAccount,
    KeptToken,
    Platform,
    RefreshTokenChange,
)
from wxgate.custody.sources import authorizer_key, component_key
from wxgate.custody.tickets import TicketAge
from wxgate.server.node import Node


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """A platform's ticket and token, and how many authorizations are in which state."""

    ticket: TicketAge
    token: KeptToken | None
    authorizations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Right:
    """One platform's right to act for an account, with its token and the history of its refresh token."""

    authorization: Authorization
    token: KeptToken | None
    history: Sequence[RefreshTokenChange]


async def platform_status(node: Node, platform: Platform) -> PlatformStatus:
    """Tell how a platform stands."""
    found = await node.authorizations.find(AuthorizationFilter(platform=platform.appid))
    return PlatformStatus(
        await node.tickets.age(platform.appid),
        await node.keeper.peek(component_key(platform.appid)),
        Counter(str(one.state) for one in found),
    )


@dataclass(frozen=True, slots=True)
class KeysInUse:
    """When each push token and AES key was last seen, and what that suggests."""

    seen: Sequence[Seen]
    advice: Sequence[KeyAdvice]


async def keys_in_use(node: Node, receiver: Platform | DirectAccount) -> KeysInUse:
    """Tell which of a receiver's tokens and AES keys are in use."""
    seen = await node.key_uses.of(receiver)
    return KeysInUse(seen, advise(seen, node.clock.now()))


async def rights(node: Node, appid: str) -> list[Right]:
    """List who may or might act for an account."""
    return [
        Right(
            one,
            await node.keeper.peek(authorizer_key(one.platform, appid)),
            await node.authorizations.history(one.platform, appid),
        )
        for one in await node.authorizations.find(AuthorizationFilter(appid=appid))
    ]


async def account_infos(node: Node) -> Mapping[str, AccountInfo]:
    """Load what WeChat told of every account."""
    return {info.appid: info for info in await node.store.accounts.list()}
