"""Custody across nodes."""

import sqlalchemy as sa
from alembic import op

from wxgate.store.tables import Moment, RowId

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what custody across nodes needs."""
    _add_clients()
    _add_token_columns()
    _add_node_keys()
    _widen_authorizations()
    op.add_column("platforms", sa.Column("ticket_requests", sa.Integer(), server_default="0", nullable=False))
    op.add_column("platforms", sa.Column("request_ticket_at", Moment(), nullable=True))
    _add_quotas()
    _add_duties()


def downgrade() -> None:
    """Take it away again."""
    for column in ("request_ticket_at", "ticket_requests"):
        op.drop_column("platforms", column)
    op.drop_index(op.f("ix_authorizations_updated_at"), table_name="authorizations")
    for column in ("repairs", "repair_at", "granted_ids"):
        op.drop_column("authorizations", column)
    for table in (
        "audit_lines",
        "account_labels",
        "clients",
        "node_keys",
        "quota_clears",
        "fetch_counts",
        "duties",
    ):
        op.drop_table(table)
    _drop_token_columns()


def _add_clients() -> None:
    """API keys, the labels that scope them, and the log of what they did."""
    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("platforms", sa.JSON(), nullable=False),
        sa.Column("accounts", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("may_renew", sa.Boolean(), nullable=False),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("last_used_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
    )
    op.create_table(
        "account_labels",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("appid", "kind", "value", name=op.f("pk_account_labels")),
    )
    op.create_table(
        "audit_lines",
        sa.Column("id", RowId, sa.Identity(), nullable=False),
        sa.Column("first_at", Moment(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.Column("client", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("ip", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_lines")),
    )
    op.create_index(op.f("ix_audit_lines_client_id"), "audit_lines", ["client", "id"], unique=False)
    op.create_index(op.f("ix_audit_lines_account_id"), "audit_lines", ["account", "id"], unique=False)
    op.create_index(op.f("ix_audit_lines_last_at"), "audit_lines", ["last_at"], unique=False)


def _add_token_columns() -> None:
    op.add_column("tokens", sa.Column("used_at", Moment(), nullable=True))
    op.add_column("tokens", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tokens", sa.Column("not_before", Moment(), nullable=True))
    op.add_column("tokens", sa.Column("held_until", Moment(), nullable=True))
    op.add_column("tokens", sa.Column("rejected", sa.String(length=64), nullable=True))
    op.add_column("tokens", sa.Column("rejections", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tokens", sa.Column("rejections_since", Moment(), nullable=True))
    op.drop_index("ix_tokens_renew_at", table_name="tokens")
    planned = sa.text("renew_at IS NOT NULL")
    op.create_index(
        "ix_tokens_renew_at", "tokens", ["renew_at"], postgresql_where=planned, sqlite_where=planned
    )


def _drop_token_columns() -> None:
    op.drop_index("ix_tokens_renew_at", table_name="tokens")
    op.create_index("ix_tokens_renew_at", "tokens", ["renew_at"])
    added = ("used_at", "failures", "not_before", "held_until", "rejected", "rejections", "rejections_since")
    for name in added:
        op.drop_column("tokens", name)


def _add_node_keys() -> None:
    """Which sealing keys each running node has."""
    op.create_table(
        "node_keys",
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_node_keys")),
    )


def _widen_authorizations() -> None:
    """What a merchant gave with the last code, and when WeChat may be asked about a refused refresh token."""
    op.add_column("authorizations", sa.Column("granted_ids", sa.JSON(), nullable=True))
    op.add_column("authorizations", sa.Column("repair_at", Moment(), nullable=True))
    op.add_column("authorizations", sa.Column("repairs", sa.Integer(), server_default="0", nullable=False))
    op.create_index(op.f("ix_authorizations_updated_at"), "authorizations", ["updated_at"], unique=False)


def _add_quotas() -> None:
    """How often quotas were cleared, and tokens fetched."""
    op.create_table(
        "quota_clears",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("appid", "month", "number", name=op.f("pk_quota_clears")),
    )
    op.create_table(
        "fetch_counts",
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("fetched", sa.BigInteger(), nullable=False),
        sa.Column("open_until", Moment(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "account", "kind", name=op.f("pk_fetch_counts")),
    )


def _add_duties() -> None:
    """What one node at a time does for all, and what came of it."""
    op.create_table(
        "duties",
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("done_at", Moment(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
