"""`make bench`: an encrypted push made durable and answered, against a constant answer and against a peer;
then a token read by API key, against the same constant answer; then the inbox alone, against one commit
for each push.

Every round measures each contestant once, one after the other, so that a slow moment of the machine hits all
alike; the ratio of two contestants is the median of their ratios round by round.
"""

import argparse
import asyncio
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.contestants import ACCOUNT, AES_KEY, PLATFORM, TOKEN, USER_NAME, Contestant, contestants
from bench.inbox import measure_inbox
from bench.load import Prepared, Result, prepare, prepare_get, run
from wxgate.clock import SystemClock
from wxgate.custody.clients import ClientScope, Reach
from wxgate.custody.issuing import Clients, NewClient
from wxgate.custody.records import ExchangeSource, FetchedToken, Grant, NewExchange, Platform, PushCredentials
from wxgate.protocol.envelope import PushKeys, seal_push
from wxgate.secret import (
    AppSecret,
    AuthorizationCode,
    AuthorizerToken,
    EncodingAESKey,
    PushToken,
    RefreshToken,
    Secret,
)
from wxgate.store import Store
from wxgate.store.keyfile import load_vault


async def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="requests per contestant and round")
    parser.add_argument("--connections", type=int, default=32, help="kept connections")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wxgate-bench-") as name:
        folder = Path(name)
        environment = {
            "WXGATE_DATABASE_URL": f"sqlite:///{folder}/bench.db",
            "WXGATE_KEY_FILE": f"{folder}/bench.key",
            "WXGATE_LOG_LEVEL": "warning",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH")))),
        }
        key = await _prepare_database(folder)
        servers = contestants()
        readers = servers[:2]  # ours and the constant answer
        try:
            for server in servers:
                await server.start(folder, environment)
            pushes = await _measure(servers, _pushes, options)
            reads = await _measure(readers, functools.partial(_reads, key), options)
        finally:
            for server in servers:
                server.stop()
    _print("encrypted text push -> durable -> encrypted reply", servers, pushes, options)
    print("\nonly wxgate writes every push and every reply to disk before it answers")
    _print("access token by API key, each read in the audit log", readers, reads, options)
    with tempfile.TemporaryDirectory(prefix="wxgate-bench-") as name:
        await measure_inbox(
            Path(name), pushes=options.requests, callers=options.connections, rounds=options.rounds
        )
    return 0


async def _measure(
    servers: list[Contestant],
    make: Callable[[Contestant, int, int], list[Prepared]],
    options: argparse.Namespace,
) -> dict[str, list[Result]]:
    results: dict[str, list[Result]] = {server.name: [] for server in servers}
    serial = 0
    for round_number in range(options.rounds + 1):
        for server in servers:
            requests = make(server, options.requests, serial)
            serial += options.requests
            result = await run(server.port, requests, connections=options.connections)
            if round_number:  # the first round warms up
                results[server.name].append(result)
        print(f"round {round_number} of {options.rounds}", file=sys.stderr)
    return results


def _reads(key: str, server: Contestant, count: int, _: int) -> list[Prepared]:
    """Ask that often for the account's token; the constant answer gets the same request."""
    expect = b"success" if server.name == "constant answer" else b'"access_token":"bench"'
    return [prepare_get(server.port, f"/v1/accounts/{ACCOUNT}/access-token", key, expect)] * count


def _pushes(server: Contestant, count: int, first: int) -> list[Prepared]:
    """Seal that many different text messages, each answered by a reply, but for the constant answer."""
    keys = PushKeys.make(PLATFORM, [TOKEN], [AES_KEY])
    now = int(time.time())
    prepared = []
    for number in range(first, first + count):
        plain = (
            f"<xml><ToUserName><![CDATA[{USER_NAME}]]></ToUserName>"
            f"<FromUserName><![CDATA[oBenchUser{number % 1000:018d}]]></FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            f"<Content><![CDATA[这是一条测试消息 {number}]]></Content><MsgId>{10**18 + number}</MsgId></xml>"
        ).encode()
        query, body = seal_push(
            keys,
            plain,
            timestamp=now,
            nonce=str(number),
            random=os.urandom(16),
            receiver=("ToUserName", USER_NAME),
        )
        expect = b"success" if server.name == "constant answer" else b"MsgSignature"
        prepared.append(prepare(server.port, f"{server.path}?{query}", body, expect))
    return prepared


async def _prepare_database(folder: Path) -> str:
    """Write a platform with one authorised account, as a merchant's authorization would leave it, and make
    an API key for it, which is returned.
    """
    store = await Store.open(f"sqlite:///{folder}/bench.db", load_vault("", folder / "bench.key"))
    now = datetime.now(UTC)
    credentials = PushCredentials((PushToken(TOKEN),), (EncodingAESKey(AES_KEY),))
    await store.platforms.put_platform(
        Platform(PLATFORM, "bench", AppSecret("bench"), credentials, Secret("bench"), now)
    )
    new = NewExchange(PLATFORM, AuthorizationCode("bench"), ExchangeSource.AUTHORIZED, now, ACCOUNT)
    job = await store.exchanges.open(new, now=now)
    claimed = await store.exchanges.claim(job.id, now=now, ttl=timedelta(seconds=10))
    assert claimed is not None
    access = FetchedToken(AuthorizerToken("bench"), now, now + timedelta(hours=2))
    await store.exchanges.finish(claimed, Grant(ACCOUNT, RefreshToken("bench"), (1,), access), now=now)
    scopes = frozenset({ClientScope.AUTHORIZER})
    wanted = NewClient("bench", scopes, Reach(accounts=frozenset({ACCOUNT})))
    _, key = await Clients(store.clients, SystemClock()).add(wanted)
    await store.close()
    return key.reveal()


def _print(
    title: str, servers: list[Contestant], results: dict[str, list[Result]], options: argparse.Namespace
) -> None:
    print(
        f"\n{title}: {options.rounds} rounds of {options.requests} "
        f"over {options.connections} connections, one worker each\n"
    )
    ours = results[servers[0].name]
    print(f"{'':32}{'req/s':>9}{'median ms':>11}{'p99 ms':>9}{'wxgate is':>14}")
    for server in servers:
        runs = results[server.name]
        ratio = statistics.median(mine.rate / theirs.rate for mine, theirs in zip(ours, runs, strict=True))
        rate = statistics.median(one.rate for one in runs)
        median = statistics.median(one.median_ms for one in runs)
        p99 = statistics.median(one.p99_ms for one in runs)
        versus = "" if server is servers[0] else f"{ratio:.2f} x as fast"
        print(f"{server.name:32}{rate:9.0f}{median:11.2f}{p99:9.2f}{versus:>18}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
