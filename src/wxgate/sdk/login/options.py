"""What an application says once: its gateway, its client there, its own address and its secret."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from wxgate.errors import ConfigError
from wxgate.sdk.login.core import Limits, Need, Policy

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a login; every adapter takes them by these names.

    issuer          the realm at the gateway: https://gateway.example/oidc/main
    client_id       from `wxgate login client add`; without a client_secret it is a public client
    secret_key      at least 32 characters, the same on every process: seals the cookies. Of several the first
                    seals and all open, so that it can be changed without logging everybody out
    base_url        where visitors reach this site: https://shop.example; registered at the gateway are
                    {base_url}{path}/callback and, for logouts, {base_url}{path}/backchannel-logout
    path            the folder of the pages of a login
    need            what every page needs unless it says otherwise: nothing, silent, login
    profile         ask for nickname and avatar at every login
    scopes          what to ask for besides `openid` and `profile`, as `wechat` for the openid
    app             which app of the realm to log in with, where there are several
    after_logout    where a logout ends: a path, also registered at the gateway (as {base_url}/...)
    cookie          the beginning of the names of our cookies
    """

    issuer: str
    client_id: str
    secret_key: str | Sequence[str] = field(repr=False)
    base_url: str
    client_secret: str = field(default="", repr=False)
    path: str = "/wechat"
    need: Need | str = Need.NOTHING
    profile: bool = False
    scopes: Sequence[str] = ()
    app: str = ""
    after_logout: str = "/"
    cookie: str = "wxlogin"
    idle: timedelta = Limits().idle
    absolute: timedelta = Limits().absolute
    recheck_after: timedelta = Limits().recheck_after
    recheck_elsewhere: timedelta = Limits().recheck_elsewhere

    def __post_init__(self) -> None:
        """Refuse what could not work, with what to change."""
        for name in ("issuer", "base_url"):
            _check_address(name, getattr(self, name))
        if not self.client_id:
            raise ConfigError("client_id is empty; `wxgate login client add` makes one")
        if self.need not in list(Need):
            raise ConfigError(f"need must be one of {', '.join(Need)}, not {self.need!r}")
        for name in ("path", "after_logout"):
            if not getattr(self, name).startswith("/"):
                raise ConfigError(f"{name} must begin with a slash")

    @property
    def secrets(self) -> Sequence[str]:
        """The secrets that open cookies; the first seals."""
        return (self.secret_key,) if isinstance(self.secret_key, str) else tuple(self.secret_key)

    @property
    def origin(self) -> str:
        """Scheme, host and port of this site."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def root(self) -> str:
        """The path under which the whole site lies; mostly empty."""
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def folder(self) -> str:
        """The path under which the pages of a login lie, as requests name it."""
        return f"{self.root}{self.path.rstrip('/')}"

    @property
    def redirect_uri(self) -> str:
        """Where the gateway sends visitors back to."""
        return f"{self.origin}{self.folder}/callback"

    @property
    def is_secure(self) -> bool:
        """Tell whether visitors come by https."""
        return self.base_url.startswith("https://")

    @property
    def limits(self) -> Limits:
        """How long sessions live."""
        return Limits(self.idle, self.absolute, self.recheck_after, self.recheck_elsewhere)

    @property
    def policy(self) -> Policy:
        """What every page demands unless it says otherwise."""
        return Policy(Need(self.need), profile=self.profile)


def _check_address(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{name} must be an address as https://shop.example, not {url!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{name} must not name a user")
    is_here = parts.hostname in LOOPBACK or parts.hostname.endswith(".localhost")
    if parts.scheme == "http" and not is_here:
        raise ConfigError(f"{name} must be https; http will do for localhost only")
