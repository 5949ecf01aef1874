"""The application that every node of a chaos run serves: it answers, and calls WeChat when asked to.

What a user writes says what is to be done: `call 17` calls WeChat on behalf of the account. The call says
whose token it means to use, so that WeChat's log shows whether it did.
"""

import os

from tests.chaos.sabotage import SABOTAGES
from wxgate import Account, Gateway
from wxgate.protocol.messages import TextMessage

gateway = Gateway()


@gateway.on("text")
async def answer(message: TextMessage, account: Account) -> str | None:
    """Reply, after a call where one is asked for."""
    word, _, number = message.content.partition(" ")
    if word == "call":
        await account.get(
            "cgi-bin/user/info",
            {"openid": message.openid, "meant": f"{account.issuer}/{account.appid}", "number": number},
        )
    return f"done {number}"


if name := os.environ.get("CHAOS_SABOTAGE"):
    SABOTAGES[name]()
