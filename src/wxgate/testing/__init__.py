"""Test your own application against WeChat in a box.

    wechat      a whole world around your gateway: WeChat, a platform, an account that authorised it, users
    PushClient  seals pushes for any ASGI application or address, ours or another's, and opens the answers
    fixtures    two pytest fixtures on them; nothing but that module imports pytest

Everything is real but WeChat: pushes are encrypted and travel over HTTP, and are kept in a database of a
temporary folder.
"""

from wxgate.testing.answers import Answer, Seen
from wxgate.testing.pushing import PushClient, SealedPush
from wxgate.testing.world import WeChatAccount, WeChatUser, World, wechat

__all__ = [
    "Answer",
    "PushClient",
    "SealedPush",
    "Seen",
    "WeChatAccount",
    "WeChatUser",
    "World",
    "wechat",
]
