"""Login for applications without OpenID Connect: the address they are given back tells who it is.

    GET /login/wechat/{app}?return_to=https://shop.example/wechat&state=…

    → https://shop.example/wechat?wx_code=wxc_…&state=…         one use within a minute, POST /login/redeem
    → https://shop.example/wechat?wx_result=<JWT>&state=…       with result=signed: checked with our JWKS
    → https://shop.example/wechat?error=access_denied&state=…   the person said no

WeChat's own code never leaves the gateway. A code is for the address it was sent to: whoever redeems it
names that address, or has the verifier of the login's `code_challenge`. Otherwise a site could let a code
that a visitor brought to it log that visitor in at another site of the realm. Where the application sends
`client_id`, only that client can redeem the code.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from wxgate.clock import Clock
from wxgate.errors import BadRequest, OAuthRefused
from wxgate.login.oidc.claims import Login, person
from wxgate.login.oidc.subjects import Subjects
from wxgate.login.oidc.terms import ScopeName
from wxgate.login.ports import Codes, Sessions
from wxgate.login.proofs import proof_for
from wxgate.login.records import Client, Goal, LoginCode, Purpose, Session
from wxgate.login.values import Random, base62, make_code
from wxgate.secret import Secret, equal, fingerprint

GOOD_FOR = timedelta(seconds=60)
"""How long a code, and a signed result, can be used."""

RESULT_TYPE = "wxgate-login+jwt"
"""What a signed result says it is, so that it never passes for an ID token, nor an ID token for it."""

LONGEST = {"state": 512, "nonce": 256}

OURS = frozenset({"wx_code", "wx_result", "error", "error_description"})
"""What we put into an address: old ones in it are taken out, so that an answer is never there twice."""

REDEEMING = ("return_to", "nonce", "code_challenge")
"""What the redeeming of a code must fit, or is told."""

PAGES = frozenset({"snapshot", "interaction_required"})

WORDS = {"cancelled": "access_denied", "trouble": "temporarily_unavailable"}
"""What the outcomes of a login are called in the address."""

FORGOTTEN = {
    "error": "temporarily_unavailable",
    "error_description": "the person was forgotten meanwhile; log in again",
}

_PLAIN = re.compile(r"[\x20-\x7e]*")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CLIENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Result(StrEnum):
    """How an application wants to be told."""

    CODE = "code"
    SIGNED = "signed"
    NONE = "none"
    """Not in the address: the page asks /login/session itself."""


class Signer(Protocol):
    """Signs as a realm does, with the keys it publishes."""

    async def sign(self, realm: str, claims: dict[str, Any], *, typ: str) -> str:
        """Return a compact JWT of the claims and the realm as `iss`."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What an application asked for in the address; `return_to` has been checked before."""

    return_to: str
    result: Result = Result.CODE
    state: str = ""
    nonce: str = ""
    challenge: str = ""
    client: str = ""

    @property
    def goal(self) -> Goal:
        """The same, as an attempt keeps it."""
        data = {
            "return_to": self.return_to,
            "result": self.result.value,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "client_id": self.client,
        }
        return Goal(Purpose.HANDOVER, {name: value for name, value in data.items() if value})


def read_wish(return_to: str, query: Mapping[str, str]) -> Wish:
    """Read the parameters of a hand-over; raise BadRequest for what is not understood."""
    for name, longest in LONGEST.items():
        value = query.get(name, "")
        if len(value) > longest or not _PLAIN.fullmatch(value):
            raise BadRequest(f"{name} is up to {longest} characters of plain ASCII")
    try:
        result = Result(query.get("result") or Result.CODE)
    except ValueError:
        raise BadRequest("result is code, signed or none") from None
    challenge = query.get("code_challenge", "")
    if challenge and not _CHALLENGE.fullmatch(challenge):
        raise BadRequest("code_challenge is the 43 characters of S256")
    if query.get("code_challenge_method", "S256") != "S256":
        raise BadRequest("code_challenge_method is S256; plain is not taken")
    client = query.get("client_id", "")
    if client and not _CLIENT.fullmatch(client):
        raise BadRequest("this cannot be a client_id")
    return Wish(return_to, result, query.get("state", ""), query.get("nonce", ""), challenge, client)


def with_answer(return_to: str, answer: Mapping[str, str]) -> str:
    """Put an answer into an address in the place of any older one; the rest of the address stays."""
    parts = urlsplit(return_to)
    given = {name: value for name, value in answer.items() if value}
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in OURS and name not in given
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, *given.items()])))


def site_of(address: str) -> str:
    """Return the origin of an address that has been checked, as browsers write it."""
    parts = urlsplit(address)
    default = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.lower()
    return f"{parts.scheme}://{host.removesuffix(f':{default}')}"


def is_proof(verifier: str, challenge: str) -> bool:
    """Tell whether a verifier is the one that a challenge was made of (RFC 7636, S256)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = sha256(verifier.encode()).digest()
    return equal(base64.urlsafe_b64encode(digest).rstrip(b"="), challenge.encode())


class Handover:
    """Gives codes and signed results to applications, and redeems the codes."""

    def __init__(
        self,
        codes: Codes,
        sessions: Sessions,
        subjects: Subjects,
        signer: Signer,
        clock: Clock,
        random: Random = os.urandom,
    ) -> None:
        self._codes = codes
        self._sessions = sessions
        self._subjects = subjects
        self._signer = signer
        self._clock = clock
        self._random = random

    async def arrived(self, goal: Goal, session: Session) -> str:
        """Return the address that the browser goes back to, with what the application asked for."""
        wish = goal.data
        match wish.get("result"):
            case Result.NONE:
                told = {}
            case Result.SIGNED:
                signed = await self._signed(wish, session)
                told = {"wx_result": signed} if signed is not None else FORGOTTEN
            case _:
                told = {"wx_code": await self._code(wish, session)}
        return with_answer(wish["return_to"], told | {"state": wish.get("state", "")})

    async def refused(self, goal: Goal, word: str, description: str) -> str | None:
        """Return the address that tells the application of a refusal.

        In a snapshot the person gets a page instead: nothing can be handed over there, but one tap leads out.
        """
        if word in PAGES:
            return None
        error = WORDS.get(word, word)
        told = {"error": error, "error_description": description, "state": goal.data.get("state", "")}
        return with_answer(goal.data["return_to"], told)

    async def redeem(
        self, code: str, client: Client, *, verifier: str = "", return_to: str = ""
    ) -> dict[str, Any]:
        """Spend a code for who it is; of any number of callers one is told, once.

        Raises OAuthRefused in the words of RFC 6749; they tell nothing of a code that is somebody else's.
        """
        if not (return_to or verifier):
            # The code is not spent on it: whoever writes the site sees this, and mends it.
            raise OAuthRefused("invalid_request", "send the return_to of the login, or code_verifier")
        now = self._clock.now()
        taken = await self._codes.take(fingerprint(Secret(code)), now=now)
        if taken is None or not taken[1] or taken[0].expires_at <= now:
            raise OAuthRefused("invalid_grant", "the code is unknown, used, or older than a minute")
        kept, _ = taken
        if reason := _misfit(kept, client, verifier, return_to):
            raise OAuthRefused("invalid_grant", reason)
        session = await self._sessions.by_sid(kept.sid)
        login = Login.of_data(kept.sub, kept.sid, kept.data)
        subject = await self._subjects.load(kept.realm, kept.sub)
        if session is None or session.ended_at is not None or subject is None:
            raise OAuthRefused("invalid_grant", "the session has ended meanwhile")
        sub = await self._subjects.told_to(client, subject.sub)
        scope = client.scopes & {ScopeName.PROFILE, ScopeName.WECHAT}
        told = person(login, subject, sub, scope)
        return told | ({"nonce": kept.data["nonce"]} if "nonce" in kept.data else {})

    async def _code(self, wish: Mapping[str, str], session: Session) -> str:
        now = self._clock.now()
        code = make_code(self._random)
        kept = LoginCode(
            code_hash=fingerprint(code),
            purpose=Purpose.HANDOVER,
            realm=session.realm,
            client=wish.get("client_id", ""),
            sub=session.sub,
            sid=session.sid,
            family=base62(self._random, 22),
            data=_login(wish, session).data() | {name: wish[name] for name in REDEEMING if name in wish},
            issued_at=now,
            expires_at=now + GOOD_FOR,
        )
        await self._codes.put(kept)
        return code.reveal()

    async def _signed(self, wish: Mapping[str, str], session: Session) -> str | None:
        now = self._clock.now()
        subject = await self._subjects.load(session.realm, session.sub)
        if subject is None:
            return None
        site, named = site_of(wish["return_to"]), wish.get("client_id", "")
        sub = await self._subjects.told_at(session.realm, site, subject.sub, named=named)
        claims = person(_login(wish, session), subject, sub, frozenset({ScopeName.PROFILE}))
        claims |= {
            "aud": site,
            "iat": int(now.timestamp()),
            "exp": int((now + GOOD_FOR).timestamp()),
            "jti": base62(self._random, 22),
        }
        claims |= {"nonce": wish["nonce"]} if "nonce" in wish else {}
        return await self._signer.sign(session.realm, claims, typ=RESULT_TYPE)


def _login(wish: Mapping[str, str], session: Session) -> Login:
    """Tell of a session by the proof that the application asked for."""
    return Login.of_session(session, proof_for(wish, session))


def _misfit(code: LoginCode, client: Client, verifier: str, return_to: str) -> str:
    """Say why a client may not redeem a code, or return ""."""
    challenge = code.data.get("code_challenge", "")
    if code.purpose is not Purpose.HANDOVER:
        return "this code is for the token endpoint"
    if code.realm != client.realm or (code.client and code.client != client.id):
        return "the code was given for another client"
    if return_to and return_to != code.data.get("return_to"):
        return "return_to is not the one the login was started with"
    if bool(verifier) != bool(challenge) or (challenge and not is_proof(verifier, challenge)):
        return "code_verifier does not fit the code_challenge of the login"
    if client.is_public and not challenge:
        return "a client without a secret needs code_challenge and code_verifier"
    return ""
