"""What became of an event's reply, in words for a person."""

from collections.abc import Mapping
from dataclasses import dataclass

from wxgate.events.records import Event, EventKind, ReplyState


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence in English and in Chinese."""

    text: str
    text_zh: str


REPLIES: Mapping[ReplyState, Told] = {
    ReplyState.OPEN: Told("no reply was made", "没有产生回复"),
    ReplyState.CARRIED: Told("the reply went out as the answer to WeChat's push", "已作为推送的应答回复用户"),
    ReplyState.READY: Told(
        "the reply came late and waits for WeChat's next attempt", "回复较迟，等待微信重试时送出"
    ),
    ReplyState.CLOSED: Told("WeChat was answered `success`, without a reply", "已应答 success，没有回复"),
    ReplyState.CUSTOM: Told(
        "the reply came too late and waits to go out as a customer-service message",
        "回复过迟，等待作为客服消息发送",
    ),
    ReplyState.SENDING: Told(
        "the reply was being sent as a customer-service message; whether it arrived is not known, so it is "
        "not sent again",
        "正在作为客服消息发送；是否送达未知，因此不会重发",
    ),
    ReplyState.SENT: Told("the reply went out as a customer-service message", "已作为客服消息发送"),
    ReplyState.FAILED: Told(
        "the customer-service message with the reply was refused by WeChat", "作为客服消息发送被微信拒绝"
    ),
    ReplyState.DROPPED: Told("the reply was made, and nobody got it", "回复已产生，但未送出"),
}


def tell_reply(event: Event) -> Told | None:
    """Say what became of the reply; None for what nobody replies to."""
    if event.kind not in (EventKind.MESSAGE, EventKind.EVENT):
        return None
    if event.reply_state is ReplyState.OPEN and event.reply is not None:
        return REPLIES[ReplyState.CARRIED]
    return REPLIES[event.reply_state]
