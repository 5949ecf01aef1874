"""Every setting in one table: name, default, help. Environment (WXGATE_...), then file, then default."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wxgate.errors import ConfigError

PREFIX = "WXGATE_"

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


class Settings(BaseSettings):
    """What an operator can set; unknown names are refused."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file="wxgate.env", env_file_encoding="utf-8", extra="forbid", frozen=True
    )

    database_url: str = Field(
        "sqlite:///wxgate.db",
        repr=False,  # may hold a password
        description="Where everything is kept: sqlite:///path for one machine, postgresql://… for many.",
    )
    keys: SecretStr = Field(
        SecretStr(""),
        description="Sealing keys as id:base64, comma separated, current first. Empty: use the key file.",
    )
    key_file: Path = Field(
        Path("wxgate.key"),
        description="The sealing keys, made at first start (mode 0600). Back it up apart from the database.",
    )
    public_base_url: str = Field(
        "http://127.0.0.1:8000",
        description="The address people and WeChat reach this gateway at; the only source of links it makes.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Server processes on this machine.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed, "
        "comma separated. Empty: none.",
    )
    api_base_url: str = Field("https://api.weixin.qq.com", description="WeChat's API host.")
    mp_base_url: str = Field(
        "https://mp.weixin.qq.com", description="Host of WeChat's PC authorization page."
    )
    open_base_url: str = Field(
        "https://open.weixin.qq.com", description="Host of WeChat's H5 authorization page and login pages."
    )
    res_base_url: str = Field(
        "https://res.wx.qq.com", description="Host of wxLogin.js, which shows WeChat's login QR code in ours."
    )
    outbound_proxy: str = Field(
        "",
        repr=False,  # may hold a password
        description="HTTP proxy for calls to WeChat. Empty: none.",
    )
    push_limit: int = Field(
        1024 * 1024,
        ge=4096,
        description="The largest push body accepted, in bytes. WeChat's are a few kilobytes.",
    )
    push_window: int = Field(
        600, ge=30, description="How far a push's timestamp may be from our clock, in seconds, either way."
    )
    reply_deadline: float = Field(
        4.5, gt=0, le=5, description="Seconds a handler has to reply; WeChat waits five and then asks again."
    )
    release_test: bool = Field(
        True,
        description="Answer WeChat's release test (全网发布检测) by itself, for all its test accounts; "
        "handlers and subscribers hear nothing of it.",
    )
    development_push_timeout: float = Field(
        5,
        gt=0,
        le=60,
        description="Development only: seconds WeChat waits for an answer to a push; lower it together with "
        "the emulator's push_timeout.",
    )
    daily_fetches: int = Field(
        2000,
        ge=0,
        description="How often a day a platform's own token, a direct account's token and a page ticket may "
        "each be fetched, by all nodes together. 0: no limit.",
    )
    daily_authorizer_fetches: int = Field(
        0,
        ge=0,
        description="How often a day a platform may fetch tokens to act for accounts, all of them together. "
        "0: no limit; WeChat publishes none.",
    )
    renew_window_hours: float = Field(
        48,
        ge=0,
        description="Tokens of accounts used within so many hours are renewed ahead of need; idle ones when "
        "they are asked for. 0: never ahead, except for platforms' own tokens.",
    )
    renewals_at_once: int = Field(
        20, ge=1, le=1000, description="How many tokens one process renews ahead at the same time."
    )
    renewal_lease_seconds: float = Field(
        15,
        ge=0.1,
        le=600,
        description="Seconds a process that renews a token may be silent before another takes over.",
    )
    reconcile_hours: float = Field(
        24,
        ge=0,
        le=8760,
        description="Every how many hours each platform's authorizations are compared with WeChat's list, by "
        "one node for all. 0: only when asked.",
    )
    subscriber_networks: str = Field(
        "",
        description="Networks that subscribers may be in although they are not public, such as 10.0.0.0/8 or "
        "127.0.0.0/8, comma separated. Empty: none.",
    )
    deliveries_at_once: int = Field(
        64, ge=1, le=1000, description="How many events one process sends to subscribers at the same time."
    )
    retention: str = Field(
        "message=30d,2GB; event=30d,2GB; component=365d,200MB; gateway=365d,100MB; push=14d,1000000rows",
        description="How long and how much is kept of each kind of event and of the push log. What is not "
        "named is kept as by default.",
    )
    redact_after_hours: float = Field(
        0,
        ge=0,
        le=876000,
        description="After how many hours the words of messages and replies are taken out of the record. "
        "0: never.",
    )
    invite_days: int = Field(
        7, ge=1, description="How long an invite is valid unless it says otherwise, in days."
    )
    audit_days: int = Field(
        180, ge=1, description="How long the audit log keeps what API keys read, in days."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much to log.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people or for machines.")
    development_clock_url: str = Field(
        "",
        description="Development only: take the time from this emulator, so that its clock moves ours too.",
    )

    @field_validator("public_base_url", "api_base_url", "mp_base_url", "open_base_url", "res_base_url")
    @classmethod
    def _plain_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                "must be an http:// or https:// address without query, for example https://wx.example.com"
            )
        return value.rstrip("/")

    @field_validator("trusted_proxies", "subscriber_networks")
    @classmethod
    def _known_networks(cls, value: str) -> str:
        try:
            _read_networks(value)
        except ValueError as error:
            raise ValueError(
                f"must be addresses or networks like 127.0.0.1, 10.0.0.0/8, comma separated ({error})"
            ) from None
        return value

    @property
    def proxies(self) -> Networks:
        """The trusted proxies as networks."""
        return _read_networks(self.trusted_proxies)

    @property
    def allowed_networks(self) -> Networks:
        """The networks subscribers may be in although they are not public."""
        return _read_networks(self.subscriber_networks)


def _read_networks(text: str) -> Networks:
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the settings table."""

    name: str
    variable: str
    default: Any
    help: str
    secret: bool


def settings_table() -> Iterator[SettingRow]:
    """List all settings; the documentation and `wxgate settings` come from here."""
    for name, field in Settings.model_fields.items():
        secret = field.annotation is SecretStr
        default = "" if secret else field.default
        yield SettingRow(name, PREFIX + name.upper(), default, field.description or "", secret)


def load_settings(**overrides: Any) -> Settings:
    """Load the settings; overrides (from flags) win over environment and file.

    Raises ConfigError that names the variable and says what is wrong with it.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValueError as error:
        raise ConfigError(_explain(error)) from None


def _explain(error: ValueError) -> str:
    problems = []
    for item in getattr(error, "errors", list)():
        name = str(item["loc"][0]) if item["loc"] else "?"
        known = name in Settings.model_fields
        variable = PREFIX + name.upper() if known else name
        message = item["msg"] if known else "no such setting; `wxgate settings` lists them all"
        problems.append(f"{variable}: {message}")
    return "; ".join(problems) or str(error)
