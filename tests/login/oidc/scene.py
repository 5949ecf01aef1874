"""A provider on a store, with a realm, and logins without a browser."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.login.miniprogram import MiniPrograms
from wxgate.login.oidc.claims import challenge_of
from wxgate.login.records import (
    Acr,
    Client,
    Goal,
    IdentityKind,
    Mode,
    Name,
    Profile,
    Purpose,
    Realm,
    Session,
)
from wxgate.secret import Secret, fingerprint
from wxgate.server.metrics import Metrics
from wxgate.server.oidc.parts import Oidc
from wxgate.server.outgoing import Outgoing
from wxgate.store import Store

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
BASE = "https://gw.example"
REALM = "shop"
CALLBACK = "https://shop.example/callback"
VERIFIER = "v" * 43


@dataclass(slots=True)
class Provider:
    """What a test has of the provider."""

    store: Store
    oidc: Oidc
    clock: ManualClock
    outgoing: Outgoing
    secrets: dict[str, Secret] = field(default_factory=dict)

    async def client(self, **fields: Any) -> Client:
        """Register a client; with `public=True` one without a secret."""
        secret = Secret("wxcs_" + secrets.token_urlsafe(32))
        given: dict[str, Any] = {
            "id": "wxcl_" + secrets.token_hex(8),
            "realm": REALM,
            "name": "the shop",
            "created_at": self.clock.now(),
            "secret_hash": None if fields.pop("public", False) else fingerprint(secret),
            "redirect_uris": (CALLBACK,),
        }
        client = Client(**given | fields)
        await self.store.login.realms.put_client(client)
        self.secrets[client.id] = secret
        return client

    async def session(self, openid: str = "openid-1", **fields: Any) -> Session:
        """Log somebody in."""
        now = self.clock.now()
        subject, _ = await self.store.login.identities.resolve(
            REALM,
            [Name(IdentityKind.OPENID, "wx1", openid)],
            new_sub="u_" + secrets.token_hex(11),
            profile=Profile("林小雨", "https://avatar.example/1"),
            now=now,
        )
        given: dict[str, Any] = {
            "id_hash": fingerprint(Secret(secrets.token_hex(16))),
            "presence_hash": fingerprint(Secret(secrets.token_hex(16))),
            "realm": REALM,
            "sub": subject.sub,
            "app": "news",
            "appid": "wx1",
            "openid": openid,
            "acr": Acr.SILENT,
            "mode": Mode.SILENT,
            "started_at": now,
            "proved_at": now,
            "seen_at": now,
            "expires_at": now.replace(year=now.year + 1),
            "sid": "s_" + secrets.token_hex(11),
        }
        session = Session(**given | fields)
        await self.store.login.sessions.create(session)
        return session

    async def code(self, client: Client, session: Session, **asked: str | None) -> str:
        """Let a login end for a client; return the code that it is sent."""
        data = {
            "realm": REALM,
            "client": client.id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile",
            "nonce": "a nonce",
            "code_challenge": challenge_of(VERIFIER),
            **asked,
        }
        goal = Goal(Purpose.OIDC, {name: value for name, value in data.items() if value is not None})
        location = await self.oidc.arrivals.arrived(goal, session)
        return parse_qs(urlsplit(location).query)["code"][0]

    async def redeem(self, client: Client, code: str, **changed: str | None) -> dict[str, Any]:
        """Redeem a code as a client does that is who it says."""
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changed}
        given = {name: value for name, value in form.items() if value is not None}
        return dict(await self.oidc.tokens.redeem(client, given))

    async def login(self, client: Client, session: Session, **asked: str | None) -> dict[str, Any]:
        """Go the whole way."""
        return await self.redeem(client, await self.code(client, session, **asked))


@contextlib.asynccontextmanager
async def provider(database_url: str) -> AsyncIterator[Provider]:
    """Make a provider on an empty database."""
    clock = ManualClock(START)
    store = await Store.open(database_url, Vault(KeyRing.generate()))
    outgoing = Outgoing(())
    oidc = Oidc.make(
        store.login,
        clock,
        public_base_url=BASE,
        outgoing=outgoing,
        metrics=Metrics(),
        mini_programs=cast(MiniPrograms, None),  # there is no WeChat here
        random=os.urandom,
    )
    await store.login.realms.put_realm(Realm(REALM, "晨光商城", START))
    try:
        yield Provider(store, oidc, clock, outgoing)
    finally:
        await oidc.backchannel.close()
        await outgoing.close()
        await store.close()


def wide(client: Client) -> Client:
    """Let a client do everything there is."""
    return replace(
        client,
        scopes=frozenset({"openid", "profile", "wechat", "offline_access"}),
        grants=frozenset({"authorization_code", "refresh_token"}),
    )
