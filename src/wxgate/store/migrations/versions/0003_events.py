"""Events: subscribers, deliveries, replies, and the record of every push."""

import sqlalchemy as sa
from alembic import op

from wxgate.store.tables import Moment, RowId

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the event gateway needs."""
    _widen_events()
    _add_subscribers()
    _add_reply_policies()
    _add_records()
    _add_audits()


def downgrade() -> None:
    """Take it away again."""
    for table in (
        "answers",
        "counters",
        "subscribers",
        "deliveries",
        "reply_policies",
        "push_log",
        "key_uses",
        "release_tests",
        "audits",
    ):
        op.drop_table(table)
    for index in (
        "ix_events_unnumbered",
        "ix_events_reply_state",
        "ix_events_position",
        "ix_events_openid",
        "ix_events_kind_received_at_size",
    ):
        op.drop_index(index, table_name="events")
    for column in (
        "noted",
        "redacted_at",
        "position",
        "replier",
        "reply_state",
        "message_key",
        "arrivals",
        "size",
        "plain",
    ):
        op.drop_column("events", column)


def _widen_events() -> None:
    """What an event keeps beside its fields, and how far its reply has come."""
    op.add_column("events", sa.Column("plain", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("size", sa.Integer(), server_default="0", nullable=False))
    op.add_column("events", sa.Column("arrivals", sa.Integer(), server_default="1", nullable=False))
    op.add_column("events", sa.Column("message_key", sa.String(length=64), server_default="", nullable=False))
    op.add_column(
        "events", sa.Column("reply_state", sa.String(length=16), server_default="open", nullable=False)
    )
    op.add_column("events", sa.Column("replier", sa.String(length=64), server_default="", nullable=False))
    op.add_column("events", sa.Column("position", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("redacted_at", Moment(), nullable=True))
    op.add_column("events", sa.Column("noted", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        op.f("ix_events_kind_received_at_size"), "events", ["kind", "received_at", "size"], unique=False
    )
    op.create_index(op.f("ix_events_openid"), "events", ["openid"], unique=False)
    op.create_index(op.f("ix_events_position"), "events", ["position"], unique=True)
    op.create_index(
        "ix_events_reply_state",
        "events",
        ["reply_state"],
        unique=False,
        postgresql_where=sa.text("reply_state IN ('ready', 'custom', 'sending')"),
        sqlite_where=sa.text("reply_state IN ('ready', 'custom', 'sending')"),
    )
    op.create_index(
        "ix_events_unnumbered",
        "events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("position IS NULL"),
        sqlite_where=sa.text("position IS NULL"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    # What is there already comes first in the streams, in the order it came; what was answered stays so.
    op.execute(
        "UPDATE events SET position = id, size = length(CAST(fields AS text)) + 200, reply_state = CASE"
        " WHEN state = 'handling' THEN 'open' WHEN reply IS NULL THEN 'closed' ELSE 'carried' END"
    )
    op.execute("INSERT INTO counters SELECT 'positions', coalesce(max(id), 0) FROM events")
    op.create_table(
        "answers",
        sa.Column("message_key", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("message_key", name=op.f("pk_answers")),
    )
    op.create_index(op.f("ix_answers_at"), "answers", ["at"], unique=False)


def _add_subscribers() -> None:
    """Who gets events, and what is still to be delivered."""
    op.create_table(
        "subscribers",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("ordered", sa.Boolean(), nullable=False),
        sa.Column("envelope_appid", sa.String(length=16), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("paused_reason", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("previous_until", Moment(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", Moment(), nullable=True),
        sa.Column("last_success_at", Moment(), nullable=True),
        sa.Column("last_failure_at", Moment(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
        sa.UniqueConstraint("name", name=op.f("uq_subscribers_name")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", RowId, sa.Identity(), nullable=False),
        sa.Column("subscriber", sa.String(length=24), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("ordered", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", Moment(), nullable=False),
        sa.Column("not_before", Moment(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("delivered_at", Moment(), nullable=True),
        sa.Column("replays", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("subscriber", "event_id", name=op.f("uq_deliveries_subscriber_event_id")),
    )
    op.create_index(op.f("ix_deliveries_event_id"), "deliveries", ["event_id"], unique=False)
    op.create_index(
        op.f("ix_deliveries_subscriber_state_not_before_id"),
        "deliveries",
        ["subscriber", "state", "not_before", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_deliveries_subscriber_id"), "deliveries", ["subscriber", "id"], unique=False)
    op.create_index(
        "ix_deliveries_dead",
        "deliveries",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'dead'"),
        sqlite_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_deliveries_lanes",
        "deliveries",
        ["subscriber", "appid", "state", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
        sqlite_where=sa.text("state IN ('pending', 'sending')"),
    )


def _add_reply_policies() -> None:
    """Who answers for an account."""
    op.create_table(
        "reply_policies",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.String(length=32), nullable=False),
        sa.Column("replier", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("default_text", sa.Text(), nullable=False),
        sa.Column("hold_retries", sa.Boolean(), nullable=False),
        sa.Column("custom_message", sa.Boolean(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("appid", name=op.f("pk_reply_policies")),
    )


def _add_records() -> None:
    """Every push as it was judged and answered, the keys it came with, and WeChat's tests of a platform."""
    op.create_table(
        "push_log",
        sa.Column("id", RowId, sa.Identity(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("source_ip", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("answer", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_log")),
    )
    op.create_index(op.f("ix_push_log_appid_id"), "push_log", ["appid", "id"], unique=False)
    op.create_index(op.f("ix_push_log_at"), "push_log", ["at"], unique=False)
    op.create_index(op.f("ix_push_log_event_id"), "push_log", ["event_id"], unique=False)
    op.create_table(
        "key_uses",
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("last_seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "kind", "fingerprint", name=op.f("pk_key_uses")),
    )
    op.create_table(
        "release_tests",
        sa.Column("id", RowId, sa.Identity(), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=32), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("received", sa.Text(), nullable=False),
        sa.Column("answered", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("openid", sa.Text(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=True),
        sa.Column("due_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_tests")),
        sa.UniqueConstraint("event_key", "step", name=op.f("uq_release_tests_event_key_step")),
    )
    op.create_index(op.f("ix_release_tests_platform_id"), "release_tests", ["platform", "id"], unique=False)


def _add_audits() -> None:
    """Mini program audits whose result is awaited."""
    op.create_table(
        "audits",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("audit_id", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("submitted_at", Moment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("checked_at", Moment(), nullable=True),
        sa.Column("next_check_at", Moment(), nullable=True),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("screenshot", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("appid", "audit_id", name=op.f("pk_audits")),
    )
    op.create_index(
        "ix_audits_next_check_at",
        "audits",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
        sqlite_where=sa.text("next_check_at IS NOT NULL"),
    )
