"""The first schema: platforms, tickets, tokens, authorizations, exchanges, links and the inbox."""

import sqlalchemy as sa
from alembic import op

from wxgate.store.tables import Moment, RowId

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("nick_name", sa.Text(), nullable=False),
        sa.Column("user_name", sa.String(length=64), nullable=False),
        sa.Column("head_img", sa.Text(), nullable=False),
        sa.Column("principal_name", sa.Text(), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=False),
        sa.Column("fetched_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("appid", name=op.f("pk_accounts")),
    )
    op.create_table(
        "authorizations",
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("func_ids", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("authorized_at", Moment(), nullable=False),
        sa.Column("event_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "appid", name=op.f("pk_authorizations")),
    )
    op.create_index(op.f("ix_authorizations_appid"), "authorizations", ["appid"], unique=False)
    op.create_index(op.f("ix_authorizations_state"), "authorizations", ["state"], unique=False)
    op.create_table(
        "direct_accounts",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("user_name", sa.String(length=64), nullable=False),
        sa.Column("push", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("appid", name=op.f("pk_direct_accounts")),
    )
    op.create_table(
        "events",
        sa.Column("id", RowId, sa.Identity(), nullable=False),
        sa.Column("dedup_key", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("openid", sa.Text(), nullable=False),
        sa.Column("msg_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("source_ip", sa.String(length=64), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("lease_until", Moment(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("handled_at", Moment(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("dedup_key", name=op.f("uq_events_dedup_key")),
    )
    op.create_index(op.f("ix_events_appid_id"), "events", ["appid", "id"], unique=False)
    op.create_index(op.f("ix_events_state_lease_until"), "events", ["state", "lease_until"], unique=False)
    op.create_table(
        "exchanges",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=True),
        sa.Column("flow", sa.String(length=64), nullable=True),
        sa.Column("event_at", Moment(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("maybe_spent", sa.Boolean(), nullable=False),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchanges")),
        sa.UniqueConstraint("platform", "fingerprint", name=op.f("uq_exchanges_platform_fingerprint")),
    )
    op.create_index(op.f("ix_exchanges_flow"), "exchanges", ["flow"], unique=False)
    op.create_index(op.f("ix_exchanges_state_created_at"), "exchanges", ["state", "created_at"], unique=False)
    op.create_table(
        "flows",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("pre_auth_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("invite", sa.String(length=64), nullable=True),
        sa.Column("spent", sa.Boolean(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flows")),
    )
    op.create_index(
        op.f("ix_flows_platform_pre_auth_fingerprint"),
        "flows",
        ["platform", "pre_auth_fingerprint"],
        unique=False,
    )
    op.create_table(
        "invites",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("auth_type", sa.Integer(), nullable=False),
        sa.Column("biz_appid", sa.String(length=64), nullable=True),
        sa.Column("category_ids", sa.JSON(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invites")),
    )
    op.create_table(
        "platforms",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("push", sa.LargeBinary(), nullable=False),
        sa.Column("redirect_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("appid", name=op.f("pk_platforms")),
    )
    op.create_table(
        "refresh_token_changes",
        sa.Column("id", RowId, sa.Identity(), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_token_changes")),
    )
    op.create_index(
        op.f("ix_refresh_token_changes_platform_appid"),
        "refresh_token_changes",
        ["platform", "appid"],
        unique=False,
    )
    op.create_table(
        "tickets",
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("ticket", sa.LargeBinary(), nullable=False),
        sa.Column("pushed_at", Moment(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "fingerprint", name=op.f("pk_tickets")),
    )
    op.create_index(op.f("ix_tickets_platform_pushed_at"), "tickets", ["platform", "pushed_at"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("fetched_at", Moment(), nullable=True),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("renew_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("issuer", "account", "kind", name=op.f("pk_tokens")),
    )
    op.create_index(op.f("ix_tokens_renew_at"), "tokens", ["renew_at"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_tokens_renew_at"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_index(op.f("ix_tickets_platform_pushed_at"), table_name="tickets")
    op.drop_table("tickets")
    op.drop_index(op.f("ix_refresh_token_changes_platform_appid"), table_name="refresh_token_changes")
    op.drop_table("refresh_token_changes")
    op.drop_table("platforms")
    op.drop_table("invites")
    op.drop_index(op.f("ix_flows_platform_pre_auth_fingerprint"), table_name="flows")
    op.drop_table("flows")
    op.drop_index(op.f("ix_exchanges_state_created_at"), table_name="exchanges")
    op.drop_index(op.f("ix_exchanges_flow"), table_name="exchanges")
    op.drop_table("exchanges")
    op.drop_index(op.f("ix_events_state_lease_until"), table_name="events")
    op.drop_index(op.f("ix_events_appid_id"), table_name="events")
    op.drop_table("events")
    op.drop_table("direct_accounts")
    op.drop_index(op.f("ix_authorizations_state"), table_name="authorizations")
    op.drop_index(op.f("ix_authorizations_appid"), table_name="authorizations")
    op.drop_table("authorizations")
    op.drop_table("accounts")
