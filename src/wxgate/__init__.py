"""wxgate: a self-hosted gateway to the WeChat Open Platform.

The names below are the library's face; each is imported when first used, so that a part (the emulator, the
codec) can be used without loading the whole.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wxgate.errors import GatewayError as GatewayError
    from wxgate.errors import WeChatError as WeChatError
    from wxgate.events.replymaker import ReplyMaker as ReplyMaker
    from wxgate.gateway import Gateway as Gateway
    from wxgate.protocol import replies as reply
    from wxgate.server.calls import Account as Account

__version__ = "0.1.0"

__all__ = ["Account", "Gateway", "GatewayError", "ReplyMaker", "WeChatError", "__version__", "reply"]

_HOMES = {
    "Account": ("wxgate.server.calls", "Account"),
    "Gateway": ("wxgate.gateway", "Gateway"),
    "ReplyMaker": ("wxgate.events.replymaker", "ReplyMaker"),
    "GatewayError": ("wxgate.errors", "GatewayError"),
    "WeChatError": ("wxgate.errors", "WeChatError"),
    "reply": ("wxgate.protocol.replies", None),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wxgate' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    home = import_module(module)
    return getattr(home, attribute) if attribute else home
