"""The applications the contestants serve: each answers a text with a text, but for the constant one."""

from typing import Any

from bench.contestants import AES_KEY, PLATFORM, TOKEN
from wxgate import Gateway

CONSTANT = b"success"

gateway = Gateway()


@gateway.on("text")
async def echo(message: Any) -> str:
    """Answer with the same words."""
    return f"echo: {message.content}"


async def constant(scope: Any, receive: Any, send: Any) -> None:
    """Read a request and answer the same bytes always: what the server itself costs."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(CONSTANT)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": CONSTANT})


def peer() -> Any:
    """Make the same application of wechatpy and Flask, as its documentation shows it."""
    from flask import Flask, Response, request
    from wechatpy import create_reply, parse_message
    from wechatpy.crypto import WeChatCrypto

    app = Flask("peer")
    crypto = WeChatCrypto(TOKEN, AES_KEY, PLATFORM)

    @app.post("/")
    def receive() -> Response:
        query = request.args
        plain = crypto.decrypt_message(
            request.data, query["msg_signature"], query["timestamp"], query["nonce"]
        )
        message = parse_message(plain)
        reply = create_reply(f"echo: {message.content}", message)
        sealed = crypto.encrypt_message(reply.render(), query["nonce"], query["timestamp"])
        return Response(sealed, mimetype="application/xml")

    return app
