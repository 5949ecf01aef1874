"""What realms, apps and clients may be: checked before they are kept, in words for whoever typed them.

A redirect URI is compared as a whole later on (RFC 9700), so nothing here makes one fit: what could be read
in two ways is refused.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

from wxgate.errors import ConfigError
from wxgate.login.addresses import origin_of
from wxgate.login.oidc.terms import ALGORITHMS, GrantType, ScopeName
from wxgate.login.records import AppKind, SessionLimits
from wxgate.secret import AppSecret

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
"""Names of realms and apps: they stand in addresses and in names of cookies."""

RESERVED = frozenset({"callback"})
"""Names that no app may have: addresses under /login/wechat/ mean something else by them."""

TITLE_LIMIT = 100
ADDRESS_LIMIT = 2000
MOST_ADDRESSES = 100

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=400)
"""A browser keeps no cookie for longer."""

GRANTS = frozenset(kind.value for kind in GrantType)
SCOPES = frozenset(name.value for name in ScopeName)
"""What a client may get tokens for, and what it may learn."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_PLAIN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+")


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What the gateway knows of an appid: who may act for it, and what it is."""

    issuers: tuple[str, ...] = ()
    """The platforms it has authorised, and `direct` where it is connected with its own secret."""
    kind: AppKind | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class NewApp:
    """An app to be; what is None is found out, or stays as it is."""

    name: str
    appid: str
    realm: str | None = None
    kind: AppKind | None = None
    issuer: str | None = None
    title: str | None = None
    secret: AppSecret | None = None


@dataclass(frozen=True, slots=True)
class NewClient:
    """A relying party to be; a public one gets no secret."""

    name: str
    redirect_uris: tuple[str, ...] = ()
    public: bool = False
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    pairwise: bool = False
    sector: str = ""
    grants: frozenset[str] = frozenset({"authorization_code"})
    scopes: frozenset[str] = frozenset({"openid", "profile"})
    require_pkce: bool = True
    algorithm: str = "RS256"
    limits: SessionLimits | None = None


def check_name(what: str, name: str) -> str:
    """Refuse what cannot name a realm or an app."""
    if not NAME.fullmatch(name) or (what == "app" and name in RESERVED):
        raise ConfigError(
            f"{name!r} cannot name {'an app' if what == 'app' else 'a realm'}: up to 40 small letters, "
            f"digits and hyphens, such as shop{' (callback is taken)' if what == 'app' else ''}"
        )
    return name


def check_title(title: str) -> str:
    """Refuse a title that is empty or that a page cannot show."""
    title = " ".join(title.split())
    if not title or len(title) > TITLE_LIMIT or not title.isprintable():
        raise ConfigError(f"give it a title of up to {TITLE_LIMIT} characters: people read it")
    return title


def check_limits(limits: SessionLimits) -> SessionLimits:
    """Refuse times that make no session."""
    if not SHORTEST <= limits.idle <= limits.absolute <= LONGEST:
        raise ConfigError(
            "a session ends after some time unused (idle, at least a minute), and whatever happens after its "
            "whole life (absolute: not shorter than idle, at most 400 days)"
        )
    if limits.recheck_after < SHORTEST:
        raise ConfigError("WeChat is asked again after a minute at the soonest (recheck)")
    return limits


def check_redirect_uris(uris: Iterable[str]) -> tuple[str, ...]:
    """Refuse addresses that are no exact https address; http is good on this machine alone."""
    return _checked(uris, check_redirect_uri)


def check_redirect_uri(uri: str) -> str:
    """Refuse what is no exact address to come back to."""
    parts = _split(uri)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ConfigError(f"{uri!r}: write https://; http:// is good for localhost and 127.0.0.1 alone")
    return uri


def check_return_to(entries: Iterable[str]) -> tuple[str, ...]:
    """Refuse what is neither an origin (https://shop.example) nor a whole address; http is allowed."""
    return _checked(entries, _check_return_to)


def _check_return_to(entry: str) -> str:
    parts = _split(entry)
    if origin_of(entry) is None:
        raise ConfigError(f"{entry!r} is no address that people can be sent to")
    return entry.rstrip("/") if parts.path in ("", "/") and not parts.query else entry


def check_client(new: NewClient) -> NewClient:
    """Refuse a client that makes no sense, and return it with its texts made plain."""
    _check_subset("grant", new.grants, GRANTS)
    _check_subset("scope", new.scopes, SCOPES)
    if "openid" not in new.scopes:
        raise ConfigError("a client needs the scope openid: without it there is nobody to tell of")
    if "offline_access" in new.scopes and "refresh_token" not in new.grants:
        raise ConfigError("offline_access gives refresh tokens: allow the grant refresh_token as well")
    if new.algorithm not in ALGORITHMS:
        raise ConfigError(f"ID tokens are signed with RS256 or ES256, not with {new.algorithm!r}")
    if new.public and not new.require_pkce:
        raise ConfigError("a public client has no secret; what protects its codes is PKCE, so it stays")
    if new.sector and (len(new.sector) > TITLE_LIMIT or not _PLAIN.fullmatch(new.sector)):
        raise ConfigError("the sector is a word, such as the host that these clients share")
    if new.limits is not None:
        check_limits(new.limits)
    backchannel = new.backchannel_logout_uri
    return replace(
        new,
        name=check_title(new.name),
        redirect_uris=check_redirect_uris(new.redirect_uris),
        post_logout_redirect_uris=check_redirect_uris(new.post_logout_redirect_uris),
        backchannel_logout_uri=check_redirect_uri(backchannel) if backchannel else None,
    )


def choose_kind(new: NewApp, known: KnownAccount) -> AppKind:
    """Say what an app is: what it was said to be, or what the gateway knows of its appid."""
    if new.kind is not None:
        if known.kind is not None and new.kind is not known.kind:
            raise ConfigError(f"{new.appid} is {_a(known.kind)}, not {_a(new.kind)}")
        return new.kind
    if known.kind is not None:
        return known.kind
    if known.issuers:
        raise ConfigError(f"say what {new.appid} is: --kind official (公众号) or --kind miniprogram (小程序)")
    raise ConfigError(
        f"this gateway does not know {new.appid}; say what it is, and give its secret: "
        "--kind official (公众号), --kind website (网站应用) or --kind miniprogram (小程序); "
        "or connect the account first (wxgate invite, wxgate account add)"
    )


def choose_issuer(new: NewApp, kind: AppKind, known: KnownAccount, direct: str) -> str:
    """Say on whose behalf an app logs people in: a platform's, or its own (`direct`)."""
    if kind is AppKind.WEBSITE:
        if new.issuer not in (None, direct):
            raise ConfigError(
                "a website application (网站应用) logs in with its own secret; no platform can do it"
            )
        return direct
    if new.issuer is not None:
        if new.issuer not in known.issuers and not (new.issuer == direct and new.secret):
            raise ConfigError(f"{new.appid} has not authorised {new.issuer!r} here{_choices(known)}")
        return new.issuer
    if new.secret is not None:
        return direct
    match known.issuers:
        case (only,):
            return only
        case ():
            raise ConfigError(
                f"nobody may act for {new.appid} here; let it authorise a platform (wxgate invite), or give "
                "its own AppSecret"
            )
        case _:
            raise ConfigError(f"several may act for {new.appid}; say which one{_choices(known)}")


def _choices(known: KnownAccount) -> str:
    return f": {', '.join(known.issuers)}" if known.issuers else ""


def _a(kind: AppKind) -> str:
    names = {
        AppKind.OFFICIAL: "an official account (公众号)",
        AppKind.MINI_PROGRAM: "a mini program (小程序)",
        AppKind.WEBSITE: "a website application (网站应用)",
    }
    return names[kind]


def _checked(entries: Iterable[str], check: Callable[[str], str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(check(one) for one in entries))
    if len(found) > MOST_ADDRESSES:
        raise ConfigError(f"at most {MOST_ADDRESSES} addresses")
    return found


def _check_subset(what: str, given: frozenset[str], known: frozenset[str]) -> None:
    if strange := sorted(given - known):
        raise ConfigError(f"there is no {what} {strange[0]!r}; there are {', '.join(sorted(known))}")


def _split(address: str) -> SplitResult:
    """Take an address apart, once; whatever two programs could read differently is refused."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{address!r} is no address") from None
    host = parts.hostname or ""
    plain = len(address) <= ADDRESS_LIMIT and _PLAIN.fullmatch(address) and "\\" not in address
    if not plain or parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or port == 0:
        raise ConfigError(f"{address!r} is no address; write it whole, such as https://shop.example/callback")
    if "@" in parts.netloc:
        raise ConfigError(f"{address!r} names a user before the host; leave that out")
    if "#" in address:
        raise ConfigError(f"{address!r} has a fragment (#); nothing behind it ever reaches a server")
    if "*" in address:
        raise ConfigError(f"{address!r} has a wildcard; addresses are compared exactly, so list each one")
    return parts
