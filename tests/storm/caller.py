"""A process with hundreds of callers who all want one token the moment it is told to.

Run as `python -m tests.storm.caller`; its order is one line of JSON on its input. It answers `ready`, waits
for another line, and prints what its callers got.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from wxgate.custody.records import KeptToken
from wxgate.logs import configure_logs
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import fingerprint
from wxgate.server.node import Node
from wxgate.settings import load_settings


async def main() -> None:
    """Open a node, wait for the signal, let all callers ask at once."""
    order = json.loads(sys.stdin.readline())
    settings = load_settings(**order["settings"])
    configure_logs("warning")
    key = TokenKey(order["issuer"], order["account"], TokenKind(order["kind"]))
    async with await Node.open(settings) as node:
        listening = asyncio.create_task(node.store.wakeups.listen(node.keeper.heard, node.keeper.missed))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        asking = (node.keeper.get(key) for _ in range(order["callers"]))
        answers = await asyncio.gather(*asking, return_exceptions=True)
        print(json.dumps(summary(answers)), flush=True)
        listening.cancel()


def summary(answers: list[KeptToken | BaseException]) -> dict[str, Any]:
    """Count the answers: tokens by version and fingerprint, failures by their text."""
    tokens = Counter(
        f"{each.version}:{fingerprint(each.token)}" for each in answers if isinstance(each, KeptToken)
    )
    failures = Counter(repr(each) for each in answers if isinstance(each, BaseException))
    return {"tokens": tokens, "failures": failures}


if __name__ == "__main__":
    asyncio.run(main())
