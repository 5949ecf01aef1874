"""The form `wechat`: the push as WeChat made it, sealed again with keys that the subscriber has for us.

So a server built with EasyWeChat, WxJava or wechatpy works as it is; its answer is opened as WeChat would.
"""

from collections.abc import Mapping
from datetime import datetime

from wxgate.errors import ConfigError, InvalidReply
from wxgate.events.records import Event, EventKind, Subscriber
from wxgate.events.sending import Answered, Posting
from wxgate.protocol import xml
from wxgate.protocol.envelope import UNENCRYPTED_REPLIES, PushKeys, open_reply, seal_push
from wxgate.protocol.replies import Reply, parse_reply
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.protocol.xml import Renderable, Value

PLACE = "$APPID$"
"""Where the account's appid goes in a URL, as in the message URL of WeChat's own console."""


def keys_of(subscriber: Subscriber, event: Event) -> PushKeys:
    """Make the keys of an envelope to a subscriber."""
    token, aes_key = subscriber.secrets.token, subscriber.secrets.aes_key
    if token is None or aes_key is None:
        raise ConfigError(f"the subscriber {subscriber.name!r} has no token or no AES key; rotate its secret")
    return PushKeys.make(_envelope_appid(subscriber, event), [token], [aes_key])


def make_posting(subscriber: Subscriber, event: Event, *, now: datetime, random: bytes) -> Posting:
    """Seal an event as a push; `random` are 32 bytes."""
    receiver = event.fields.get("ToUserName")
    element = ("AppId", event.issuer)
    if event.kind is not EventKind.COMPONENT:
        element = ("ToUserName", receiver if isinstance(receiver, str) else "")
    query, body = seal_push(
        keys_of(subscriber, event),
        plain_of(event),
        timestamp=int(now.timestamp()),
        nonce=str(int.from_bytes(random[16:20])),
        random=random[:16],
        receiver=element,
        openid=event.openid or None,
    )
    url = subscriber.url.replace(PLACE, event.appid or event.issuer)
    joint = "&" if "?" in url else "?"
    return Posting(f"{url}{joint}{query}", {"content-type": "text/xml; charset=utf-8"}, body)


def plain_of(event: Event) -> bytes:
    """Return the XML inside the envelope: as it came, or written again from the fields."""
    plain = event.plain or ""
    if plain.lstrip().startswith("<"):
        return plain.encode()
    return xml.render(_renderable(event.fields)).encode()


def read_reply(subscriber: Subscriber, event: Event, answered: Answered) -> Reply | None:
    """Open and check the reply; None for `success` and for an empty answer.

    Raises InvalidReply that says what WeChat would not understand.
    """
    if not answered.whole:
        raise InvalidReply("The answer is far larger than any reply, and was not read to its end.")
    body = answered.body.strip()
    if body.decode("utf-8", "replace") in UNENCRYPTED_REPLIES:
        return None
    _explain(body)
    plain = open_reply(keys_of(subscriber, event), body)
    if plain.strip() in UNENCRYPTED_REPLIES:
        return None
    parsed = parse_reply(plain)
    account = event.fields.get("ToUserName")
    if parsed.to_user != event.openid or parsed.from_user != account:
        swapped = parsed.to_user == account and parsed.from_user == event.openid
        raise InvalidReply(
            "The reply's ToUserName and FromUserName are not swapped: it goes to the one who wrote."
            if swapped
            else f"The reply goes from {parsed.from_user!r} to {parsed.to_user!r}, not from account to user."
        )
    return parsed.reply


def _explain(body: bytes) -> None:
    """Say in words what else than a sealed reply an answer is."""
    start = body[:40].decode("utf-8", "replace")
    if body[:1] in (b"{", b"["):
        raise InvalidReply("The answer is JSON where WeChat expects encrypted XML, `success` or nothing.")
    if not body.startswith((b"<xml", b"<?xml")):
        raise InvalidReply(
            f"The answer begins with {start!r}; WeChat expects encrypted XML, `success` or nothing."
        )
    if b"<Encrypt>" not in body:
        raise InvalidReply("The reply is not encrypted: its XML has no Encrypt.")


def _envelope_appid(subscriber: Subscriber, event: Event) -> str:
    if event.kind is EventKind.COMPONENT:
        return event.issuer
    if subscriber.envelope_appid == "platform" and event.issuer != DIRECT_ISSUER:
        return event.issuer
    return event.appid


def _renderable(fields: Mapping[str, Value]) -> dict[str, Renderable]:
    """Leave out what JSON can name and XML cannot."""
    return {name: _value(value) for name, value in fields.items() if xml.is_name(name)}


def _value(value: Value) -> Renderable:
    if isinstance(value, dict):
        return _renderable(value)
    return [_value(item) for item in value] if isinstance(value, list) else value
