"""Login, put together: every service of it once, for one node."""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import structlog

from wxgate.client.api import WeChatApi
from wxgate.client.sns import SnsApi
from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.registry import Registry
from wxgate.custody.sources import component_key
from wxgate.errors import StorageError
from wxgate.login.addresses import CALLBACK
from wxgate.login.attempts import WAIT_SECONDS
from wxgate.login.backfill import Backfill
from wxgate.login.configuration import Known, LoginConfiguration
from wxgate.login.door import Door
from wxgate.login.endings import Endings
from wxgate.login.entering import Entering
from wxgate.login.finishing import Finisher, ToPage
from wxgate.login.handover import Handover
from wxgate.login.identities import People
from wxgate.login.miniprogram import MiniPrograms
from wxgate.login.news import News, Tell, conflict_news, unavailable_news
from wxgate.login.oidc.keys import Keyring
from wxgate.login.openid_import import OpenidImport
from wxgate.login.records import App, Conflict, Mode, Proof, Purpose, Realm, Session
from wxgate.login.returning import Returning
from wxgate.login.scan_entering import ScanEntrance
from wxgate.login.scans import ScanLogins
from wxgate.login.starting import Starter
from wxgate.login.subjects import Subjects
from wxgate.login.upkeep import LoginUpkeep
from wxgate.login.values import Random
from wxgate.login.wechat import WeChatAddresses, WeChatLogin
from wxgate.secret import AccessToken, AppSecret, ComponentToken
from wxgate.server.calls import Calls
from wxgate.server.login.places import Places
from wxgate.server.login.scan_chat import ScanChat
from wxgate.server.login.scan_parts import make_codes, make_spent, make_wait
from wxgate.server.login.upkeep import make_ask, make_convert
from wxgate.server.metrics import Metrics
from wxgate.server.oidc.parts import Oidc
from wxgate.server.outgoing import Outgoing
from wxgate.settings import Settings
from wxgate.store.login import LoginStore

T = TypeVar("T")

log = structlog.get_logger("wxgate.login")


class CustodyCredentials:
    """Redeems codes with what custody has."""

    def __init__(self, registry: Registry, keeper: TokenKeeper) -> None:
        self._registry = registry
        self._keeper = keeper

    async def secret(self, app: App) -> AppSecret:
        """Find an app's own secret: its own, else that of the direct account."""
        return app.secret or (await self._registry.require_direct(app.appid)).secret

    async def using(self, platform: str, call: Callable[[ComponentToken], Awaitable[T]]) -> T:
        """Call with a platform's token; when WeChat rejects it, renew it by proof and replay once."""

        async def with_token(token: AccessToken) -> T:
            return await call(ComponentToken.of(token))

        return await self._keeper.using(component_key(platform), with_token)


class Counting:
    """Counts, logs and tells what happens at the door."""

    def __init__(self, metrics: Metrics, tell: Tell, clock: Clock) -> None:
        self._metrics = metrics
        self._tell_all = tell
        self._clock = clock
        self.on_login: Callable[[Realm, Proof, str], object] = lambda realm, proof, sub: None

    async def conflict(self, conflict: Conflict) -> None:
        """Log a conflict and tell subscribers of it."""
        log.warning("identity.conflict", realm=conflict.realm, kept=conflict.kept, other=conflict.other)
        await self._tell(conflict_news(conflict))

    async def conflicts(self, conflicts: Sequence[Conflict]) -> None:
        """Hear of several."""
        for conflict in conflicts:
            await self.conflict(conflict)

    def logged_in(self, realm: Realm, proof: Proof, sub: str) -> None:
        """Let what follows a login begin."""
        self.on_login(realm, proof, sub)

    async def app_unavailable(self, app: App, reason: str) -> None:
        """Log that nobody can log in by an app, and tell subscribers."""
        log.error("login.app_unavailable", app=app.name, appid=app.appid, reason=reason)
        await self._tell(unavailable_news(app, reason, self._clock.now()))

    def attempt(self, app: str, mode: Mode, outcome: str) -> None:
        """Count the end of an attempt."""
        self._metrics.login_attempts.labels(app, mode, outcome).inc()

    def session(self, realm: str, event: str) -> None:
        """Count what became of a session."""
        self._metrics.login_sessions.labels(realm, event).inc()

    async def _tell(self, news: News) -> None:
        """Tell subscribers; a login does not fail because they cannot be told."""
        try:
            await self._tell_all(news)
        except StorageError as trouble:
            log.warning("login.news_not_told", event_name=news.name, error=str(trouble))


@dataclass(frozen=True, slots=True)
class Login:
    """The services of login; `finishers` takes those of other purposes."""

    store: LoginStore
    door: Door
    entering: Entering
    people: People
    starter: Starter
    wechat: WeChatLogin
    sns: SnsApi
    credentials: CustodyCredentials
    listener: Counting
    finishers: dict[Purpose, Finisher]
    places: Places
    oidc: Oidc
    handover: Handover
    endings: Endings
    random: Random
    configuration: LoginConfiguration
    subjects: Subjects
    upkeep: LoginUpkeep
    tell: Tell
    scans: ScanLogins
    scanning: ScanEntrance
    chat: ScanChat
    mini_programs: MiniPrograms
    backfill: Backfill
    openids: OpenidImport

    @classmethod
    def make(
        cls,
        settings: Settings,
        store: LoginStore,
        *,
        api: WeChatApi,
        registry: Registry,
        keeper: TokenKeeper,
        known: Known,
        calls: Calls,
        tell: Tell,
        metrics: Metrics,
        outgoing: Outgoing,
        clock: Clock,
        holder: str,
        random: Random = os.urandom,
        wait_seconds: float = WAIT_SECONDS,
    ) -> Self:
        """Put login together on a store."""
        base = settings.public_base_url
        sns = SnsApi(api)
        credentials = CustodyCredentials(registry, keeper)
        listener = Counting(metrics, tell, clock)
        wechat = WeChatLogin(sns, credentials, WeChatAddresses(settings.open_base_url, base + CALLBACK))
        people = People(store.identities, listener, random)
        mini_programs = MiniPrograms(store.realms, sns, credentials, people, listener, clock)
        oidc = Oidc.make(
            store,
            clock,
            public_base_url=base,
            outgoing=outgoing,
            metrics=metrics,
            mini_programs=mini_programs,
            random=random,
        )

        async def tell_ended(sessions: Sequence[Session]) -> None:
            for session in sessions:
                listener.session(session.realm, "ended")
            await oidc.backchannel.tell(sessions)

        endings = Endings(store.sessions, store.grants, clock, tell=tell_ended)
        entering = Entering(store.sessions, people, listener, random, follow=endings.follow)
        starter = Starter(store.attempts, wechat, clock, random)
        handover = Handover(store.codes, store.sessions, oidc.subjects, oidc, clock, random)
        finishers: dict[Purpose, Finisher] = {
            Purpose.PAGE: ToPage(base),
            Purpose.HANDOVER: handover,
            Purpose.OIDC: oidc.arrivals,
        }
        places = Places(base)
        returning = Returning(
            realms=store.realms,
            attempts=store.attempts,
            entering=entering,
            wechat=wechat,
            starter=starter,
            finishers=finishers,
            places=places,
            listener=listener,
            clock=clock,
            holder=holder,
            wait_seconds=wait_seconds,
        )
        scans = ScanLogins(store.scans, clock, make_code=make_codes(calls), random=random)
        scanning = ScanEntrance(
            scans,
            realms=store.realms,
            attempts=store.attempts,
            entering=entering,
            finishers=finishers,
            listener=listener,
            clock=clock,
            random=random,
            holder=holder,
            wait=make_wait(),
            spent=make_spent(),
        )
        backfill = Backfill(
            store.identities,
            store.sessions,
            clock,
            apps=store.realms.app,
            ask=make_ask(calls),
            link=people.resolve,
        )
        listener.on_login = backfill.logged_in
        door = Door(
            realms=store.realms,
            identities=store.identities,
            entering=entering,
            starter=starter,
            returning=returning,
            scanning=scanning,
            clock=clock,
        )
        return cls(
            store,
            door,
            entering,
            people,
            starter,
            wechat,
            sns,
            credentials,
            listener,
            finishers,
            places,
            oidc,
            handover,
            endings,
            random,
            LoginConfiguration(store.realms, store.identities, clock, known=known),
            Subjects(
                store.realms,
                store.identities,
                store.sessions,
                clock,
                endings=endings,
                tell=tell,
            ),
            LoginUpkeep(
                attempts=store.attempts,
                sessions=store.sessions,
                codes=store.codes,
                grants=store.grants,
                scans=store.scans,
                clock=clock,
                turn_keys=oidc.tend,
                on_removed=lambda kind, count: metrics.removed.labels(kind).inc(count),
            ),
            tell,
            scans,
            scanning,
            ScanChat(scans, base),
            mini_programs,
            backfill,
            OpenidImport(
                store.identities,
                store.realms,
                clock,
                convert=make_convert(calls),
                on_conflicts=listener.conflicts,
            ),
        )

    @property
    def keys(self) -> Keyring:
        """The keys that sign for the realms."""
        return self.oidc.keyring

    async def end(self, session: Session, reason: str) -> Session | None:
        """End one session with all that hangs on it; None if it had ended before."""
        return await self.endings.end(session, reason)

    async def end_all(self, realm: str, sub: str, reason: str) -> Sequence[Session]:
        """End every session of a person."""
        return await self.endings.end_all(realm, reason, sub=sub)

    async def settle(self) -> None:
        """Wait until applications have been told of the sessions that ended here."""
        await self.oidc.backchannel.settle()

    async def close(self) -> None:
        """Stop what runs behind logins; applications that have not been told of an end yet are given up."""
        await self.door.returning.close()
        await self.scanning.close()
        await self.backfill.close()
        await self.oidc.backchannel.close()
