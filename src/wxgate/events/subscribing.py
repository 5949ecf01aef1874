"""What an operator does with subscribers: add, change, pause, resume, give new secrets, try, remove."""

import re
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from wxgate.clock import Clock
from wxgate.errors import ConfigError, InvalidReply, NotFound, Undeliverable
from wxgate.events.addresses import Networks, check_url
from wxgate.events.filters import check_filter
from wxgate.events.forms import RANDOM_BYTES, read_reply, webhook, wechat
from wxgate.events.ports import Subscribers
from wxgate.events.records import Event, EventKind, EventState, Filter, Form, Subscriber, SubscriberSecrets
from wxgate.events.sending import Answered, Poster, Posting
from wxgate.events.topics import TEST_TOPIC
from wxgate.protocol.aes import decode_key
from wxgate.secret import EncodingAESKey, PushToken

PREVIOUS_KEPT = timedelta(hours=24)
"""How long webhooks are signed with the previous secret as well, unless the operator says otherwise."""

CHANGE_TRIES = 20
"""How often a change is tried again because somebody else changed the same subscriber."""

TEST_SECONDS = 10.0

LONGEST_NAME = 64

TEST_APPID = "wx0000000000000000"

_RandomBytes = Callable[[int], bytes]
_Change = Callable[[Subscriber], Subscriber]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test event: the HTTP status, if there was one, and in words what was wrong."""

    ok: bool
    status: int | None
    error: str


class Subscriptions:
    """The operator's verbs. A subscriber is named by its id or by its name."""

    def __init__(
        self,
        store: Subscribers,
        poster: Poster,
        clock: Clock,
        *,
        allowed: Networks,
        changed: Callable[[], Awaitable[object]],
        random: _RandomBytes = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._poster = poster
        self._clock = clock
        self._allowed = allowed
        self._changed = changed
        self._random = random

    async def list_subscribers(self) -> Sequence[Subscriber]:
        """List all, by name."""
        return await self._store.list_subscribers()

    async def require(self, which: str) -> Subscriber:
        """Load one by its id or its name; raises NotFound."""
        if (found := await self._store.load(which)) is not None:
            return found
        for each in await self._store.list_subscribers():
            if each.name == which:
                return each
        raise NotFound(f"no subscriber {which[:80]!r}; `wxgate subscriber list` shows all")

    async def add(
        self,
        *,
        name: str,
        url: str,
        form: Form = Form.WEBHOOK,
        filter: Filter = Filter(),  # noqa: B008 - it is frozen
        ordered: bool = False,
        envelope_appid: str = "account",
        signing_secret: str | None = None,
        token: str | None = None,
        aes_key: str | None = None,
    ) -> Subscriber:
        """Add a subscriber, making the secrets that are not given; it has them only here and on rotation."""
        now = self._clock.now()
        subscriber = Subscriber(
            id="sub_" + self._random(6).hex(),
            name=_check_name(name),
            form=form,
            url=self._check_url(url),
            filter=check_filter(filter),
            ordered=ordered,
            envelope_appid=_check_envelope(envelope_appid),
            paused=False,
            paused_reason="",
            secrets=self._secrets(form, signing_secret, token, aes_key),
            previous_until=None,
            failures=0,
            open_until=None,
            last_success_at=None,
            last_failure_at=None,
            last_error="",
            created_at=now,
            updated_at=now,
        )
        if not await self._store.add(subscriber):
            raise ConfigError(f"there is a subscriber {name!r} already; change it, or take another name")
        await self._changed()
        return subscriber

    async def change(
        self,
        which: str,
        *,
        name: str | None = None,
        url: str | None = None,
        filter: Filter | Callable[[Filter], Filter] | None = None,
        ordered: bool | None = None,
        envelope_appid: str | None = None,
    ) -> Subscriber:
        """Change what is given, and leave the rest; what is queued already is sent to the new URL.

        A filter may be a function of the one before.
        """
        given: dict[str, Any] = {
            "name": None if name is None else _check_name(name),
            "url": None if url is None else self._check_url(url),
            "ordered": ordered,
            "envelope_appid": None if envelope_appid is None else _check_envelope(envelope_appid),
        }
        given = {part: value for part, value in given.items() if value is not None}

        def changed(before: Subscriber) -> Subscriber:
            wanted = filter(before.filter) if callable(filter) else filter
            kept = before.filter if wanted is None else check_filter(wanted)
            return replace(before, **given, filter=kept)

        return await self._write(which, changed)

    async def rotate_secret(
        self,
        which: str,
        *,
        keep_previous: timedelta = PREVIOUS_KEPT,
        signing_secret: str | None = None,
        token: str | None = None,
        aes_key: str | None = None,
    ) -> Subscriber:
        """Give a subscriber new secrets, made here unless they are given.

        Webhooks carry a second signature with the previous secret for a while. A server that speaks WeChat's
        form knows one token and one key: change them there at the same time. There is one previous secret:
        while it is good, only a rotation that keeps none (`keep_previous` of zero) replaces it.
        """

        def rotated(before: Subscriber) -> Subscriber:
            new = self._secrets(before.form, signing_secret, token, aes_key)
            if before.form is Form.WECHAT:
                return replace(before, secrets=new)
            now = self._clock.now()
            if keep_previous <= timedelta(0):
                return replace(before, secrets=new, previous_until=now)
            _check_previous_over(before, now)
            new = replace(new, previous_signing=before.secrets.signing)
            return replace(before, secrets=new, previous_until=now + keep_previous)

        return await self._write(which, rotated)

    async def pause(self, which: str, *, reason: str = "paused by an operator") -> Subscriber:
        """Send nothing; what comes meanwhile waits."""
        subscriber = await self.require(which)
        await self._store.pause(subscriber.id, reason=reason, now=self._clock.now())
        await self._changed()
        return await self.require(subscriber.id)

    async def resume(self, which: str) -> Subscriber:
        """Send again, at once."""
        subscriber = await self.require(which)
        await self._store.resume(subscriber.id, now=self._clock.now())
        await self._changed()
        return await self.require(subscriber.id)

    async def remove(self, which: str) -> Subscriber:
        """Remove one with everything that waits for it."""
        subscriber = await self.require(which)
        await self._store.remove(subscriber.id)
        await self._changed()
        return subscriber

    async def test(self, which: str, *, appid: str = "") -> Tried:
        """Send an event of the topic `wxgate.test` at once, once, and tell what came of it.

        In WeChat's form it is an event that no business knows, `wxgate_test`. `appid` is the account it seems
        to be of; without one, it is the first in the filter.
        """
        subscriber = await self.require(which)
        event = self._test_event(subscriber, appid)
        try:
            posting = self._test_posting(subscriber, event)
            answered = await self._poster.post(posting, seconds=TEST_SECONDS)
            error = refusal_of(answered) if not answered.accepted else ""
            if not error and subscriber.form is Form.WECHAT:
                read_reply(subscriber, event, answered)
        except (Undeliverable, ConfigError) as fault:
            return Tried(False, None, str(fault))
        except InvalidReply as fault:
            error = str(fault)
        return Tried(not error, answered.status, error)

    def _test_posting(self, subscriber: Subscriber, event: Event) -> Posting:
        now = self._clock.now()
        if subscriber.form is Form.WECHAT:
            return wechat.make_posting(subscriber, event, now=now, random=self._random(RANDOM_BYTES))
        test_id = "evt_test_" + self._random(8).hex()
        return webhook.make_posting(subscriber, event, now=now, test_id=test_id)

    def _test_event(self, subscriber: Subscriber, appid: str) -> Event:
        now = self._clock.now()
        appid = appid or next(iter(subscriber.filter.accounts), TEST_APPID)
        as_push = subscriber.form is Form.WECHAT
        fields = {
            "ToUserName": "gh_wxgate_test",
            "FromUserName": "oWxgateTest",
            "CreateTime": str(int(now.timestamp())),
            "MsgType": "event",
            "Event": "wxgate_test",
        }
        return Event(
            id=0,
            dedup_key="",
            issuer=next(iter(subscriber.filter.platforms), "direct"),
            appid=appid,
            kind=EventKind.EVENT if as_push else EventKind.GATEWAY,
            name="wxgate_test" if as_push else TEST_TOPIC,
            openid="oWxgateTest" if as_push else "",
            msg_id=None,
            created_at=int(now.timestamp()),
            received_at=now,
            source_ip="",
            fields=dict(fields) if as_push else {},
            state=EventState.DONE,
            holder="",
            lease_until=now,
            reply=None,
            error="",
            handled_at=None,
            attempts=0,
        )

    async def _write(self, which: str, change: _Change) -> Subscriber:
        """Change a subscriber as it is now: what others change at the same time is not written over."""
        before = await self.require(which)
        for _ in range(CHANGE_TRIES):
            later = max(self._clock.now(), before.updated_at + timedelta(microseconds=1))
            after = replace(change(before), updated_at=later)
            if await self._store.change(after, was=before.updated_at):
                await self._changed()
                return after
            now = await self.require(before.id)
            if now.updated_at == before.updated_at:
                raise ConfigError(f"there is another subscriber {after.name!r}; take another name")
            before = now
        raise ConfigError(f"subscriber {before.name!r} is being changed by others all the time; try again")

    def _check_url(self, url: str) -> str:
        return check_url(url.strip(), self._allowed)

    def _secrets(
        self, form: Form, signing: str | None, token: str | None, aes_key: str | None
    ) -> SubscriberSecrets:
        if form is Form.WEBHOOK:
            if token or aes_key:
                raise ConfigError(
                    "a token and an AES key are for the form wechat; webhooks have a signing secret"
                )
            made = webhook.make_secret(self._random(webhook.KEY_BYTES))
            return SubscriberSecrets(signing=webhook.check_secret(signing) if signing else made)
        if signing:
            raise ConfigError(
                "a signing secret is for the form webhook; WeChat's form has a token and an AES key"
            )
        return SubscriberSecrets(
            token=_check_token(token) if token else PushToken(self._random(16).hex()),
            aes_key=_check_aes_key(aes_key) if aes_key else self._make_aes_key(),
        )

    def _make_aes_key(self) -> EncodingAESKey:
        """Make a key of letters and digits only, as some SDKs want it."""
        while not (key := b64encode(self._random(32)).decode().rstrip("=")).isalnum():
            pass
        return EncodingAESKey(key)


def refusal_of(answered: Answered) -> str:
    """Say in words why an answer that is not 2xx counts as a failure."""
    if 300 <= answered.status < 400:
        to = f" to {answered.location}" if answered.location else ""
        return f"HTTP {answered.status}{to}: redirects are not followed; give the final URL"
    if answered.status == 410:
        return "HTTP 410: the subscriber wants no more"
    if answered.status in (401, 403):
        return (
            f"HTTP {answered.status}: does the subscriber have the secret that was shown when it was added?"
        )
    return f"HTTP {answered.status}"


def _check_name(name: str) -> str:
    """Check a name; it is a part of paths too."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise ConfigError(f"a subscriber's name is 1 to {LONGEST_NAME} printable characters")
    if name.startswith("sub_") or "/" in name or name in (".", ".."):
        raise ConfigError("a subscriber's name has no / in it, is not . or .., and does not begin with sub_")
    return name


def _check_previous_over(subscriber: Subscriber, now: datetime) -> None:
    until = subscriber.previous_until
    if subscriber.secrets.previous_signing is not None and until is not None and now < until:
        raise ConfigError(
            f"the secret before the present one is good until {until:%Y-%m-%d %H:%M:%S} UTC, and a second "
            "rotation would end it; rotate after that, or keep no previous secret (--hours 0, "
            "keep_previous_hours 0), which ends both at once"
        )


def _check_envelope(whose: str) -> str:
    if whose not in ("account", "platform"):
        raise ConfigError(
            f"the envelope names the appid of the `account` or of the `platform`, not {whose[:20]!r}"
        )
    return whose


def _check_token(token: str) -> PushToken:
    if not re.fullmatch(r"[A-Za-z0-9]{3,32}", token):
        raise ConfigError("the token (消息校验Token) is 3 to 32 letters and digits")
    return PushToken(token)


def _check_aes_key(key: str) -> EncodingAESKey:
    decode_key(key)
    return EncodingAESKey(key)
