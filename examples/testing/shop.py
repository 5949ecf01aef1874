"""A shop's gateway: small enough to be read before its tests."""

from wxgate import Gateway, ReplyMaker
from wxgate.protocol.messages import SubscribeEvent, TextMessage
from wxgate.protocol.replies import Reply

gateway = Gateway()


@gateway.on("subscribe")
async def welcome(message: SubscribeEvent) -> str:
    """Greet by the table whose QR code was scanned."""
    return f"Welcome to table {message.scene}!" if message.scene else "Welcome!"


@gateway.on("text")
async def answer(message: TextMessage, reply: ReplyMaker) -> Reply | None:
    """Answer what is known, hand over what is not, and send the bill when it has been asked for."""
    if message.content == "hours":
        return reply.text("Open from nine to six.")
    if message.content == "bill":
        await reply.send("That makes 42 yuan.")
        return None
    return reply.transfer()
