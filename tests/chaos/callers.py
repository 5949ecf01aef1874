"""Other systems: they ask the nodes for tokens by the token API, call WeChat, and report what is refused."""

import asyncio
import contextlib
from collections import Counter
from random import Random
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.chaos.checker import REFUSED
from tests.chaos.evidence import Key
from tests.chaos.scene import Member, Scene
from wxgate.emulator.world.tokens import Origin

PAUSE_SECONDS = (0.05, 0.4)

NO_JSON = -2
"""What stands for the errcode where WeChat answers with a page of its own trouble."""

PATIENCE = 12.0
"""Seconds a caller waits for an answer."""


class Callers:
    """Holders of one API key."""

    def __init__(self, scene: Scene, seed: int, counts: Counter[str]) -> None:
        self._scene = scene
        self._random = Random(seed ^ 0xCA11)
        self._counts = counts

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(force_close=True)
        headers = {"Authorization": f"Bearer {self._scene.api_key.reveal()}"}
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        self._http = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def run(self, callers: int) -> None:
        """Let so many call until cancelled; one of them waits for changes as well."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wait_for_changes())
            for _ in range(callers):
                group.create_task(self._call_on())

    async def _call_on(self) -> None:
        pairs = [pair for pair in self._scene.pairs if pair[1] not in self._scene.quiet]
        while True:
            self._counts[f"API: {await self.call(self._random.choice(pairs)) or 'worked'}"] += 1
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))

    async def _wait_for_changes(self) -> None:
        pair, known = self._scene.pairs[0], dict[str, str]()
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._http.get(self._url(pair) + "&wait=3", headers=known) as answer:
                    self._counts[f"API waited: {answer.status}"] += 1
                    if "ETag" in answer.headers:
                        known = {"If-None-Match": answer.headers["ETag"]}
            await asyncio.sleep(0.2)

    async def call(self, pair: Key, node: Member | None = None) -> str:
        """Use an account once, as a careful system does; say what went wrong, or ""."""
        try:
            token = await self._token(pair, node)
            if (errcode := await self._call_wechat(pair, token)) in REFUSED:
                await self._report(pair, token, node)
                errcode = await self._call_wechat(pair, await self._token(pair, node))
        except _NoToken as refusal:
            return str(refusal)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return "no answer"
        return f"WeChat said {errcode}" if errcode else ""

    async def find_refused(self, pair: Key) -> str:
        """Have WeChat end an account's token before its time, use it once more, and return it."""
        token = await self._token(pair, None)
        self._scene.emulator.world.tokens.expire(appid=pair[1], origin=Origin.AUTHORIZER)
        await self._call_wechat(pair, token)
        return token

    async def replace(self, pair: Key, token: str, node: Member) -> None:
        """Report a token to a node and ask it for the next one."""
        with contextlib.suppress(_NoToken, aiohttp.ClientError, TimeoutError, OSError):
            await self._report(pair, token, node)
            await self._token(pair, node)

    async def _token(self, pair: Key, node: Member | None) -> str:
        async with self._http.get(self._url(pair, node)) as answer:
            body = await answer.json(content_type=None)
            if answer.status != 200:
                raise _NoToken(f"HTTP {answer.status}")
            if (body["issuer"], body["appid"]) != pair:
                raise _NoToken("the token of another")
            return str(body["access_token"])

    async def _report(self, pair: Key, token: str, node: Member | None) -> None:
        url = self._url(pair, node, "report-invalid")
        async with self._http.post(url, json={"access_token": token}) as answer:
            self._counts[f"API reports: {answer.status}"] += 1

    async def _call_wechat(self, pair: Key, token: str) -> int:
        issuer, appid = pair
        params = {"access_token": token, "openid": self._scene.openids[appid], "meant": f"{issuer}/{appid}"}
        try:
            answer: dict[str, Any] = await self._scene.emulator.call("GET", "/cgi-bin/user/info", **params)
        except ValueError:
            return NO_JSON
        return int(answer.get("errcode", 0))

    def _url(self, pair: Key, node: Member | None = None, what: str = "access-token") -> str:
        base = node.process.url if node else f"http://127.0.0.1:{self._scene.front.port}"
        return f"{base}/v1/accounts/{pair[1]}/{what}?issuer={pair[0]}"


class _NoToken(Exception):
    """The token API gave none."""
