"""The form `webhook`: JSON signed as Standard Webhooks, and a reply as JSON.

The signature is that of https://www.standardwebhooks.com: `v1,` and the HMAC-SHA256 of id, time and body, in
the header `webhook-signature`; two of them while a previous secret is still good.
"""

import hmac
import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from hashlib import sha256
from typing import Any

from wxgate.errors import ConfigError, InvalidReply
from wxgate.events.payload import payload
from wxgate.events.records import Event, Subscriber
from wxgate.events.sending import Answered, Posting
from wxgate.events.topics import public_id
from wxgate.protocol import replies
from wxgate.protocol.replies import Reply
from wxgate.secret import Secret

PREFIX = "whsec_"

KEY_BYTES = 24
"""How long the secrets are that we make; the standard asks for 24 to 64 bytes."""

_TYPES: Mapping[str, type[Reply]] = {
    "text": replies.Text,
    "image": replies.Image,
    "voice": replies.Voice,
    "video": replies.Video,
    "music": replies.Music,
    "transfer_customer_service": replies.TransferCustomerService,
}


def make_secret(random: bytes) -> Secret:
    """Write random bytes as a signing secret."""
    return Secret(PREFIX + b64encode(random).decode())


def check_secret(text: str) -> Secret:
    """Return a signing secret that was made elsewhere; raises ConfigError that says what is wrong with it."""
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ConfigError(
            f"a signing secret is {PREFIX} and 24 to 64 bytes in base64; leave it out, and one is made"
        )
    return Secret(text)


def sign(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign one message; raises ConfigError where the secret is none."""
    try:
        key = b64decode(secret.reveal().removeprefix(PREFIX))
    except (Base64Error, ValueError):
        raise ConfigError(
            "the signing secret is not base64; give the subscriber another with "
            "`wxgate subscriber rotate-secret`"
        ) from None
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(key, content, sha256).digest()).decode()


def make_posting(
    subscriber: Subscriber,
    event: Event,
    *,
    now: datetime,
    replay: bool = False,
    reply_expected: bool = False,
    test_id: str = "",
) -> Posting:
    """Write an event as a signed webhook; `test_id` is the id of one that only tries the subscriber."""
    document = payload(event, replay=replay, test=bool(test_id), reply_expected=reply_expected)
    message_id = test_id or public_id(event.id)
    document["data"]["id"] = message_id
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    timestamp = int(now.timestamp())
    signatures = [sign(secret, message_id, timestamp, body) for secret in _secrets(subscriber, now)]
    headers = {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    return Posting(subscriber.url.replace("$APPID$", event.appid), headers, body)


def read_reply(answered: Answered) -> Reply | None:
    """Read `{"reply": …}`; an empty answer and `{}` are none.

    Raises InvalidReply that says what is wrong with it.
    """
    if not answered.whole:
        raise InvalidReply("The answer is far larger than any reply, and was not read to its end.")
    if not answered.body.strip():
        return None
    try:
        document = json.loads(answered.body.decode())
    except (ValueError, RecursionError):
        start = answered.body[:40].decode("utf-8", "replace")
        raise InvalidReply(
            f'The answer is not JSON but begins with {start!r}; a reply is {{"reply": "…"}}, none is an '
            "empty answer or {}."
        ) from None
    if not isinstance(document, dict):
        raise InvalidReply(
            f'The answer is JSON, but no object; a reply is {{"reply": "…"}}, not {_kind(document)}.'
        )
    if (value := document.get("reply")) is None:
        return None
    reply = _read(value)
    if reply is not None:
        replies.check(reply)
    return reply


def _read(value: Any) -> Reply | None:
    if isinstance(value, str):
        return replies.Text(value) if value else None
    if not isinstance(value, dict):
        raise InvalidReply(f"The reply is {_kind(value)}; it is a text, or an object with a type.")
    kind = value.get("type")
    rest = {name: item for name, item in value.items() if name != "type"}
    if kind == "news":
        return _read_news(rest)
    if not isinstance(kind, str) or kind not in _TYPES:
        known = ", ".join(sorted([*_TYPES, "news"]))
        raise InvalidReply(f"{kind!r} is not a type of reply; there are {known}.")
    reply: Reply = _build(_TYPES[kind], rest, kind)
    return reply


def _read_news(rest: Mapping[str, Any]) -> replies.News:
    articles = rest.get("articles")
    if set(rest) != {"articles"} or not isinstance(articles, list):
        raise InvalidReply('A news reply is {"type": "news", "articles": [{"title": …}]}.')
    for article in articles:
        if not isinstance(article, dict):
            raise InvalidReply(f"An article of a news reply is {_kind(article)}, not an object with a title.")
    return replies.News(tuple(_build(replies.Article, article, "article") for article in articles))


def _build(kind: type[Any], given: Mapping[str, Any], name: str) -> Any:
    """Make a reply of the fields it has, saying which are missing, unknown or no text."""
    known = {field.name: field for field in fields(kind)}
    for key, value in given.items():
        if key not in known:
            raise InvalidReply(f"The {name} reply has a field {key!r}; it can have {', '.join(known)}.")
        if not isinstance(value, str):
            raise InvalidReply(f"The {name} reply's {key} is {_kind(value)}, not a text.")
    missing = [key for key, field in known.items() if field.default is MISSING and key not in given]
    if missing:
        raise InvalidReply(f"The {name} reply has no {missing[0]}.")
    return kind(**given)


def _secrets(subscriber: Subscriber, now: datetime) -> list[Secret]:
    secrets = subscriber.secrets
    previous = secrets.previous_signing
    both = [secrets.signing]
    if previous is not None and subscriber.previous_until is not None and now < subscriber.previous_until:
        both.append(previous)
    return [secret for secret in both if secret is not None]


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
