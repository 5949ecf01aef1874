"""A server as people have it: Flask and wechatpy, behind a subscriber of the form `wechat`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request
from wechatpy import create_reply, parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidAppIdException, InvalidSignatureException
from werkzeug.serving import make_server

from tests.cast import Follower, add_follower, authorized_account, until
from tests.harness import Harness, World
from wxgate.events.policies import ReplyPolicy
from wxgate.events.records import DeliveryState, Filter, Form, Subscriber


@dataclass
class Shop:
    """What the server has in its configuration, and the messages it got."""

    url: str = ""
    token: str = ""
    aes_key: str = ""
    heard: list[Any] = field(default_factory=list)


def flask_app(shop: Shop) -> Flask:
    """Write the server as wechatpy's own documentation does."""
    app = Flask(__name__)

    @app.post("/wechat/<appid>")
    def wechat(appid: str) -> Response:
        crypto = WeChatCrypto(shop.token, shop.aes_key, appid)
        signature, timestamp, nonce = (request.args[name] for name in ("msg_signature", "timestamp", "nonce"))
        try:
            plain = crypto.decrypt_message(request.data, signature, timestamp, nonce)
        except (InvalidSignatureException, InvalidAppIdException):
            abort(403)
        message = parse_message(plain)
        shop.heard.append(message)
        reply = create_reply(f"echo: {message.content}" if message.type == "text" else "", message)
        return Response(crypto.encrypt_message(reply.render(), nonce, timestamp) if reply else "success")

    return app


@contextmanager
def serving(shop: Shop) -> Iterator[None]:
    """Serve it on a free port."""
    server = make_server("127.0.0.1", 0, flask_app(shop), threaded=True)
    shop.url = f"http://127.0.0.1:{server.server_port}/wechat/$APPID$"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def add(world: World, shop: Shop) -> Subscriber:
    """Add the server as a subscriber of texts, and enter what it was given."""
    subscriber = await world.node.delivering.subscriptions.add(
        name="shop", url=shop.url, form=Form.WECHAT, filter=Filter(names=("text",))
    )
    token, aes_key = subscriber.secrets.token, subscriber.secrets.aes_key
    assert token is not None
    assert aes_key is not None
    shop.token, shop.aes_key = token.reveal(), aes_key.reveal()
    return subscriber


async def user_of(world: World) -> Follower:
    """Make a user of an account that has authorised the platform."""
    account = await authorized_account(world)
    return await add_follower(world, account["appid"])


async def test_the_server_gets_what_wechat_sent(tmp_path: Path) -> None:
    shop = Shop()
    with serving(shop):
        async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
            subscriber = await add(world, shop)
            user = await user_of(world)
            await user.writes("在吗")

            async def delivered() -> bool:
                found = await world.node.store.deliveries.find(subscriber_id=subscriber.id)
                return [each.state for each in found] == [DeliveryState.DELIVERED]

            await until(delivered, seconds=20)
            [message] = shop.heard
            assert (message.content, message.source) == ("在吗", user.openid)
            [delivery] = await world.node.store.deliveries.find(subscriber_id=subscriber.id)
            assert (delivery.status, delivery.error) == (200, "")
            assert await user.sees() == []


async def test_the_server_answers_the_user(tmp_path: Path) -> None:
    shop = Shop()
    with serving(shop):
        async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
            subscriber = await add(world, shop)
            user = await user_of(world)
            await world.node.store.policies.put_policy(
                ReplyPolicy(appid=user.appid, replier=subscriber.id, updated_at=world.clock.now())
            )
            await user.writes("在吗")

            async def answered() -> bool:
                return bool(await user.sees())

            await until(answered, seconds=20)
            [seen] = await user.sees()
            assert seen["content"] == "echo: 在吗"
            assert len(shop.heard) == 1
