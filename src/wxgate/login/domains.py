"""Which of our hosts WeChat must know for an app, and where that is entered in its consoles."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from wxgate.login.records import App, AppKind
from wxgate.protocol.tokens import DIRECT_ISSUER


@dataclass(frozen=True, slots=True)
class NeededDomain:
    """A host to enter, and where; nothing is needed where `host` is empty."""

    host: str
    where: str
    where_zh: str

    def as_document(self) -> dict[str, str]:
        """Describe it for machines."""
        return {"host": self.host, "where": self.where, "where_zh": self.where_zh}


def needed_domain(app: App, base_url: str) -> NeededDomain:
    """Say what WeChat checks the address against that it sends people back to."""
    host = urlsplit(base_url).netloc
    match app.kind:
        case AppKind.MINI_PROGRAM:
            return NeededDomain(
                "",
                "a mini program brings its code itself; no page of WeChat's is involved",
                "小程序无需配置登录域名",
            )
        case AppKind.WEBSITE:
            return NeededDomain(
                host,
                "open.weixin.qq.com: 管理中心 → 网站应用 → 开发信息 → 授权回调域",
                "微信开放平台：管理中心 → 网站应用 → 开发信息 → 授权回调域",
            )
        case _ if app.issuer == DIRECT_ISSUER:
            return NeededDomain(
                host,
                "mp.weixin.qq.com, of this account: 设置与开发 → 账号设置 → 功能设置 → 网页授权域名",
                "公众平台（该账号）：设置与开发 → 账号设置 → 功能设置 → 网页授权域名",
            )
        case _:
            return NeededDomain(
                host,
                "open.weixin.qq.com, of the platform: 管理中心 → 第三方平台 → 开发资料 → 公众号开发域名; "
                "nothing at the account",
                "微信开放平台：管理中心 → 第三方平台 → 开发资料 → 公众号开发域名；账号侧无需配置",
            )
