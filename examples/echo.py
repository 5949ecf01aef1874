"""Answer every text with itself: the smallest gateway there is.

Run it in the folder with your settings: uvicorn echo:app --port 8000
"""

from wxgate import Gateway

gateway = Gateway()


@gateway.on("text")
async def echo(message):
    return f"You said: {message.content}"


app = gateway.asgi()
