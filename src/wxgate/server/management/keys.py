"""Push tokens and AES keys over HTTP: never the values, but when each was last seen in use."""

from datetime import datetime

from pydantic import BaseModel, Field

from wxgate.custody.key_uses import PushKey
from wxgate.custody.records import DirectAccount, Platform
from wxgate.server.node import Node
from wxgate.server.overview import keys_in_use


class KeySeenOut(BaseModel):
    """One push token or AES key."""

    kind: PushKey
    place: int = Field(description="0 is the current one, 1 the one before.")
    last_seen_at: datetime | None = Field(description="When a push last came with it, to the minute.")


class KeyAdviceOut(BaseModel):
    """Whether a previous value may be retired."""

    kind: PushKey
    may_go: bool
    text: str
    text_zh: str


class KeysOut(BaseModel):
    """The push tokens and AES keys that are good, and what to do about the ones before."""

    seen: list[KeySeenOut]
    advice: list[KeyAdviceOut]


async def keys_out(node: Node, receiver: Platform | DirectAccount) -> KeysOut:
    """Describe the keys of a platform or direct account."""
    keys = await keys_in_use(node, receiver)
    return KeysOut(
        seen=[KeySeenOut(kind=one.kind, place=one.place, last_seen_at=one.last_seen_at) for one in keys.seen],
        advice=[
            KeyAdviceOut(kind=one.kind, may_go=one.may_go, text=one.text, text_zh=one.text_zh)
            for one in keys.advice
        ],
    )
