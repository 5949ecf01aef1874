"""Login's records as documents, the same for the API and the command line; no secret and no fingerprint."""

from collections.abc import Sequence
from typing import Any

from wxgate.login.records import (
    App,
    Client,
    Conflict,
    Identity,
    Realm,
    Session,
    SessionLimits,
    SigningKey,
    Subject,
)


def describe_limits(limits: SessionLimits) -> dict[str, Any]:
    """Describe how long sessions live, in seconds."""
    return {
        "idle_seconds": round(limits.idle.total_seconds()),
        "absolute_seconds": round(limits.absolute.total_seconds()),
        "recheck_seconds": round(limits.recheck_after.total_seconds()),
    }


def describe_realm(realm: Realm, base_url: str) -> dict[str, Any]:
    """Describe a realm, with the issuer that OpenID clients are configured with."""
    return {
        "name": realm.name,
        "title": realm.title,
        "issuer": f"{base_url}/oidc/{realm.name}",
        "silent": realm.silent,
        "unionid_backfill": realm.unionid_backfill,
        "return_to": list(realm.return_to),
        "limits": describe_limits(realm.limits),
        "created_at": realm.created_at,
    }


def describe_app(app: App, base_url: str) -> dict[str, Any]:
    """Describe an app, with the address where people log in by it."""
    return {
        "name": app.name,
        "realm": app.realm,
        "kind": app.kind.value,
        "appid": app.appid,
        "issuer": app.issuer,
        "title": app.title,
        "has_secret": bool(app.secret),
        "login_url": f"{base_url}/login/wechat/{app.name}",
        "created_at": app.created_at,
    }


def describe_client(client: Client) -> dict[str, Any]:
    """Describe a relying party, without its secret."""
    return {
        "client_id": client.id,
        "realm": client.realm,
        "name": client.name,
        "public": client.is_public,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "pairwise": client.pairwise,
        "sector": client.sector,
        "grants": sorted(client.grants),
        "scopes": sorted(client.scopes),
        "require_pkce": client.require_pkce,
        "algorithm": client.algorithm,
        "limits": describe_limits(client.limits) if client.limits else None,
        "disabled_at": client.disabled_at,
        "created_at": client.created_at,
    }


def describe_subject(subject: Subject, names: Sequence[Identity] | None = None) -> dict[str, Any]:
    """Describe a person; `names` are WeChat's names for them."""
    document: dict[str, Any] = {
        "sub": subject.sub,
        "realm": subject.realm,
        "nickname": subject.profile.nickname,
        "avatar": subject.profile.avatar,
        "alias_of": subject.alias_of,
        "created_at": subject.created_at,
        "updated_at": subject.updated_at,
        "last_login_at": subject.last_login_at,
    }
    if names is not None:
        document["names"] = [
            {"kind": one.name.kind.value, "space": one.name.space, "value": one.name.value,
             "linked_at": one.linked_at}
            for one in names
        ]  # fmt: skip
    return document


def describe_session(session: Session) -> dict[str, Any]:
    """Describe a session; what its cookies hold is not known here."""
    return {
        "sid": session.sid,
        "realm": session.realm,
        "sub": session.sub,
        "app": session.app,
        "openid": session.openid,
        "mode": session.mode.value,
        "acr": session.acr.value,
        "started_at": session.started_at,
        "proved_at": session.proved_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
        "end_reason": session.end_reason,
        "agent": session.agent,
        "address": session.address,
    }


def describe_conflict(conflict: Conflict) -> dict[str, Any]:
    """Describe two subjects that WeChat showed to be one person."""
    return {
        "id": conflict.id,
        "realm": conflict.realm,
        "kept": conflict.kept,
        "other": conflict.other,
        "kind": conflict.name.kind.value,
        "space": conflict.name.space,
        "value": conflict.name.value,
        "found_at": conflict.found_at,
        "settled_at": conflict.settled_at,
    }


def describe_key(key: SigningKey) -> dict[str, Any]:
    """Describe a signing key by what everybody may know of it."""
    return {
        "kid": key.kid,
        "realm": key.realm,
        "algorithm": key.algorithm,
        "created_at": key.created_at,
        "signs_from": key.signs_from,
    }
