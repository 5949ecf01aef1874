"""What the nodes of a storm of pushes run: every text is answered with itself."""

from wxgate import Gateway

gateway = Gateway()


@gateway.on("text")
async def echo(message):  # type: ignore[no-untyped-def]
    """Answer a text."""
    return f"you said {message.content}"
