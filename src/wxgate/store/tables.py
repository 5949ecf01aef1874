"""All tables but login's, as one list: secrets are sealed, moments aware UTC, codes found by fingerprint.

It is long because it is one list; those of login are in `login_tables`, on the same metadata.
"""

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
    false,
    text,
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


class Prose(TypeDecorator[str]):
    """Text as others wrote it; characters that no database takes are replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write a text."""
        return _storable(value)


class Name(TypeDecorator[str]):
    """An identifier of limited length; it may come from an address that anybody can type."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write an identifier."""
        return _storable(value)


def _storable(value: str | None) -> str | None:
    """Put marks in the place of NUL, which PostgreSQL refuses, and of half surrogate pairs."""
    return value and value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class Number(TypeDecorator[int]):
    """A number as others wrote it, moved into the range that a database can hold."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Write a number."""
        return None if value is None else max(-(2**63), min(value, 2**63 - 1))


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
    Column("appid", Name(64), primary_key=True),
    Column("name", Prose, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("push", LargeBinary, nullable=False),
    Column("redirect_key", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ticket_requests", Integer, nullable=False, server_default="0"),
    Column("request_ticket_at", Moment),
)

direct_accounts = Table(
    "direct_accounts",
    metadata,
    Column("appid", Name(64), primary_key=True),
    Column("name", Prose, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("user_name", Name(64), nullable=False),
    Column("push", LargeBinary, nullable=False),
    Column("mode", Name(16), nullable=False),
    Column("format", Name(8), nullable=False),
    Column("created_at", Moment, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    Column("platform", Name(64), primary_key=True),
    Column("fingerprint", Name(64), primary_key=True),
    Column("ticket", LargeBinary, nullable=False),
    Column("pushed_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Index(None, "platform", "pushed_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("issuer", Name(64), primary_key=True),
    Column("account", Name(64), primary_key=True),
    Column("kind", Name(16), primary_key=True),
    Column("token", LargeBinary),
    Column("version", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Name(32)),
    Column("lease_until", Moment),
    Column("fetched_at", Moment),
    Column("expires_at", Moment),
    # When somebody must look at the token next; empty where nobody need: there is none, or nobody uses it.
    Column("renew_at", Moment),
    Column("used_at", Moment),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("not_before", Moment),
    # Before this nobody fetches on demand either: WeChat has refused more than once in a row.
    Column("held_until", Moment),
    Column("rejected", Name(64)),
    Column("rejections", Integer, nullable=False, server_default="0"),
    Column("rejections_since", Moment),
    Index(
        "ix_tokens_renew_at",
        "renew_at",
        postgresql_where=text("renew_at IS NOT NULL"),
        sqlite_where=text("renew_at IS NOT NULL"),
    ),
)

authorizations = Table(
    "authorizations",
    metadata,
    Column("platform", Name(64), primary_key=True),
    Column("appid", Name(64), primary_key=True),
    Column("state", Name(32), nullable=False),
    Column("refresh_token", LargeBinary),
    Column("func_ids", JSON, nullable=False),
    Column("reason", Prose, nullable=False),
    Column("reference", Prose, nullable=False),
    Column("authorized_at", Moment, nullable=False),
    Column("event_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("granted_ids", JSON),
    Column("repair_at", Moment),
    Column("repairs", Integer, nullable=False, server_default="0"),
    Index(None, "appid"),
    Index(None, "state"),
    Index(None, "updated_at"),
)

refresh_token_changes = Table(
    "refresh_token_changes",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("platform", Name(64), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("fingerprint", Name(64), nullable=False),
    Column("reason", Name(64), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "platform", "appid"),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Name(32), primary_key=True),
    Column("platform", Name(64), nullable=False),
    Column("fingerprint", Name(64), nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("source", Name(32), nullable=False),
    Column("state", Name(16), nullable=False),
    Column("appid", Name(64)),
    Column("flow", Name(64)),
    Column("event_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_until", Moment),
    Column("maybe_spent", Boolean, nullable=False),
    Column("not_before", Moment),
    Column("errcode", Integer),
    Column("error", Prose, nullable=False),
    UniqueConstraint("platform", "fingerprint"),
    Index(None, "state", "created_at"),
    Index(None, "flow"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("appid", Name(64), primary_key=True),
    Column("kind", Name(32), nullable=False),
    Column("nick_name", Prose, nullable=False),
    Column("user_name", Name(64), nullable=False),
    Column("head_img", Prose, nullable=False),
    Column("principal_name", Prose, nullable=False),
    Column("raw", JSON, nullable=False),
    Column("fetched_at", Moment, nullable=False),
)

invites = Table(
    "invites",
    metadata,
    Column("id", Name(64), primary_key=True),
    Column("platform", Name(64), nullable=False),
    Column("reference", Prose, nullable=False),
    Column("auth_type", Integer, nullable=False),
    Column("biz_appid", Name(64)),
    Column("category_ids", JSON, nullable=False),
    Column("return_url", Prose),
    Column("max_uses", Integer, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
)

flows = Table(
    "flows",
    metadata,
    Column("id", Name(64), primary_key=True),
    Column("platform", Name(64), nullable=False),
    Column("pre_auth_fingerprint", Name(64), nullable=False),
    Column("invite", Name(64)),
    Column("spent", Boolean, nullable=False),
    Column("reference", Prose, nullable=False),
    Column("return_url", Prose),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "platform", "pre_auth_fingerprint"),
)

events = Table(
    "events",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("dedup_key", Name(64), nullable=False),
    Column("issuer", Name(64), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("kind", Name(16), nullable=False),
    Column("name", Prose, nullable=False),
    Column("openid", Prose, nullable=False),
    Column("msg_id", Prose),
    Column("created_at", Number, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("source_ip", Name(64), nullable=False),
    Column("fields", JSON, nullable=False),
    Column("state", Name(16), nullable=False),
    Column("holder", Name(32), nullable=False),
    Column("lease_until", Moment, nullable=False),
    Column("reply", Prose),
    Column("error", Prose, nullable=False),
    Column("handled_at", Moment),
    Column("attempts", Integer, nullable=False),
    # As it came, decrypted; empty where it holds secrets, or was no push.
    Column("plain", Prose),
    Column("size", Integer, nullable=False, server_default="0"),
    Column("arrivals", Integer, nullable=False, server_default="1"),
    Column("message_key", Name(64), nullable=False, server_default=""),
    Column("reply_state", Name(16), nullable=False, server_default="open"),
    Column("replier", Name(64), nullable=False, server_default=""),
    # The place in the streams; given after the commit, by whoever reads them.
    Column("position", BigInteger),
    Column("redacted_at", Moment),
    # Recorded, and told to nobody.
    Column("noted", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("dedup_key"),
    Index(None, "state", "lease_until"),
    Index(None, "appid", "id"),
    # With the size, so that what a kind takes is summed up in the index alone.
    Index(None, "kind", "received_at", "size"),
    Index(None, "openid"),
    Index(None, "position", unique=True),
    Index(
        "ix_events_reply_state",
        "reply_state",
        postgresql_where=text("reply_state IN ('ready', 'custom', 'sending')"),
        sqlite_where=text("reply_state IN ('ready', 'custom', 'sending')"),
    ),
    Index(
        "ix_events_unnumbered",
        "id",
        postgresql_where=text("position IS NULL"),
        sqlite_where=text("position IS NULL"),
    ),
)

# Which event of a message is answered, where several platforms of ours receive it.
answers = Table(
    "answers",
    metadata,
    Column("message_key", Name(64), primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "at"),
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Name(24), primary_key=True),
    Column("name", Prose, nullable=False),
    Column("form", Name(16), nullable=False),
    Column("url", Prose, nullable=False),
    Column("filter", JSON, nullable=False),
    Column("ordered", Boolean, nullable=False),
    Column("envelope_appid", Name(16), nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("paused_reason", Prose, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
    Column("previous_until", Moment),
    Column("failures", Integer, nullable=False),
    Column("open_until", Moment),
    Column("last_success_at", Moment),
    Column("last_failure_at", Moment),
    Column("last_error", Prose, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("name"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("subscriber", Name(24), nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("ordered", Boolean, nullable=False),
    Column("state", Name(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("holder", Name(32)),
    Column("lease_until", Moment),
    Column("status", Integer),
    Column("error", Prose, nullable=False),
    Column("delivered_at", Moment),
    Column("replays", Integer, nullable=False),
    UniqueConstraint("subscriber", "event_id"),
    Index(None, "event_id"),
    Index(None, "subscriber", "state", "not_before", "id"),
    # What is listed, newest first: of one subscriber, and what was given up.
    Index(None, "subscriber", "id"),
    Index(
        "ix_deliveries_dead",
        "id",
        postgresql_where=text("state = 'dead'"),
        sqlite_where=text("state = 'dead'"),
    ),
    # The lanes of ordered subscribers: one look finds the next account, one the first of its deliveries.
    Index(
        "ix_deliveries_lanes",
        "subscriber",
        "appid",
        "state",
        "id",
        postgresql_where=text("state IN ('pending', 'sending')"),
        sqlite_where=text("state IN ('pending', 'sending')"),
    ),
)

# Numbers that only ever grow, whatever is deleted.
counters = Table(
    "counters",
    metadata,
    Column("name", Name(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

reply_policies = Table(
    "reply_policies",
    metadata,
    Column("appid", Name(64), primary_key=True),
    Column("policy", Name(32), nullable=False),
    Column("replier", Name(64), nullable=False),
    Column("platform", Name(64), nullable=False),
    Column("default_text", Prose, nullable=False),
    Column("hold_retries", Boolean, nullable=False),
    Column("custom_message", Boolean, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

push_log = Table(
    "push_log",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("receiver", Name(64), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("source_ip", Name(64), nullable=False),
    Column("verdict", Name(32), nullable=False),
    Column("answer", Name(16), nullable=False),
    Column("status", Integer, nullable=False),
    Column("milliseconds", Number, nullable=False),
    Column("event_id", BigInteger),
    Column("explanation", Prose, nullable=False),
    Column("count", Integer, nullable=False),
    Index(None, "at"),
    Index(None, "event_id"),
    Index(None, "appid", "id"),
)

key_uses = Table(
    "key_uses",
    metadata,
    Column("receiver", Name(64), primary_key=True),
    Column("kind", Name(8), primary_key=True),
    Column("fingerprint", Name(64), primary_key=True),
    Column("last_seen_at", Moment, nullable=False),
)

release_tests = Table(
    "release_tests",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("platform", Name(64), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("step", Name(32), nullable=False),
    Column("at", Moment, nullable=False),
    # Empty while the exchange of a code is under way; somebody else may take it over at `due_at`.
    Column("ok", Boolean),
    Column("received", Prose, nullable=False),
    Column("answered", Prose, nullable=False),
    Column("reason", Prose, nullable=False),
    Column("event_key", Name(64), nullable=False),
    Column("openid", Prose, nullable=False),
    Column("code", LargeBinary),
    Column("due_at", Moment),
    UniqueConstraint("event_key", "step"),
    Index(None, "platform", "id"),
)

audits = Table(
    "audits",
    metadata,
    Column("appid", Name(64), primary_key=True),
    Column("audit_id", Name(64), primary_key=True),
    Column("platform", Name(64), nullable=False),
    Column("submitted_at", Moment, nullable=False),
    Column("state", Name(16), nullable=False),
    Column("checked_at", Moment),
    Column("next_check_at", Moment),
    Column("source", Name(8), nullable=False),
    Column("reason", Prose, nullable=False),
    Column("screenshot", Prose, nullable=False),
    # False while a result has not become an event yet, as far as is known.
    Column("told", Boolean, nullable=False),
    Index(
        "ix_audits_next_check_at",
        "next_check_at",
        postgresql_where=text("next_check_at IS NOT NULL"),
        sqlite_where=text("next_check_at IS NOT NULL"),
    ),
)

clients = Table(
    "clients",
    metadata,
    Column("id", Name(16), primary_key=True),
    Column("name", Prose, nullable=False),
    Column("digest", Name(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("platforms", JSON, nullable=False),
    Column("accounts", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("may_renew", Boolean, nullable=False),
    Column("networks", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
)

account_labels = Table(
    "account_labels",
    metadata,
    Column("appid", Name(64), primary_key=True),
    Column("kind", Name(8), primary_key=True),
    Column("value", Name(255), primary_key=True),
)

audit_lines = Table(
    "audit_lines",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("client", Name(16), nullable=False),
    Column("action", Name(32), nullable=False),
    Column("issuer", Name(64), nullable=False),
    Column("account", Name(64), nullable=False),
    Column("ip", Name(64), nullable=False),
    Column("outcome", Name(32), nullable=False),
    Column("count", BigInteger, nullable=False),
    Index(None, "client", "id"),
    Index(None, "account", "id"),
    Index(None, "last_at"),
)

node_keys = Table(
    "node_keys",
    metadata,
    Column("holder", Name(32), primary_key=True),
    Column("host", Prose, nullable=False),
    Column("names", JSON, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

quota_clears = Table(
    "quota_clears",
    metadata,
    Column("appid", Name(64), primary_key=True),
    Column("month", Name(7), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("way", Name(16), nullable=False),
    Column("outcome", Name(16), nullable=False),
    Column("at", Moment, nullable=False),
)

fetch_counts = Table(
    "fetch_counts",
    metadata,
    Column("issuer", Name(64), primary_key=True),
    Column("account", Name(64), primary_key=True),
    Column("kind", Name(16), primary_key=True),
    Column("day", Name(10), nullable=False),
    Column("fetched", BigInteger, nullable=False),
    Column("open_until", Moment),
    Column("reason", Prose, nullable=False),
)

duties = Table(
    "duties",
    metadata,
    Column("name", Name(96), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Name(32)),
    Column("lease_until", Moment),
    Column("due_at", Moment),
    Column("done_at", Moment),
    Column("result", JSON, nullable=False),
)
