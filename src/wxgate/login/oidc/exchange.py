"""Token exchange (RFC 8693): what `wx.login` gives a mini program becomes tokens of ours.

    subject_token=<js_code>  subject_token_type=urn:wxgw:token-type:js-code  [audience=<app>]  [scope=…]

WeChat's code works once, and so does this. The session_key stays in the gateway.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from wxgate.clock import Clock
from wxgate.errors import ConfigError, NotFound, OAuthRefused
from wxgate.login.miniprogram import MiniPrograms
from wxgate.login.oidc.terms import (
    ACCESS_TOKEN_LIVES,
    ACCESS_TOKEN_TYPE,
    JS_CODE,
    REFRESH_TOKEN_LIVES,
    ScopeName,
    read_scope,
)
from wxgate.login.oidc.tokens import TokenIssuer, allowed_scope, may_refresh
from wxgate.login.ports import Sessions
from wxgate.login.records import Client, Proof, Session, Subject
from wxgate.login.values import Random, make_presence, make_session_id, make_sid
from wxgate.login.wechat import Failure, LoginFailed
from wxgate.secret import OAuthCode, fingerprint

LONGEST_CODE = 512

SPENT = frozenset({Failure.EXPIRED_CODE, Failure.LOST})


class TokenExchange:
    """Exchanges the codes of mini programs."""

    def __init__(
        self,
        *,
        mini_programs: MiniPrograms,
        sessions: Sessions,
        tokens: TokenIssuer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._mini_programs = mini_programs
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock
        self._random = random

    async def exchange(self, client: Client, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Exchange a code for tokens."""
        scope = read_exchange(client, form)
        code = OAuthCode(form["subject_token"])
        try:
            found = await self._mini_programs.log_in(client.realm, form.get("audience"), code)
        except (NotFound, ConfigError):
            raise OAuthRefused("invalid_target", "audience is no mini program of this realm") from None
        except LoginFailed as failed:
            raise _refusal(failed) from None
        session = self._session(*found, lives=_life(client, scope))
        if await self._sessions.create(session) is None:
            raise OAuthRefused("invalid_grant", "the person was forgotten meanwhile; log in again")
        document = await self._tokens.start(client, session, scope)
        return {**document, "issued_token_type": ACCESS_TOKEN_TYPE}

    def _session(self, subject: Subject, proof: Proof, *, lives: timedelta) -> Session:
        """Make a session that no browser has, so that it is listed and ended like any other."""
        now = self._clock.now()
        return Session(
            id_hash=fingerprint(make_session_id(self._random)),
            presence_hash=fingerprint(make_presence(self._random)),
            realm=subject.realm,
            sub=subject.sub,
            app=proof.app,
            appid=proof.appid,
            openid=proof.openid,
            acr=proof.acr,
            mode=proof.mode,
            started_at=now,
            proved_at=now,
            seen_at=now,
            expires_at=now + lives,
            sid=make_sid(self._random),
            unionid=proof.unionid,
        )


def read_exchange(client: Client, form: Mapping[str, str]) -> frozenset[str]:
    """Check what is to be exchanged and return the scope; raise OAuthRefused."""
    if form.get("subject_token_type") != JS_CODE:
        raise OAuthRefused("invalid_request", f"subject_token_type must be {JS_CODE}")
    if not 0 < len(form.get("subject_token", "")) <= LONGEST_CODE:
        raise OAuthRefused("invalid_request", "subject_token is what wx.login gave the mini program")
    if "actor_token" in form or "resource" in form:
        raise OAuthRefused("invalid_request", "actor_token and resource are not supported")
    if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
        raise OAuthRefused("invalid_request", f"requested_token_type must be {ACCESS_TOKEN_TYPE}")
    if ScopeName.OPENID not in read_scope(form.get("scope", ScopeName.OPENID)):
        raise OAuthRefused("invalid_scope", "scope must contain openid")
    return allowed_scope(client, form.get("scope", ScopeName.OPENID))


def _life(client: Client, scope: frozenset[str]) -> timedelta:
    return REFRESH_TOKEN_LIVES if may_refresh(client, scope) else ACCESS_TOKEN_LIVES


def _refusal(failed: LoginFailed) -> OAuthRefused:
    if failed.failure in SPENT:
        return OAuthRefused("invalid_grant", "WeChat's code is used or expired; call wx.login again")
    if failed.failure is Failure.RESTRICTED:
        return OAuthRefused("access_denied", "WeChat does not let this person log in", status=403)
    return OAuthRefused("temporarily_unavailable", "WeChat did not redeem the code; try later", status=503)
