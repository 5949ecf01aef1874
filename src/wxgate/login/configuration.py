"""Realms, apps and clients as an operator makes, changes and removes them.

Of a client's secret only the fingerprint is kept: it is shown when it is made, and never again.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from wxgate.clock import Clock
from wxgate.errors import ConfigError, NotFound
from wxgate.login.ports import Identities, Realms
from wxgate.login.records import App, AppKind, Client, Realm, SessionLimits
from wxgate.login.registration import (
    KnownAccount,
    NewApp,
    NewClient,
    check_client,
    check_limits,
    check_name,
    check_return_to,
    check_title,
    choose_issuer,
    choose_kind,
)
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import ClientSecret, fingerprint

log = structlog.get_logger("wxgate.login")

CLIENT_PREFIX = "wxcl_"
SECRET_PREFIX = "wxcs_"  # noqa: S105 - how ours begin
ID_BYTES = 8
SECRET_BYTES = 32

Known = Callable[[str], Awaitable[KnownAccount]]
"""Tells what the gateway knows of an appid."""

FIRST_REALM = "main"
"""What the realm is called that is made with the first app, where nobody has named one."""


class LoginConfiguration:
    """Makes, changes and removes what people log in with; errors say what to do instead."""

    def __init__(
        self,
        realms: Realms,
        identities: Identities,
        clock: Clock,
        *,
        known: Known,
        hex_of: Callable[[int], str] = secrets.token_hex,
        text_of: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._realms = realms
        self._identities = identities
        self._clock = clock
        self.known = known
        self._hex_of = hex_of
        self._text_of = text_of

    async def realms(self) -> Sequence[Realm]:
        """List the realms."""
        return await self._realms.realms()

    async def require_realm(self, name: str) -> Realm:
        """Load a realm, or raise NotFound."""
        realm = await self._realms.realm(name)
        if realm is None:
            raise NotFound(f"no realm {name} here; `wxgate login realm list` shows them")
        return realm

    async def add_realm(
        self,
        name: str,
        *,
        title: str | None = None,
        silent: bool = True,
        unionid_backfill: bool = False,
        return_to: Sequence[str] = (),
        limits: SessionLimits | None = None,
    ) -> Realm:
        """Make a realm: a set of apps of one open-platform account, and the OpenID issuer of that name."""
        check_name("realm", name)
        if await self._realms.realm(name) is not None:
            raise ConfigError(f"there is a realm {name} already; `wxgate login realm set` changes it")
        realm = Realm(
            name=name,
            title=check_title(title if title is not None else name),
            created_at=self._clock.now(),
            silent=silent,
            unionid_backfill=unionid_backfill,
            return_to=check_return_to(return_to),
            limits=check_limits(limits or SessionLimits()),
        )
        await self._realms.put_realm(realm)
        log.info("login.realm_added", realm=name)
        return realm

    async def change_realm(self, name: str, **changes: Any) -> Realm:
        """Change what is given of a realm: title, silent, unionid_backfill, return_to, limits."""
        changed = replace(await self.require_realm(name), **changes)
        changed = replace(
            changed,
            title=check_title(changed.title),
            return_to=check_return_to(changed.return_to),
            limits=check_limits(changed.limits),
        )
        await self._realms.put_realm(changed)
        log.info("login.realm_changed", realm=name, changed=sorted(changes))
        return changed

    async def remove_realm(self, name: str, *, force: bool = False, word: str = "--yes") -> Realm:
        """Remove a realm with everything in it: without `force`, which `word` says, only an empty one."""
        realm = await self.require_realm(name)
        apps, clients = await self._realms.apps(name), await self._realms.clients(name)
        people = await self._identities.subjects(name, limit=1)
        if (apps or clients or people) and not force:
            raise ConfigError(
                f"realm {name} has apps ({len(apps)}), clients ({len(clients)}) or people; removing it ends "
                f"their logins and forgets everybody for ever. Say {word} if that is meant"
            )
        await self._realms.remove_realm(name)
        log.info("login.realm_removed", realm=name)
        return realm

    async def apps(self, realm: str | None = None) -> Sequence[App]:
        """List the apps, of one realm or of all."""
        if realm is not None:
            await self.require_realm(realm)
        return await self._realms.apps(realm)

    async def require_app(self, name: str) -> App:
        """Load an app, or raise NotFound."""
        app = await self._realms.app(name)
        if app is None:
            raise NotFound(f"no login app {name} here; `wxgate login app list` shows them")
        return app

    async def add_app(self, new: NewApp) -> App:
        """Give a realm an appid to log in with; the first app of a gateway makes its realm, too."""
        check_name("app", new.name)
        if await self._realms.app(new.name) is not None:
            raise ConfigError(f"there is an app {new.name} already; `wxgate login app set` changes it")
        known = await self.known(new.appid)
        kind = choose_kind(new, known)
        issuer = choose_issuer(new, kind, known, DIRECT_ISSUER)
        self._need_secret(new, kind, issuer, known)
        title = check_title(new.title if new.title is not None else known.title or new.name)
        realm = await self._realm_for(new.realm, title)
        if twin := next((one for one in await self._realms.apps(realm) if one.appid == new.appid), None):
            raise ConfigError(f"realm {realm} logs in with {new.appid} already, as {twin.name}")
        app = App(
            name=new.name,
            realm=realm,
            kind=kind,
            appid=new.appid,
            issuer=issuer,
            title=title,
            created_at=self._clock.now(),
            secret=new.secret,
        )
        await self._realms.put_app(app)
        log.info("login.app_added", app=app.name, realm=realm, kind=kind, appid=app.appid, issuer=issuer)
        return app

    async def change_app(self, name: str, **changes: Any) -> App:
        """Change what is given of an app: its title, secret or issuer."""
        app = await self.require_app(name)
        if (issuer := changes.get("issuer")) is not None:
            new = NewApp(
                name=name, appid=app.appid, kind=app.kind, issuer=issuer, secret=changes.get("secret")
            )
            known = await self.known(app.appid)
            changes["issuer"] = choose_issuer(new, app.kind, known, DIRECT_ISSUER)
        if "title" in changes:
            changes["title"] = check_title(changes["title"])
        changed = replace(app, **changes)
        await self._realms.put_app(changed)
        log.info("login.app_changed", app=name, changed=sorted(changes))
        return await self.require_app(name)

    async def remove_app(self, name: str) -> App:
        """Remove an app; who has logged in by it stays logged in until the session ends."""
        app = await self.require_app(name)
        await self._realms.remove_app(name)
        log.info("login.app_removed", app=name, realm=app.realm)
        return app

    async def clients(self, realm: str | None = None) -> Sequence[Client]:
        """List the clients, of one realm or of all."""
        if realm is not None:
            await self.require_realm(realm)
        return await self._realms.clients(realm)

    async def require_client(self, which: str) -> Client:
        """Load a client by its id, or by its name where only one has that; raise NotFound."""
        if (client := await self._realms.client(which)) is not None:
            return client
        named = [one for one in await self._realms.clients() if one.name == which]
        if len(named) == 1:
            return named[0]
        if named:
            raise ConfigError(f"several clients are called {which}: {', '.join(one.id for one in named)}")
        raise NotFound(f"no login client {which} here; `wxgate login client list` shows them")

    async def add_client(self, realm: str, new: NewClient) -> tuple[Client, ClientSecret | None]:
        """Make a relying party, and its secret unless it is public; the secret is kept nowhere."""
        await self.require_realm(realm)
        new = check_client(new)
        await self._need_free_name(realm, new.name)
        secret = None if new.public else self._new_secret()
        client = Client(
            id=f"{CLIENT_PREFIX}{self._hex_of(ID_BYTES)}",
            realm=realm,
            created_at=self._clock.now(),
            secret_hash=fingerprint(secret) if secret else None,
            **_kept(new),
        )
        await self._realms.put_client(client)
        log.info("login.client_added", client=client.id, realm=realm, name=client.name)
        return client, secret

    async def change_client(self, which: str, **changes: Any) -> Client:
        """Change what is given of a client; `disabled` turns it away until it is enabled again."""
        client = await self.require_client(which)
        disabled = changes.pop("disabled", None)
        wanted = {**_kept_of(client), **changes}
        new = check_client(NewClient(**wanted, public=client.is_public))
        if new.name != client.name:
            await self._need_free_name(client.realm, new.name)
        changed = replace(client, **_kept(new))
        if disabled is not None:
            since = client.disabled_at or self._clock.now()
            changed = replace(changed, disabled_at=since if disabled else None)
        await self._realms.put_client(changed)
        log.info("login.client_changed", client=client.id, changed=sorted(changes))
        return changed

    async def rotate_secret(self, which: str) -> tuple[Client, ClientSecret]:
        """Give a client a new secret; the one before is refused from now on."""
        client = await self.require_client(which)
        if client.is_public:
            raise ConfigError(f"{client.name} is a public client: it has no secret, and PKCE in its place")
        secret = self._new_secret()
        changed = replace(client, secret_hash=fingerprint(secret))
        await self._realms.put_client(changed)
        log.info("login.client_secret_rotated", client=client.id)
        return changed, secret

    async def remove_client(self, which: str) -> Client:
        """Remove a client with its codes and tokens."""
        client = await self.require_client(which)
        await self._realms.remove_client(client.id)
        log.info("login.client_removed", client=client.id, realm=client.realm)
        return client

    async def _need_free_name(self, realm: str, name: str) -> None:
        """Refuse a second client of one name: commands could not tell them apart, nor could people."""
        if twin := next((one for one in await self._realms.clients(realm) if one.name == name), None):
            raise ConfigError(
                f"realm {realm} has a client {name} already ({twin.id}); call this one otherwise"
            )

    def _new_secret(self) -> ClientSecret:
        return ClientSecret(f"{SECRET_PREFIX}{self._text_of(SECRET_BYTES)}")

    def _need_secret(self, new: NewApp, kind: AppKind, issuer: str, known: KnownAccount) -> None:
        if issuer == DIRECT_ISSUER and new.secret is None and DIRECT_ISSUER not in known.issuers:
            where = "open.weixin.qq.com" if kind is AppKind.WEBSITE else "mp.weixin.qq.com"
            raise ConfigError(f"{new.appid} logs in with its own AppSecret; give it (it is shown at {where})")

    async def _realm_for(self, name: str | None, title: str) -> str:
        """Find the realm an app goes into; where there is none, make it, called like its first app."""
        if name is not None:
            return (await self.require_realm(name)).name
        match await self._realms.realms():
            case []:
                return (await self.add_realm(FIRST_REALM, title=title)).name
            case [only]:
                return only.name
            case several:
                raise ConfigError(f"say which realm: {', '.join(one.name for one in several)}")


def _kept(new: NewClient) -> dict[str, Any]:
    """List what a client's record takes over of what was asked for."""
    return {name: getattr(new, name) for name in _SHARED}


def _kept_of(client: Client) -> dict[str, Any]:
    return {name: getattr(client, name) for name in _SHARED}


_SHARED = tuple(name for name in NewClient.__dataclass_fields__ if name != "public")
