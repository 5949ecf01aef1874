"""What there is to say of a step of WeChat's release test, in English and in Chinese.

The record keeps codes with their values, so that a sentence may be mended later.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say: a stable code, and the values its sentence names."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def en(self) -> str:
        """The sentence in English."""
        return self._write(0)

    @property
    def zh(self) -> str:
        """The sentence in Chinese."""
        return self._write(1)

    def _write(self, language: int) -> str:
        sentence = _SENTENCES.get(self.code)
        origins = _ORIGINS.get(str(self.values.get("origin")))
        values = {**self.values, **({"origin": origins[language]} if origins else {})}
        return sentence[language].format(**values) if sentence else self.code


def write_remarks(remarks: Sequence[Remark]) -> str:
    """Write remarks as they are kept."""
    return json.dumps([[one.code, dict(one.values)] for one in remarks], ensure_ascii=False)


def read_remarks(text: str) -> tuple[Remark, ...]:
    """Read what is kept."""
    return tuple(Remark(code, values) for code, values in json.loads(text or "[]"))


_ORIGINS: Mapping[str, tuple[str, str]] = {
    "message": ("the message", "消息"),
    "authorized": ("the authorized push", "授权通知"),
}

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "acknowledged": ("acknowledged with success", "已回答 success"),
    "answered": ("answered at once", "已立即回复"),
    "under_way": (
        "answered with nothing; the code is being exchanged",
        "已回答空串，正在换取授权码",
    ),
    "ticket": (
        "the newest ticket was received {seconds} s before",
        "最近一次 ticket 在 {seconds} 秒前收到",
    ),
    "no_ticket": ("no ticket was ever received", "从未收到 ticket"),
    "exchanged": ("the code of {origin} was exchanged", "已用{origin}里的授权码换取令牌"),
    "code_refused": (
        "WeChat refused the code of {origin} ({errcode})",
        "微信拒绝了{origin}里的授权码（{errcode}）",
    ),
    "no_other_code": (
        "no authorized push of this account brought another code",
        "这个账号的授权通知没有带来别的授权码",
    ),
    "not_exchanged": (
        "the code of {origin} could not be exchanged: {error}",
        "{origin}里的授权码没有换成：{error}",
    ),
    "no_token": (
        "the code of {origin} was exchanged, and brought no access token",
        "{origin}里的授权码换取成功，但没有返回令牌",
    ),
    "sent": ("the customer-service message was sent", "客服消息已发出"),
    "not_sent": (
        "the customer-service message was not sent: {error}",
        "客服消息没有发出：{error}",
    ),
    "too_long": ("it took longer than {seconds} s", "超过了 {seconds} 秒"),
    "unexpected": ("something unexpected happened: {error}", "发生了意外：{error}"),
    "abandoned": (
        "the node that worked on it ended, and no other one was there in time",
        "处理它的节点已经停止，没有别的节点及时接手",
    ),
}
