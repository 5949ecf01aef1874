"""Back-channel logout: every client of a session is told, by a token only it can take for one."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.cast import until
from tests.harness import listen, serving
from tests.login.oidc.scene import BASE, REALM, Provider
from wxgate.events.addresses import Networks
from wxgate.login.oidc.backchannel import AT_ONCE, AT_ONCE_PER_CLIENT, AWAY_AFTER, Backchannel
from wxgate.login.oidc.terms import BACKCHANNEL_LOGOUT
from wxgate.server.asgi import Receive, Scope, Send, read_body, send_plain
from wxgate.server.oidc.messenger import Messenger
from wxgate.server.outgoing import Outgoing
from wxgate.settings import load_settings

LOOPBACK: Networks = load_settings(subscriber_networks="127.0.0.0/8").allowed_networks


@dataclass
class Application:
    """A client's back-channel endpoint; it answers what `answers` says, then 200."""

    answers: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    opens: asyncio.Event | None = None
    open_now: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                event = await receive()
                await send({"type": event["type"] + ".complete"})
            return
        if self.opens is not None:
            self.open_now += 1
            await self.opens.wait()
            self.open_now -= 1
        body = parse_qs((await read_body(scope, receive, 100_000)).decode())
        self.heard.append(body["logout_token"][0])
        await send_plain(send, self.answers.pop(0) if self.answers else 200, b"")


@contextlib.asynccontextmanager
async def application(*answers: int) -> AsyncIterator[tuple[Application, str]]:
    """Serve one."""
    app = Application([*answers])
    with listen() as listener:
        async with serving(app, listener):
            yield app, f"http://127.0.0.1:{listener.getsockname()[1]}/logout"


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    """A way out that may reach this machine."""
    made = Outgoing(LOOPBACK)
    yield made
    await made.close()


def channel(idp: Provider, outgoing: Outgoing, results: list[str]) -> Backchannel:
    """Make one that does not pause."""
    return Backchannel(
        realms=idp.store.login.realms,
        grants=idp.store.login.grants,
        subjects=idp.oidc.subjects,
        keyring=idp.oidc.keyring,
        messenger=Messenger(outgoing),
        clock=idp.clock,
        public_base_url=BASE,
        pauses=(0.0, 0.0),
        on_result=results.append,
    )


async def test_every_client_of_a_session_gets_a_logout_token_of_its_own(
    sqlite_idp: Provider, outgoing: Outgoing
) -> None:
    results: list[str] = []
    backchannel = channel(sqlite_idp, outgoing, results)
    session = await sqlite_idp.session()
    async with application() as (app, url):
        clients = [
            await sqlite_idp.client(backchannel_logout_uri=url),
            await sqlite_idp.client(backchannel_logout_uri=url, pairwise=True),
        ]
        for client in [*clients, await sqlite_idp.client()]:
            await sqlite_idp.login(client, session)
        await sqlite_idp.client(backchannel_logout_uri=url)  # has never had a token of this session

        await backchannel.tell([session])
        await backchannel.settle()

    keys = KeySet.import_key_set(await sqlite_idp.oidc.keyring.published(REALM))  # type: ignore[arg-type]
    told: dict[str, dict[str, Any]] = {}
    for token in app.heard:
        opened = jwt.decode(token, keys, algorithms=["RS256"])
        assert opened.header["typ"] == "logout+jwt"
        told[opened.claims["aud"]] = opened.claims
    assert set(told) == {client.id for client in clients}
    for claims in told.values():
        assert claims["events"] == {BACKCHANNEL_LOGOUT: {}}
        assert claims["iss"] == f"{BASE}/oidc/{REALM}"
        assert not claims.keys() & {"nonce", "name", "wechat_openid"}
        assert claims["exp"] - claims["iat"] == 120
    assert told[clients[0].id]["sub"] == session.sub != told[clients[1].id]["sub"]
    assert told[clients[0].id]["sid"] == session.sid != told[clients[1].id]["sid"]
    assert len({claims["jti"] for claims in told.values()}) == 2
    assert results == ["told", "told"]


@pytest.mark.parametrize(
    ("answers", "tries", "result"),
    [((503, 500), 3, "told"), ((503,) * 3, 3, "not_told"), ((400,), 1, "not_told"), ((302,), 1, "not_told")],
    ids=["comes back", "stays away", "refuses", "redirects"],
)
async def test_a_client_that_fails_is_told_again_and_one_that_refuses_is_not(
    sqlite_idp: Provider, outgoing: Outgoing, answers: tuple[int, ...], tries: int, result: str
) -> None:
    results: list[str] = []
    backchannel = channel(sqlite_idp, outgoing, results)
    session = await sqlite_idp.session()
    async with application(*answers) as (app, url):
        await sqlite_idp.login(await sqlite_idp.client(backchannel_logout_uri=url), session)
        await backchannel.tell([session])
        await backchannel.settle()

    assert (len(app.heard), results) == (tries, [result])
    assert len({json.dumps(token) for token in app.heard}) == tries


async def test_an_address_in_our_own_network_is_not_knocked_at(sqlite_idp: Provider) -> None:
    results: list[str] = []
    outgoing = Outgoing(())
    backchannel = channel(sqlite_idp, outgoing, results)
    session = await sqlite_idp.session()
    async with application() as (app, url):
        await sqlite_idp.login(await sqlite_idp.client(backchannel_logout_uri=url), session)
        await backchannel.tell([session])
        await backchannel.settle()
    await outgoing.close()

    assert (app.heard, results) == ([], ["not_told"])


async def test_a_client_that_is_slow_holds_up_nobody_else(sqlite_idp: Provider, outgoing: Outgoing) -> None:
    results: list[str] = []
    backchannel = channel(sqlite_idp, outgoing, results)
    async with application() as (slow, slow_url), application() as (app, url):
        slow.opens = asyncio.Event()
        late, other = [await sqlite_idp.client(backchannel_logout_uri=each) for each in (slow_url, url)]
        sessions = [await sqlite_idp.session(f"openid-{number}") for number in range(AT_ONCE + 1)]
        for session in sessions:
            await sqlite_idp.login(late, session)
        last = await sqlite_idp.session("openid-last")
        await sqlite_idp.login(other, last)
        await backchannel.tell([*sessions, last])
        await until(lambda: _is_there(app))
        assert slow.open_now <= AT_ONCE_PER_CLIENT
        slow.opens.set()
        await backchannel.settle()

    assert results == ["told"] * (AT_ONCE + 2)


async def test_a_client_that_is_away_is_tried_once_for_each_until_it_is_back(
    sqlite_idp: Provider, outgoing: Outgoing
) -> None:
    results: list[str] = []
    backchannel = channel(sqlite_idp, outgoing, results)
    async with application(*[503] * (AWAY_AFTER * 3 + 1), 200, 503) as (app, url):
        client = await sqlite_idp.client(backchannel_logout_uri=url)
        for number in range(AWAY_AFTER + 3):
            session = await sqlite_idp.session(f"openid-{number}")
            await sqlite_idp.login(client, session)
            await backchannel.tell([session])
            await backchannel.settle()

    assert results == ["not_told"] * (AWAY_AFTER + 1) + ["told"] * 2
    assert len(app.heard) == AWAY_AFTER * 3 + 1 + 1 + 2


async def _is_there(app: Application) -> bool:
    return bool(app.heard)


async def test_closing_waits_for_nobody(sqlite_idp: Provider, outgoing: Outgoing) -> None:
    backchannel = Backchannel(
        realms=sqlite_idp.store.login.realms,
        grants=sqlite_idp.store.login.grants,
        subjects=sqlite_idp.oidc.subjects,
        keyring=sqlite_idp.oidc.keyring,
        messenger=Messenger(outgoing),
        clock=sqlite_idp.clock,
        public_base_url=BASE,
    )
    session = await sqlite_idp.session()
    with listen() as listener:  # nobody accepts
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        await sqlite_idp.login(await sqlite_idp.client(backchannel_logout_uri=url), session)
        await backchannel.tell([session])
        await backchannel.close()
    assert not backchannel._tasks
