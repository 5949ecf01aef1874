"""The tables of login: what a browser or an application holds is in them as a fingerprint only."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    text,
)

from wxgate.store.tables import Moment, Name, Prose, RowId, metadata

realms = Table(
    "login_realms",
    metadata,
    Column("name", Name(64), primary_key=True),
    Column("title", Prose, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("silent", Boolean, nullable=False),
    Column("unionid_backfill", Boolean, nullable=False),
    Column("return_to", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
)

apps = Table(
    "login_apps",
    metadata,
    Column("name", Name(64), primary_key=True),
    Column("realm", Name(64), nullable=False),
    Column("kind", Name(16), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("issuer", Name(64), nullable=False),
    Column("title", Prose, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("secret", LargeBinary),
    Index(None, "realm"),
)

clients = Table(
    "login_clients",
    metadata,
    Column("id", Name(64), primary_key=True),
    Column("realm", Name(64), nullable=False),
    Column("name", Prose, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("secret_hash", Name(64)),
    Column("redirect_uris", JSON, nullable=False),
    Column("post_logout_redirect_uris", JSON, nullable=False),
    Column("backchannel_logout_uri", Prose),
    Column("pairwise", Boolean, nullable=False),
    Column("sector", Prose, nullable=False),
    Column("grants", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("require_pkce", Boolean, nullable=False),
    Column("algorithm", Name(16), nullable=False),
    Column("limits", JSON(none_as_null=True)),
    Column("disabled_at", Moment),
    Index(None, "realm"),
)

attempts = Table(
    "login_attempts",
    metadata,
    Column("state_hash", Name(64), primary_key=True),
    Column("browser_hash", Name(64), nullable=False),
    Column("realm", Name(64), nullable=False),
    Column("app", Name(64), nullable=False),
    Column("mode", Name(16), nullable=False),
    Column("purpose", Name(16), nullable=False),
    Column("data", JSON, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("state", Name(16), nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("holder", Name(64)),
    Column("lease_until", Moment),
    Column("finished_at", Moment),
    Column("outcome", LargeBinary),
    Index(None, "expires_at"),
    Index(
        "ix_login_attempts_outcome",
        "finished_at",
        postgresql_where=text("outcome IS NOT NULL"),
        sqlite_where=text("outcome IS NOT NULL"),
    ),
)

subjects = Table(
    "login_subjects",
    metadata,
    Column("realm", Name(64), primary_key=True),
    Column("sub", Name(64), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("nickname", Prose),
    Column("avatar", Prose),
    # Never an alias itself: a merge takes the aliases of what it merges along.
    Column("alias_of", Name(64)),
    Column("last_login_at", Moment),
    Index(
        "ix_login_subjects_alias_of",
        "realm",
        "alias_of",
        postgresql_where=text("alias_of IS NOT NULL"),
        sqlite_where=text("alias_of IS NOT NULL"),
    ),
)

# The key is what keeps a name from standing for two subjects.
identities = Table(
    "login_identities",
    metadata,
    Column("realm", Name(64), primary_key=True),
    Column("kind", Name(16), primary_key=True),
    Column("space", Name(64), primary_key=True),
    Column("value", Name(128), primary_key=True),
    Column("sub", Name(64), nullable=False),
    Column("linked_at", Moment, nullable=False),
    Index(None, "realm", "sub"),
    Index(None, "realm", "value"),
)

conflicts = Table(
    "login_conflicts",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("realm", Name(64), nullable=False),
    Column("kept", Name(64), nullable=False),
    Column("other", Name(64), nullable=False),
    Column("kind", Name(16), nullable=False),
    Column("space", Name(64), nullable=False),
    Column("value", Name(128), nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("settled_at", Moment),
    UniqueConstraint("realm", "kept", "other", "kind", "space", "value"),
)

sessions = Table(
    "login_sessions",
    metadata,
    Column("id_hash", Name(64), primary_key=True),
    Column("sid", Name(64), nullable=False),
    Column("presence_hash", Name(64), nullable=False),
    Column("realm", Name(64), nullable=False),
    Column("sub", Name(64), nullable=False),
    Column("app", Name(64), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("openid", Name(128), nullable=False),
    Column("unionid", Name(128)),
    Column("acr", Name(64), nullable=False),
    Column("mode", Name(16), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("proved_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("agent", Prose, nullable=False),
    Column("address", Prose, nullable=False),
    Column("ended_at", Moment),
    Column("end_reason", Name(64), nullable=False),
    Column("replaced_by", Name(64)),
    UniqueConstraint("sid"),
    Index(None, "realm", "sub", "sid"),
    Index(None, "expires_at"),
    Index(
        "ix_login_sessions_live",
        "realm",
        "sid",
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
    Index(
        "ix_login_sessions_ended_at",
        "ended_at",
        postgresql_where=text("ended_at IS NOT NULL"),
        sqlite_where=text("ended_at IS NOT NULL"),
    ),
)

# Which clients have had tokens of a session: tokens are forgotten long before the session ends.
session_clients = Table(
    "login_session_clients",
    metadata,
    Column("sid", Name(64), primary_key=True),
    Column("client", Name(64), primary_key=True),
    Index(None, "client"),
)

codes = Table(
    "login_codes",
    metadata,
    Column("code_hash", Name(64), primary_key=True),
    Column("purpose", Name(16), nullable=False),
    Column("realm", Name(64), nullable=False),
    Column("client", Name(64), nullable=False),
    Column("sub", Name(64), nullable=False),
    Column("sid", Name(64), nullable=False),
    Column("family", Name(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    # When somebody spent it once more: what comes of it is worth nothing from then on.
    Column("replayed_at", Moment),
    Index(None, "expires_at"),
    Index(None, "family"),
)

grants = Table(
    "login_grants",
    metadata,
    Column("token_hash", Name(64), primary_key=True),
    Column("kind", Name(16), nullable=False),
    Column("family", Name(64), nullable=False),
    Column("realm", Name(64), nullable=False),
    Column("client", Name(64), nullable=False),
    Column("sub", Name(64), nullable=False),
    Column("sid", Name(64), nullable=False),
    Column("scope", Prose, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("data", JSON, nullable=False),
    Column("replaced_at", Moment),
    Column("revoked_at", Moment),
    Index(None, "family"),
    Index(None, "sid"),
    Index(None, "client"),
    Index(None, "realm", "sub"),
    Index(None, "expires_at"),
)

signing_keys = Table(
    "login_signing_keys",
    metadata,
    Column("realm", Name(64), primary_key=True),
    Column("kid", Name(64), primary_key=True),
    Column("algorithm", Name(16), nullable=False),
    Column("public", JSON, nullable=False),
    # Empty once the key is retired: nothing is signed with it any more.
    Column("private", LargeBinary),
    Column("created_at", Moment, nullable=False),
    Column("signs_from", Moment, nullable=False),
    Column("retired_at", Moment),
)

scans = Table(
    "login_scans",
    metadata,
    Column("id", Name(64), primary_key=True),
    Column("scene_hash", Name(64), nullable=False),
    Column("browser_hash", Name(64), nullable=False),
    Column("realm", Name(64), nullable=False),
    Column("app", Name(64), nullable=False),
    Column("appid", Name(64), nullable=False),
    Column("number", Name(16), nullable=False),
    Column("purpose", Name(16), nullable=False),
    Column("data", JSON, nullable=False),
    Column("asked_by", JSON, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("state", Name(16), nullable=False),
    Column("openid", Name(128)),
    Column("proof_unionid", Name(128)),
    Column("decided_at", Moment),
    UniqueConstraint("scene_hash"),
    Index(None, "expires_at"),
)
