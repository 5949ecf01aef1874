"""What comes after a login that a client asked for: a code of ours, sent to where the client said."""

import secrets
from collections.abc import Callable, Mapping

from wxgate.clock import Clock
from wxgate.login.oidc.claims import Login
from wxgate.login.oidc.requests import answer_url
from wxgate.login.oidc.subjects import Subjects
from wxgate.login.oidc.terms import CODE, CODE_LIVES, RANDOM_BYTES, issuer_of
from wxgate.login.ports import Codes, Realms
from wxgate.login.proofs import proof_for
from wxgate.login.records import Goal, LoginCode, Purpose, Session
from wxgate.secret import Secret, fingerprint

ERRORS = frozenset(
    {
        *("access_denied", "login_required", "interaction_required", "consent_required"),
        *("account_selection_required", "temporarily_unavailable", "server_error"),
    }
)
"""What a client can be told of a login that came to nothing."""


class Arrivals:
    """Says where a browser goes when a login for a client has come to its end."""

    def __init__(
        self,
        *,
        realms: Realms,
        codes: Codes,
        subjects: Subjects,
        clock: Clock,
        public_base_url: str,
        text_of: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._realms = realms
        self._codes = codes
        self._subjects = subjects
        self._clock = clock
        self._base = public_base_url
        self._text_of = text_of

    async def arrived(self, goal: Goal, session: Session) -> str:
        """Make a code for a session and say where it goes."""
        asked = goal.data
        client = await self._realms.client(asked["client"])
        if client is None or client.disabled_at is not None or client.realm != session.realm:
            return self._answer(goal, error="unauthorized_client")
        expected = asked.get("expected_sub")
        if expected is not None and await self._subjects.told_to(client, session.sub) != expected:
            return self._answer(
                goal, error="login_required", error_description="another person has logged in"
            )
        code = Secret(CODE + self._text_of(RANDOM_BYTES))
        now = self._clock.now()
        kept = LoginCode(
            code_hash=fingerprint(code),
            purpose=Purpose.OIDC,
            realm=session.realm,
            client=client.id,
            sub=session.sub,
            sid=session.sid,
            family=self._text_of(16),
            data=Login.of_session(session, proof_for(asked, session)).data() | _redeeming(asked),
            issued_at=now,
            expires_at=now + CODE_LIVES,
        )
        await self._codes.put(kept)
        return self._answer(goal, code=code.reveal())

    async def refused(self, goal: Goal, word: str, description: str) -> str:
        """Say where a browser goes that was not logged in."""
        error = word if word in ERRORS else "server_error"
        return self._answer(goal, error=error, error_description=description)

    def _answer(self, goal: Goal, **values: str) -> str:
        asked = goal.data
        issuer = issuer_of(self._base, asked["realm"])
        given = {name: _plain(value) for name, value in values.items() if value}
        return answer_url(asked["redirect_uri"], issuer, asked.get("state"), **given)


def _redeeming(asked: Mapping[str, str]) -> dict[str, str]:
    """Keep what the redeeming must fit."""
    return {
        name: asked[name] for name in ("redirect_uri", "scope", "nonce", "code_challenge") if name in asked
    }


def _plain(text: str) -> str:
    """Leave what an error_description may hold (RFC 6749 4.1.2.1)."""
    return "".join(char for char in text if " " <= char <= "~" and char not in '"\\')
