"""The userinfo endpoint: what an access token still lets its client know."""

from collections.abc import Mapping
from typing import Any

from wxgate.clock import Clock
from wxgate.errors import BearerRefused, OAuthRefused
from wxgate.login.oidc import claims
from wxgate.login.oidc.claims import Login
from wxgate.login.oidc.subjects import Subjects
from wxgate.login.oidc.terms import ACCESS_TOKEN, ScopeName, read_scope
from wxgate.login.oidc.tokens import has_ended, held_scope, is_one_of_ours
from wxgate.login.ports import Grants, Realms, Sessions
from wxgate.login.records import GrantKind
from wxgate.secret import Secret, fingerprint


def read_bearer(authorization: str | None, form: Mapping[str, str]) -> Secret:
    """Read the access token of a request (RFC 6750): from the header or a form, from one of them only."""
    posted = form.get("access_token")
    if authorization is None:
        if posted is None:
            raise BearerRefused("", "no access token was sent")
        return Secret(posted)
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "bearer" or not value.strip():
        raise BearerRefused("", "no access token was sent")
    if posted is not None:
        raise OAuthRefused("invalid_request", "the access token is sent in two ways at once")
    return Secret(value.strip())


class UserInfo:
    """Answers the holders of access tokens."""

    def __init__(
        self, *, realms: Realms, grants: Grants, sessions: Sessions, subjects: Subjects, clock: Clock
    ) -> None:
        self._realms = realms
        self._grants = grants
        self._sessions = sessions
        self._subjects = subjects
        self._clock = clock

    async def tell(self, realm: str, token: Secret) -> dict[str, Any]:
        """Tell what the token is good for, or raise BearerRefused."""
        refused = BearerRefused("invalid_token", "the access token is unknown, expired or revoked")
        if not is_one_of_ours(token, ACCESS_TOKEN):
            raise refused
        grant = await self._grants.load(fingerprint(token))
        if grant is None or grant.kind is not GrantKind.ACCESS or grant.realm != realm:
            raise refused
        if grant.revoked_at or grant.replaced_at or grant.expires_at <= self._clock.now():
            raise refused
        scope = read_scope(grant.scope)
        if ScopeName.OPENID not in scope:
            raise BearerRefused("insufficient_scope", "the access token lacks the scope openid")
        client = await self._realms.client(grant.client)
        session = await self._sessions.by_sid(grant.sid)
        subject = await self._subjects.load(realm, grant.sub)
        if client is None or client.disabled_at or subject is None or (session and has_ended(session)):
            raise refused
        login = Login.of_data(grant.sub, grant.sid, grant.data)
        sub = await self._subjects.told_to(client, grant.sub)
        return claims.person(login, subject, sub, held_scope(client, grant.scope))
