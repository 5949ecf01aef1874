"""Who exists in the emulator's world: platforms, accounts, users."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from wxgate.errors import ConfigError

MAIN = "main"
"""The open-platform account that accounts are bound to when nothing else is said."""


class Kind(StrEnum):
    """What an account is."""

    OFFICIAL_ACCOUNT = "official_account"
    MINI_PROGRAM = "mini_program"
    WEBSITE = "website"


@dataclass(slots=True)
class Platform:
    """A third-party platform and what its console holds.

    `oauth_domain` are the hosts that a login on behalf may lead back to (公众号开发域名); None allows any.
    """

    appid: str
    secret: str
    token: str
    aes_key: str
    name: str = "Emulated platform"
    events_url: str | None = None
    messages_url: str | None = None
    authorize_domain: list[str] = field(default_factory=list)
    oauth_domain: list[str] | None = None
    ip_whitelist: list[str] | None = None
    permission_sets: list[int] | None = None
    published: bool = True
    test_accounts: list[str] = field(default_factory=list)
    pushing: bool = True
    next_ticket_at: float = 0.0


@dataclass(slots=True)
class Server:
    """An account's own server configuration (服务器配置), beside any platform."""

    url: str
    token: str
    aes_key: str
    mode: str = "safe"
    format: str = "xml"


@dataclass(slots=True)
class Account:
    """An official account, a mini program or a website application.

    `open_account` names the open-platform account it is bound to: all accounts of one value know a user by
    one unionid, and "" stands for no binding and no unionid. `oauth_domains` are the hosts that a login may
    lead back to (网页授权域名, 授权回调域); None allows any.
    """

    appid: str
    user_name: str
    secret: str
    kind: Kind = Kind.OFFICIAL_ACCOUNT
    nick_name: str = "Emulated account"
    service_type: int = 2
    verify_type: int = 0
    principal_name: str = "个人"
    signature: str = ""
    alias: str = ""
    server: Server | None = None
    ip_whitelist: list[str] | None = None
    capabilities: list[int] | None = None
    options: dict[str, str] = field(default_factory=dict)
    open_account: str = MAIN
    oauth_domains: list[str] | None = None

    def can(self, permission_set: int) -> bool:
        """Tell whether the account itself has the right; without a list it has every right."""
        return self.capabilities is None or permission_set in self.capabilities


@dataclass(slots=True)
class User:
    """A person with WeChat, known to every account under another openid.

    `unionid` is that of the open-platform account `main`, `unionids` has those of the others.
    """

    id: str
    unionid: str
    nickname: str = "Emulated user"
    headimgurl: str = "https://thirdwx.qlogo.cn/mmopen/emulator/132"
    openids: dict[str, str] = field(default_factory=dict)
    followed_at: dict[str, int] = field(default_factory=dict)
    unionids: dict[str, str] = field(default_factory=dict)


def merge(entity: Platform | Account | User, given: Mapping[str, Any]) -> None:
    """Put the given values into an entity; raises ConfigError for a name that it does not have."""
    known = {each.name for each in fields(entity)}
    for name, value in given.items():
        if name not in known:
            kind = {Platform: "a platform", Account: "an account", User: "a user"}[type(entity)]
            raise ConfigError(f"{kind} has no {name!r}, only {', '.join(sorted(known))}")
        setattr(entity, name, value)
