"""The form `webhook`, judged by the library of Standard Webhooks itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tests.events.events import a_subscriber, an_event
from wxgate.errors import ConfigError, InvalidReply
from wxgate.events.forms import webhook
from wxgate.events.records import SubscriberSecrets
from wxgate.events.sending import Answered
from wxgate.protocol.replies import Article, Image, News, Text, TransferCustomerService
from wxgate.secret import Secret


def now() -> datetime:
    """The library believes what is at most five minutes old, and a run of all tests takes longer."""
    return datetime.now(UTC)


EVENT = an_event(
    fields={"ToUserName": "gh_shop", "FromUserName": "oUser", "MsgType": "text", "Content": "在吗 😀"}
)
SECRET = webhook.make_secret(bytes(range(24)))
OTHER = webhook.make_secret(bytes(range(1, 33)))
SUBSCRIBER = a_subscriber(secrets=SubscriberSecrets(signing=SECRET))


def verify(secret: Secret, posting: Any) -> Any:
    """Verify as an application does."""
    return Webhook(secret.reveal()).verify(posting.body, dict(posting.headers))


def test_the_library_of_the_standard_takes_our_signature() -> None:
    posting = webhook.make_posting(SUBSCRIBER, EVENT, now=now())
    document = verify(SECRET, posting)
    assert document["type"] == "message.text"
    assert document["data"]["fields"]["Content"] == "在吗 😀"
    assert document["data"]["id"] == posting.headers["webhook-id"] == "evt_42"


@pytest.mark.parametrize("spoiled", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_the_library_refuses_what_was_changed(spoiled: str) -> None:
    posting = webhook.make_posting(SUBSCRIBER, EVENT, now=now())
    if spoiled == "body":
        posting = replace(posting, body=posting.body.replace(b"oUser", b"oOther"))
    elif spoiled != "secret":
        changed = {"webhook-id": "evt_43", "webhook-timestamp": str(int(now().timestamp()) - 7)}[spoiled]
        posting = replace(posting, headers={**posting.headers, spoiled: changed})
    with pytest.raises(WebhookVerificationError):
        verify(OTHER if spoiled == "secret" else SECRET, posting)


def test_two_secrets_are_good_while_the_previous_one_lives() -> None:
    rotated = replace(
        SUBSCRIBER,
        secrets=SubscriberSecrets(signing=OTHER, previous_signing=SECRET),
        previous_until=now() + timedelta(hours=1),
    )
    both = webhook.make_posting(rotated, EVENT, now=now())
    assert verify(OTHER, both) == verify(SECRET, both)
    ended = webhook.make_posting(replace(rotated, previous_until=now()), EVENT, now=now())
    verify(OTHER, ended)
    with pytest.raises(WebhookVerificationError):
        verify(SECRET, ended)


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_any_secret_signs_any_text(key: bytes, text: str) -> None:
    secret = webhook.check_secret(webhook.make_secret(key).reveal())
    subscriber = a_subscriber(secrets=SubscriberSecrets(signing=secret))
    posting = webhook.make_posting(subscriber, an_event(fields={"Content": text}), now=datetime.now(UTC))
    assert verify(secret, posting)["data"]["fields"]["Content"] == text


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_c2hvcnQ=", "QUJD" * 8, "whsec_" + "!" * 32, "whsec_" + "QUJD" * 40]
)
def test_a_bad_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        webhook.check_secret(text)
    assert not text[6:] or text[6:] not in str(caught.value)


def test_a_url_can_have_the_appid_in_it() -> None:
    subscriber = replace(SUBSCRIBER, url="https://crm.example.com/$APPID$/hooks")
    posting = webhook.make_posting(subscriber, EVENT, now=now())
    assert posting.url == "https://crm.example.com/wxshop/hooks"


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ({"reply": "您好"}, Text("您好")),
        ({"reply": {"type": "text", "content": "hi"}, "else": 1}, Text("hi")),
        ({"reply": {"type": "image", "media_id": "m"}}, Image("m")),
        (
            {"reply": {"type": "news", "articles": [{"title": "t", "url": "https://example.com"}]}},
            News((Article("t", url="https://example.com"),)),
        ),
        ({"reply": {"type": "transfer_customer_service"}}, TransferCustomerService()),
        ({"reply": None}, None),
        ({"reply": ""}, None),
        ({}, None),
    ],
)
def test_an_answer_is_read_as_a_reply(answer: Any, reply: Any) -> None:
    assert webhook.read_reply(Answered(200, json.dumps(answer).encode())) == reply


def test_an_empty_answer_is_no_reply() -> None:
    assert webhook.read_reply(Answered(204)) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html>login</html>", "not JSON but begins with '<html>"),
        ("ok", "not JSON but begins with 'ok'"),
        ("[1]", "but no object"),
        ('{"reply": 5}', "The reply is a number"),
        ('{"reply": {"content": "hi"}}', "None is not a type of reply"),
        ('{"reply": {"type": "dance"}}', "'dance' is not a type of reply; there are image"),
        ('{"reply": {"type": "text"}}', "has no content"),
        ('{"reply": {"type": "text", "text": "hi"}}', "has a field 'text'; it can have content"),
        ('{"reply": {"type": "text", "content": 1.5}}', "content is a number"),
        ('{"reply": {"type": "text", "content": " "}}', "The text is empty"),
        ('{"reply": "%s"}' % ("长" * 1000), "3000 bytes"),
        ('{"reply": {"type": "news", "articles": []}}', "1 to 8 articles"),
        ('{"reply": {"type": "news", "articles": ["t"]}}', "is a text, not an object"),
        ('{"reply": {"type": "news"}}', "A news reply is"),
        ('{"reply": {"type": ["text"]}}', "is not a type"),
        ('{"reply": "\\ud800"}', "empty"),
        ("[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_nonsense_is_told_in_words(body: str, words: str) -> None:
    with pytest.raises(InvalidReply, match=words):
        webhook.read_reply(Answered(200, body.encode()))


def test_an_answer_without_end_is_no_reply() -> None:
    with pytest.raises(InvalidReply, match="far larger"):
        webhook.read_reply(Answered(200, b'{"reply": "hi"}', whole=False))
