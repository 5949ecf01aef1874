"""Login in a mini program: what wx.login() gives becomes a person (LOGIN 5.5).

The app's server hands the code over and gets a token of ours for it (token exchange, RFC 8693). The
session_key that WeChat answers with stays here: whoever has it can read and forge the user's data.
"""

from wxgate.client.sns import MiniProgramSession, SnsApi
from wxgate.clock import Clock
from wxgate.errors import ConfigError, GatewayError, NotFound, StorageError, WeChatError
from wxgate.login.identities import People
from wxgate.login.ports import Realms
from wxgate.login.records import App, AppKind, Mode, Proof, Realm, Subject
from wxgate.login.telling import Listener
from wxgate.login.wechat import Credentials, Failure, LoginFailed, failure_of
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import ComponentToken, OAuthCode


class MiniPrograms:
    """Logs people in by the codes of mini programs."""

    def __init__(
        self,
        realms: Realms,
        sns: SnsApi,
        credentials: Credentials,
        people: People,
        listener: Listener,
        clock: Clock,
    ) -> None:
        self._realms = realms
        self._sns = sns
        self._credentials = credentials
        self._people = people
        self._listener = listener
        self._clock = clock

    async def log_in(self, realm: str, app: str | None, js_code: OAuthCode) -> tuple[Subject, Proof]:
        """Redeem a code; return who it is and what WeChat has proved.

        Raises NotFound or ConfigError where the realm has no such mini program, LoginFailed where the code
        comes to nothing (its `failure` says what follows), StorageError when our database is out of reach.
        """
        within = await self._realms.realm(realm)
        if within is None:
            raise NotFound(f"no realm {realm} here; `wxgate login realm list` shows them")
        chosen = await self._app(within, app)
        try:
            proof = await self._prove(chosen, js_code)
        except LoginFailed as failed:
            self._listener.attempt(chosen.name, Mode.MINI_PROGRAM, failed.failure)
            if failed.failure is Failure.UNAVAILABLE:
                await self._listener.app_unavailable(chosen, str(failed))
            raise
        subject = await self._people.resolve(within, proof, self._clock.now())
        self._listener.attempt(chosen.name, Mode.MINI_PROGRAM, "subject")
        return subject, proof

    async def _app(self, realm: Realm, name: str | None) -> App:
        """Find the mini program that was named, or the realm's only one."""
        found = [one for one in await self._realms.apps(realm.name) if one.kind is AppKind.MINI_PROGRAM]
        if name is not None:
            found = [one for one in found if name in (one.name, one.appid)]
        match found:
            case [only]:
                return only
            case []:
                raise NotFound(
                    f"realm {realm.name} has no mini program {name or ''}".rstrip()
                    + "; `wxgate login app add NAME --appid wx… --kind miniprogram` adds one"
                )
            case several:
                raise ConfigError(f"say which mini program: {', '.join(one.name for one in several)}")

    async def _prove(self, app: App, js_code: OAuthCode) -> Proof:
        try:
            session = await self._redeem(app, js_code)
        except StorageError:
            raise
        except GatewayError as error:
            errcode = error.errcode if isinstance(error, WeChatError) else None
            raise LoginFailed(failure_of(error), str(error), errcode=errcode) from None
        return Proof(
            app=app.name,
            appid=app.appid,
            openid=session.openid,
            mode=Mode.MINI_PROGRAM,
            unionid=session.unionid,
        )

    async def _redeem(self, app: App, js_code: OAuthCode) -> MiniProgramSession:
        if app.issuer == DIRECT_ISSUER:
            return await self._sns.js_code(app.appid, await self._credentials.secret(app), js_code)

        async def spend(token: ComponentToken) -> MiniProgramSession:
            return await self._sns.js_code_on_behalf(app.appid, app.issuer, token, js_code)

        return await self._credentials.using(app.issuer, spend)
