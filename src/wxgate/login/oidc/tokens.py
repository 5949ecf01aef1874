"""The token endpoint: codes and refresh tokens are turned into tokens, each of them once.

Everything that comes of one code is a family. A code or refresh token that is shown a second time may have
been stolen, and nobody can tell who holds the copy: the whole family is revoked (RFC 6749 4.1.2, RFC 9700).
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from wxgate.clock import Clock
from wxgate.errors import OAuthRefused
from wxgate.login.oidc import claims
from wxgate.login.oidc.claims import Login
from wxgate.login.oidc.keys import Keyring
from wxgate.login.oidc.subjects import Subjects
from wxgate.login.oidc.terms import (
    ACCESS_TOKEN,
    ACCESS_TOKEN_LIVES,
    CODE,
    RANDOM_BYTES,
    REFRESH_TOKEN,
    REFRESH_TOKEN_LIVES,
    GrantType,
    ScopeName,
    issuer_of,
    read_scope,
    write_scope,
)
from wxgate.login.ports import Codes, Grants, Sessions
from wxgate.login.records import Client, Grant, GrantKind, LoginCode, Purpose, Session
from wxgate.secret import Secret, equal, fingerprint

log = structlog.get_logger("wxgate.login")

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_TOKEN = re.compile(r"wx(?:c|at|rt)_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """For whom tokens are to be made, and of which family they are."""

    client: Client
    login: Login
    scope: frozenset[str]
    family: str
    ends_at: datetime
    nonce: str | None = None


class TokenIssuer:
    """Turns codes and refresh tokens into tokens."""

    def __init__(
        self,
        *,
        codes: Codes,
        grants: Grants,
        sessions: Sessions,
        subjects: Subjects,
        keyring: Keyring,
        clock: Clock,
        public_base_url: str,
        text_of: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._codes = codes
        self._grants = grants
        self._sessions = sessions
        self._subjects = subjects
        self._keyring = keyring
        self._clock = clock
        self._base = public_base_url
        self._text_of = text_of

    async def redeem(self, client: Client, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Redeem an authorization code."""
        if "code" not in form:
            raise OAuthRefused("invalid_request", "code is missing")
        refused = OAuthRefused("invalid_grant", "the code is unknown, expired, used or not for this client")
        value = Secret(form["code"])
        if not is_one_of_ours(value, CODE):
            raise refused
        found = await self._codes.take(fingerprint(value), now=self._clock.now())
        if found is None:
            raise refused
        code, is_first = found
        if not is_first:
            await self._grants.revoke_family(code.family, now=self._clock.now())
            log.warning("oidc.code_used_twice", client=client.id, sid=code.sid)
            raise refused
        now = self._clock.now()
        if code.purpose is not Purpose.OIDC or code.client != client.id or code.expires_at <= now:
            raise refused
        check_redeeming(code, form)
        await self._check_session(code.sid)
        ticket = Ticket(
            client,
            Login.of_data(code.sub, code.sid, code.data),
            held_scope(client, code.data["scope"]),
            code.family,
            now + REFRESH_TOKEN_LIVES,
            code.data.get("nonce"),
        )
        return await self._issue(ticket)

    async def refresh(self, client: Client, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Replace a refresh token; the old one is good for nothing any more."""
        if "refresh_token" not in form:
            raise OAuthRefused("invalid_request", "refresh_token is missing")
        refused = OAuthRefused("invalid_grant", "the refresh token is unknown, expired, used or revoked")
        value = Secret(form["refresh_token"])
        grant = await self._load(value, REFRESH_TOKEN)
        if grant is None or grant.client != client.id or grant.realm != client.realm:
            raise refused
        if grant.replaced_at is not None:
            await self._grants.revoke_family(grant.family, now=self._clock.now())
            log.warning("oidc.refresh_token_used_twice", client=client.id, sid=grant.sid)
            raise refused
        if grant.revoked_at is not None or grant.expires_at <= self._clock.now():
            raise refused
        # What a client may not ask for any more, it does not get by an old token either.
        scope = granted = held_scope(client, grant.scope)
        if not may_refresh(client, granted):
            raise refused
        if "scope" in form and not (scope := allowed_scope(client, form["scope"])) <= granted:
            raise OAuthRefused("invalid_scope", "a refresh can narrow the scope, not widen it")
        await self._check_session(grant.sid)
        login = Login.of_data(grant.sub, grant.sid, grant.data)
        ticket = Ticket(client, login, scope, grant.family, grant.expires_at)
        return await self._issue(ticket, instead_of=grant.token_hash, granted=granted)

    async def start(self, client: Client, session: Session, scope: frozenset[str]) -> Mapping[str, Any]:
        """Make the first tokens of a session that came without a code, as a mini program's does."""
        ends_at = self._clock.now() + REFRESH_TOKEN_LIVES
        ticket = Ticket(client, Login.of_session(session), scope, self._text_of(16), ends_at)
        return await self._issue(ticket)

    async def revoke(self, client: Client, form: Mapping[str, str]) -> bool:
        """Revoke a token with its whole family (RFC 7009); False for one that is nobody's."""
        if "token" not in form:
            raise OAuthRefused("invalid_request", "token is missing")
        value = Secret(form["token"])
        grant = await self._load(value, ACCESS_TOKEN) or await self._load(value, REFRESH_TOKEN)
        if grant is None:
            return False
        if grant.client != client.id:
            raise OAuthRefused("invalid_grant", "the token was issued to another client")
        await self._grants.revoke_family(grant.family, now=self._clock.now())
        return True

    async def _load(self, value: Secret, kind: str) -> Grant | None:
        return await self._grants.load(fingerprint(value)) if is_one_of_ours(value, kind) else None

    async def _check_session(self, sid: str) -> None:
        session = await self._sessions.by_sid(sid)
        if session is not None and has_ended(session):
            raise OAuthRefused("invalid_grant", "the session has ended")

    async def _issue(
        self, ticket: Ticket, *, instead_of: str | None = None, granted: frozenset[str] | None = None
    ) -> Mapping[str, Any]:
        client, login = ticket.client, ticket.login
        subject = await self._subjects.load(client.realm, login.sub)
        if subject is None:
            raise OAuthRefused("invalid_grant", "the person is not known here any more")
        now = self._clock.now()
        access = Secret(ACCESS_TOKEN + self._text_of(RANDOM_BYTES))
        made = [_grant(GrantKind.ACCESS, access, ticket, now)]
        document: dict[str, Any] = {
            "access_token": access.reveal(),
            "token_type": "Bearer",
            "expires_in": int(ACCESS_TOKEN_LIVES.total_seconds()),
            "scope": write_scope(ticket.scope),
        }
        if may_refresh(client, granted or ticket.scope):
            refresh = Secret(REFRESH_TOKEN + self._text_of(RANDOM_BYTES))
            # What was granted stays granted, however narrow one access token is (RFC 6749 6).
            kept = replace(ticket, scope=granted or ticket.scope)
            made.append(_grant(GrantKind.REFRESH, refresh, kept, now))
            document["refresh_token"] = refresh.reveal()
        if instead_of is None:
            if not await self._grants.put(made):
                raise OAuthRefused("invalid_grant", "the session has ended")
        elif not await self._grants.replace(instead_of, made, now=now):
            await self._grants.revoke_family(ticket.family, now=now)
            raise OAuthRefused("invalid_grant", "it was used a moment ago, or has been revoked")
        if ScopeName.OPENID in ticket.scope:
            sub = await self._subjects.told_to(client, login.sub)
            told = claims.id_token(
                claims.person(login, subject, sub, ticket.scope),
                issuer=issuer_of(self._base, client.realm),
                client=client,
                sid=await self._subjects.sid_told_to(client, login.sid),
                now=now,
                nonce=ticket.nonce,
                access_token=access,
            )
            document["id_token"] = await self._keyring.sign(client.realm, client.algorithm, told)
        return document


def is_one_of_ours(value: Secret, kind: str) -> bool:
    """Tell whether a value has the form of our tokens of a kind, so that no other is looked for."""
    text = value.reveal()
    return text.startswith(kind) and _TOKEN.fullmatch(text) is not None


def allowed_scope(client: Client, asked: str) -> frozenset[str]:
    """Read a scope; what there is not, or not for this client, is left out, whenever it is asked for."""
    return held_scope(client, asked) & frozenset(ScopeName)


def held_scope(client: Client, granted: str) -> frozenset[str]:
    """Read what is left today of a scope that was granted to a client."""
    return read_scope(granted) & (client.scopes | {ScopeName.OPENID})


def may_refresh(client: Client, scope: frozenset[str]) -> bool:
    """Tell whether a client gets refresh tokens: it may, and it has asked for them."""
    return GrantType.REFRESH_TOKEN in client.grants and ScopeName.OFFLINE_ACCESS in scope


def has_ended(session: Session) -> bool:
    """Tell whether somebody ended a session, so that its tokens are good for nothing.

    That it has expired says nothing: refresh tokens are for when nobody is there.
    """
    return session.ended_at is not None


def check_redeeming(code: LoginCode, form: Mapping[str, str]) -> None:
    """Refuse a code that is redeemed in another way than it was asked for."""
    if form.get("redirect_uri") != code.data["redirect_uri"]:
        raise OAuthRefused("invalid_grant", "redirect_uri is not the one of the authorization request")
    challenge, verifier = code.data.get("code_challenge"), form.get("code_verifier")
    if challenge is None:
        if verifier is not None:
            # Whoever shows a verifier has asked with a challenge: it was taken out (RFC 9700 2.1.1).
            raise OAuthRefused("invalid_grant", "the authorization request had no code_challenge")
        return
    if verifier is None:
        raise OAuthRefused("invalid_grant", "code_verifier is missing")
    if not _VERIFIER.fullmatch(verifier) or not equal(claims.challenge_of(verifier), challenge):
        raise OAuthRefused("invalid_grant", "code_verifier does not fit the code_challenge")


def _grant(kind: GrantKind, value: Secret, ticket: Ticket, now: datetime) -> Grant:
    is_access = kind is GrantKind.ACCESS
    return Grant(
        token_hash=fingerprint(value),
        kind=kind,
        family=ticket.family,
        realm=ticket.client.realm,
        client=ticket.client.id,
        sub=ticket.login.sub,
        sid=ticket.login.sid,
        scope=write_scope(ticket.scope),
        issued_at=now,
        expires_at=now + ACCESS_TOKEN_LIVES if is_access else ticket.ends_at,
        data=ticket.login.data(),
    )
