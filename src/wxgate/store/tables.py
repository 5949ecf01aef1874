"""All tables: secrets are sealed columns, moments are aware UTC, codes are found by fingerprint."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """An aware moment: timestamptz on PostgreSQL, microseconds since 1970 on SQLite, which has no such
    type."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write a moment."""
        if value is None or dialect.name != "sqlite":
            return value
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read a moment."""
        if value is None:
            return None
        return EPOCH + timedelta(microseconds=value) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite numbers rows by itself only in a column that is exactly INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")

platforms = Table(
    "platforms",
    metadata,
    Column("appid", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("push", LargeBinary, nullable=False),
    Column("redirect_key", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

direct_accounts = Table(
    "direct_accounts",
    metadata,
    Column("appid", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("user_name", String(64), nullable=False),
    Column("push", LargeBinary, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("format", String(8), nullable=False),
    Column("created_at", Moment, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    Column("platform", String(64), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("ticket", LargeBinary, nullable=False),
    Column("pushed_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Index(None, "platform", "pushed_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("issuer", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("token", LargeBinary),
    Column("version", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", String(32)),
    Column("lease_until", Moment),
    Column("fetched_at", Moment),
    Column("expires_at", Moment),
    Column("renew_at", Moment),
    Index(None, "renew_at"),
)

authorizations = Table(
    "authorizations",
    metadata,
    Column("platform", String(64), primary_key=True),
    Column("appid", String(64), primary_key=True),
    Column("state", String(32), nullable=False),
    Column("refresh_token", LargeBinary),
    Column("func_ids", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("authorized_at", Moment, nullable=False),
    Column("event_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(None, "appid"),
    Index(None, "state"),
)

refresh_token_changes = Table(
    "refresh_token_changes",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("appid", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "platform", "appid"),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("source", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("appid", String(64)),
    Column("flow", String(64)),
    Column("event_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_until", Moment),
    Column("errcode", Integer),
    Column("error", Text, nullable=False),
    UniqueConstraint("platform", "fingerprint"),
    Index(None, "state", "created_at"),
    Index(None, "flow"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("appid", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("nick_name", Text, nullable=False),
    Column("user_name", String(64), nullable=False),
    Column("head_img", Text, nullable=False),
    Column("principal_name", Text, nullable=False),
    Column("raw", JSON, nullable=False),
    Column("fetched_at", Moment, nullable=False),
)

invites = Table(
    "invites",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("reference", Text, nullable=False),
    Column("auth_type", Integer, nullable=False),
    Column("biz_appid", String(64)),
    Column("category_ids", JSON, nullable=False),
    Column("return_url", Text),
    Column("max_uses", Integer, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
)

flows = Table(
    "flows",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("pre_auth_fingerprint", String(64), nullable=False),
    Column("invite", String(64)),
    Column("spent", Boolean, nullable=False),
    Column("reference", Text, nullable=False),
    Column("return_url", Text),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "platform", "pre_auth_fingerprint"),
)

events = Table(
    "events",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("dedup_key", String(64), nullable=False),
    Column("issuer", String(64), nullable=False),
    Column("appid", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("openid", Text, nullable=False),
    Column("msg_id", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("source_ip", String(64), nullable=False),
    Column("fields", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("holder", String(32), nullable=False),
    Column("lease_until", Moment, nullable=False),
    Column("reply", Text),
    Column("error", Text, nullable=False),
    Column("handled_at", Moment),
    Column("attempts", Integer, nullable=False),
    UniqueConstraint("dedup_key"),
    Index(None, "state", "lease_until"),
    Index(None, "appid", "id"),
)
