"""Answer at once where that is possible, later where it is not, and hand over to a person on request.

Run it in the folder with your settings: uvicorn customer_service:app --port 8000
"""

import asyncio

from wxgate import Account, Gateway, WeChatError, reply
from wxgate.protocol.messages import TextMessage

gateway = Gateway()


@gateway.on("text")
async def answer(message: TextMessage, account: Account) -> reply.Reply | str | None:
    """Choose between the three ways of answering."""
    if "人工" in message.content:
        return reply.TransferCustomerService()
    if message.content == "hours":
        return "Open from nine to six."
    # A reply has to be there within five seconds. What takes longer is sent as a customer-service message:
    # the gateway answers WeChat in time and lets this handler run on.
    text = await think(message.content)
    await send_text(account, message.openid, text)
    return None


async def send_text(account: Account, openid: str, text: str) -> None:
    """Write to a user, which WeChat allows within 48 hours of the user's last message."""
    try:
        await account.post(
            "cgi-bin/message/custom/send",
            json={"touser": openid, "msgtype": "text", "text": {"content": text}},
        )
    except WeChatError as error:
        if error.errcode != 45015:  # The user was silent for too long; nobody is waiting any more.
            raise


async def think(question: str) -> str:
    """Stand for a model, a search, or a colleague."""
    await asyncio.sleep(0.01)
    return f"I thought about {question!r} and have no answer."


app = gateway.asgi()
