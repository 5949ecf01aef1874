"""Login: realms, subjects, attempts, sessions, and what OpenID Connect gives out."""

import sqlalchemy as sa
from alembic import op

from wxgate.store.tables import Moment, RowId

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    "login_realms",
    "login_apps",
    "login_clients",
    "login_attempts",
    "login_subjects",
    "login_identities",
    "login_conflicts",
    "login_sessions",
    "login_session_clients",
    "login_codes",
    "login_grants",
    "login_signing_keys",
    "login_scans",
)


def upgrade() -> None:
    """Add what login needs."""
    _add_configuration()
    _add_subjects()
    _add_attempts()
    _add_sessions()


def downgrade() -> None:
    """Take it away again."""
    for table in TABLES:
        op.drop_table(table)


def _add_configuration() -> None:
    """What operators configure, and the keys that sign."""
    op.create_table(
        "login_realms",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("unionid_backfill", sa.Boolean(), nullable=False),
        sa.Column("return_to", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_login_realms")),
    )
    op.create_table(
        "login_apps",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_login_apps")),
    )
    op.create_index(op.f("ix_login_apps_realm"), "login_apps", ["realm"], unique=False)
    op.create_table(
        "login_clients",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("post_logout_redirect_uris", sa.JSON(), nullable=False),
        sa.Column("backchannel_logout_uri", sa.Text(), nullable=True),
        sa.Column("pairwise", sa.Boolean(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("require_pkce", sa.Boolean(), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("limits", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("disabled_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_clients")),
    )
    op.create_index(op.f("ix_login_clients_realm"), "login_clients", ["realm"], unique=False)
    op.create_table(
        "login_signing_keys",
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("public", sa.JSON(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("signs_from", Moment(), nullable=False),
        sa.Column("retired_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("realm", "kid", name=op.f("pk_login_signing_keys")),
    )


def _add_subjects() -> None:
    """People, and what WeChat calls them."""
    op.create_table(
        "login_subjects",
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("nickname", sa.Text(), nullable=True),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("alias_of", sa.String(length=64), nullable=True),
        sa.Column("last_login_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("realm", "sub", name=op.f("pk_login_subjects")),
    )
    op.create_index(
        "ix_login_subjects_alias_of",
        "login_subjects",
        ["realm", "alias_of"],
        unique=False,
        postgresql_where=sa.text("alias_of IS NOT NULL"),
        sqlite_where=sa.text("alias_of IS NOT NULL"),
    )
    op.create_table(
        "login_identities",
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("space", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("linked_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("realm", "kind", "space", "value", name=op.f("pk_login_identities")),
    )
    op.create_index(op.f("ix_login_identities_realm_sub"), "login_identities", ["realm", "sub"], unique=False)
    op.create_index(
        op.f("ix_login_identities_realm_value"), "login_identities", ["realm", "value"], unique=False
    )
    op.create_table(
        "login_conflicts",
        sa.Column("id", RowId, sa.Identity(always=False), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("kept", sa.String(length=64), nullable=False),
        sa.Column("other", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("space", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("found_at", Moment(), nullable=False),
        sa.Column("settled_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_conflicts")),
        sa.UniqueConstraint(
            "realm",
            "kept",
            "other",
            "kind",
            "space",
            "value",
            name=op.f("uq_login_conflicts_realm_kept_other_kind_space_value"),
        ),
    )


def _add_attempts() -> None:
    """Logins under way."""
    op.create_table(
        "login_attempts",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.Column("outcome", sa.LargeBinary(), nullable=True),
        sa.Column("tapped", sa.Boolean(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("reclaimed", sa.Boolean(), nullable=False),
        sa.Column("successors", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_login_attempts")),
    )
    op.create_index(op.f("ix_login_attempts_expires_at"), "login_attempts", ["expires_at"], unique=False)
    op.create_index(
        "ix_login_attempts_outcome",
        "login_attempts",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("outcome IS NOT NULL"),
        sqlite_where=sa.text("outcome IS NOT NULL"),
    )
    op.create_table(
        "login_scans",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("scene_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("asked_by", sa.JSON(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("openid", sa.String(length=128), nullable=True),
        sa.Column("proof_unionid", sa.String(length=128), nullable=True),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_scans")),
        sa.UniqueConstraint("scene_hash", name=op.f("uq_login_scans_scene_hash")),
    )
    op.create_index(op.f("ix_login_scans_expires_at"), "login_scans", ["expires_at"], unique=False)


def _add_sessions() -> None:
    """Who is logged in where, and what applications have of it."""
    op.create_table(
        "login_sessions",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("presence_hash", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("openid", sa.String(length=128), nullable=False),
        sa.Column("unionid", sa.String(length=128), nullable=True),
        sa.Column("acr", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("proved_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("end_reason", sa.String(length=64), nullable=False),
        sa.Column("replaced_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_login_sessions")),
        sa.UniqueConstraint("sid", name=op.f("uq_login_sessions_sid")),
    )
    op.create_index(
        "ix_login_sessions_ended_at",
        "login_sessions",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
        sqlite_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_login_sessions_expires_at"), "login_sessions", ["expires_at"], unique=False)
    op.create_index(
        "ix_login_sessions_live",
        "login_sessions",
        ["realm", "sid"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        op.f("ix_login_sessions_realm_sub_sid"), "login_sessions", ["realm", "sub", "sid"], unique=False
    )
    op.create_table(
        "login_session_clients",
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sid", "client", name=op.f("pk_login_session_clients")),
    )
    op.create_index(
        op.f("ix_login_session_clients_client"), "login_session_clients", ["client"], unique=False
    )
    op.create_table(
        "login_codes",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.Column("replayed_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_login_codes")),
    )
    op.create_index(op.f("ix_login_codes_expires_at"), "login_codes", ["expires_at"], unique=False)
    op.create_index(op.f("ix_login_codes_family"), "login_codes", ["family"], unique=False)
    op.create_table(
        "login_grants",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("family", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=64), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("replaced_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_login_grants")),
    )
    op.create_index(op.f("ix_login_grants_client"), "login_grants", ["client"], unique=False)
    op.create_index(op.f("ix_login_grants_expires_at"), "login_grants", ["expires_at"], unique=False)
    op.create_index(op.f("ix_login_grants_family"), "login_grants", ["family"], unique=False)
    op.create_index(op.f("ix_login_grants_realm_sub"), "login_grants", ["realm", "sub"], unique=False)
    op.create_index(op.f("ix_login_grants_sid"), "login_grants", ["sid"], unique=False)
