"""What is wrong with how login is set up, found without asking WeChat; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from wxgate.login.oidc.terms import GrantType
from wxgate.login.records import App, AppKind, Client, Realm
from wxgate.login.registration import LOOPBACK, KnownAccount
from wxgate.protocol.tokens import DIRECT_ISSUER


@dataclass(frozen=True, slots=True)
class LoginFinding:
    """One thing to mend, or, where it is not `wrong`, to know."""

    code: str
    wrong: bool
    about: str
    text: str
    text_zh: str

    def as_document(self) -> dict[str, object]:
        """Describe it for machines."""
        return {
            "code": self.code, "wrong": self.wrong, "about": self.about, "text": self.text,
            "text_zh": self.text_zh,
        }  # fmt: skip


def check_login(
    *,
    base_url: str,
    realms: Sequence[Realm],
    apps: Sequence[App],
    clients: Sequence[Client],
    known: Mapping[str, KnownAccount],
) -> Sequence[LoginFinding]:
    """Look at everything login needs; what WeChat's consoles hold is not seen from here."""
    found = [*_check_address(base_url)]
    for realm in realms:
        mine = [app for app in apps if app.realm == realm.name]
        theirs = [client for client in clients if client.realm == realm.name]
        found += _check_realm(realm, mine, theirs)
    for app in apps:
        found += _check_app(app, known.get(app.appid, KnownAccount()))
    return found


def _check_address(base_url: str) -> Iterator[LoginFinding]:
    parts = urlsplit(base_url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        yield LoginFinding(
            "no_https", True, base_url,
            "WXGATE_PUBLIC_BASE_URL is not https: browsers drop the cookies of login, and WeChat warns of it",
            "WXGATE_PUBLIC_BASE_URL 不是 https：登录 Cookie 会被浏览器丢弃，微信也会提示不安全",
        )  # fmt: skip
    elif parts.scheme != "https":
        yield LoginFinding(
            "local_address", False, base_url,
            "WXGATE_PUBLIC_BASE_URL is this machine; nobody comes back to it from WeChat's pages elsewhere",
            "WXGATE_PUBLIC_BASE_URL 指向本机，其他设备无法从微信页面返回",
        )  # fmt: skip


def _check_realm(realm: Realm, apps: Sequence[App], clients: Sequence[Client]) -> Iterator[LoginFinding]:
    kinds = {app.kind for app in apps}
    if not apps:
        yield LoginFinding(
            "empty_realm", True, realm.name,
            "nobody can log in: the realm has no app (wxgate login app add)",
            "该登录域没有应用，无人可以登录（wxgate login app add）",
        )  # fmt: skip
        return
    if AppKind.OFFICIAL not in kinds:
        yield LoginFinding(
            "no_official_app", False, realm.name,
            "no official account in this realm: nobody logs in inside WeChat, only by scanning on a desktop",
            "没有公众号应用：无法在微信内登录，只能在电脑上扫码",
        )  # fmt: skip
    if AppKind.WEBSITE not in kinds:
        yield LoginFinding(
            "no_website_app", False, realm.name,
            "no website application in this realm: on a desktop people scan a QR code of the account instead",
            "没有网站应用：电脑上将改用公众号二维码扫码登录",
        )  # fmt: skip
    if not clients and not realm.return_to:
        yield LoginFinding(
            "nowhere_to_go", False, realm.name,
            "no client and no address to send people back to: only pages of this very host can use the login",
            "没有客户端，也没有回跳地址：只有同一主机的页面能使用登录",
        )  # fmt: skip
    for client in clients:
        if "authorization_code" in client.grants and not client.redirect_uris:
            yield from _check_without_redirect(realm, client)


def _check_without_redirect(realm: Realm, client: Client) -> Iterator[LoginFinding]:
    """Look at a client that nobody is sent back to: it is of use where there are other ways."""
    if not realm.return_to and GrantType.TOKEN_EXCHANGE.value not in client.grants:
        yield LoginFinding(
            "no_redirect_uri", True, client.name,
            "nobody can log in to this client: it has no redirect URI (wxgate login client set "
            "--redirect-uri), and its realm no address for a hand-over (wxgate login realm set --return-to)",
            "无法登录该客户端：没有回调地址（wxgate login client set --redirect-uri），登录域也没有回跳地址"
            "（wxgate login realm set --return-to）",
        )  # fmt: skip


def _check_app(app: App, known: KnownAccount) -> Iterator[LoginFinding]:
    own_secret = bool(app.secret) or DIRECT_ISSUER in known.issuers
    if app.issuer == DIRECT_ISSUER and not own_secret:
        yield LoginFinding(
            "no_secret", True, app.name,
            f"{app.appid} logs in with its own AppSecret, and there is none (wxgate login app set {app.name} "
            "--secret-file)",
            f"{app.appid} 需要自己的 AppSecret，但尚未提供（wxgate login app set {app.name} --secret-file）",
        )  # fmt: skip
    if app.issuer != DIRECT_ISSUER and app.issuer not in known.issuers:
        yield LoginFinding(
            "not_authorized", True, app.name,
            f"{app.appid} has not authorised platform {app.issuer}, or took it back; "
            f"wxgate invite {app.issuer}",
            f"{app.appid} 未授权平台 {app.issuer}，或已取消授权（wxgate invite {app.issuer}）",
        )  # fmt: skip
    if known.kind is not None and app.kind is not known.kind:
        yield LoginFinding(
            "wrong_kind", True, app.name,
            f"{app.appid} is kept as {app.kind}, and WeChat says {known.kind}; remove it and add it again",
            f"{app.appid} 登记为 {app.kind}，而微信称其为 {known.kind}；请删除后重新添加",
        )  # fmt: skip
