"""Test your own application against WeChat in a box.

    wechat      a whole world around your gateway: WeChat, a platform, an account that authorised it, users
    browser     a browser without scripts, and WeChat's own with what befalls its cookies
    PushClient  seals pushes for any ASGI application or address, ours or another's, and opens the answers
    fixtures    two pytest fixtures on them; nothing but that module imports pytest

Everything is real but WeChat: pushes are encrypted and travel over HTTP, and are kept in a database of a
temporary folder.
"""

from wxgate.testing.answers import Answer, Seen
from wxgate.testing.browser import Browser, PhoneBrowser, WeChatBrowser
from wxgate.testing.pushing import PushClient, SealedPush
from wxgate.testing.sites import Site
from wxgate.testing.world import WeChatAccount, WeChatUser, World, wechat

__all__ = [
    "Answer",
    "Browser",
    "PhoneBrowser",
    "PushClient",
    "SealedPush",
    "Seen",
    "Site",
    "WeChatAccount",
    "WeChatBrowser",
    "WeChatUser",
    "World",
    "wechat",
]
