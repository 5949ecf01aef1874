"""What to do about a previous push token or AES key, in English and Chinese."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from wxgate.custody.key_uses import PushKey, Seen
from wxgate.custody.wording import span, span_zh

NAMES = {PushKey.TOKEN: ("token", "消息校验Token"), PushKey.AES_KEY: ("AES key", "消息加解密Key")}


@dataclass(frozen=True, slots=True)
class KeyAdvice:
    """What one pair of values suggests; `may_go` when the previous one may be retired."""

    kind: PushKey
    may_go: bool
    text: str
    text_zh: str


def advise(seen: Sequence[Seen], now: datetime) -> tuple[KeyAdvice, ...]:
    """Say of each kind with a previous value whether that may be retired."""
    return tuple(
        _advise(current, previous, now)
        for kind in PushKey
        if len(pair := [one for one in seen if one.kind is kind]) > 1
        for current, previous in [(pair[0], pair[1])]
    )


def _advise(current: Seen, previous: Seen, now: datetime) -> KeyAdvice:
    name, name_zh = NAMES[previous.kind]
    ago, ago_zh = _ago(previous, now)
    if previous.lately(now):
        text = f"the previous {name} is still in use (last seen {ago} ago): keep it"
        text_zh = f"旧的{name_zh}仍在使用（{ago_zh}前出现过）：请保留。"
        return KeyAdvice(previous.kind, False, text, text_zh)
    if not current.lately(now):
        text = (
            f"no push has come with the current {name} in the last day, so it is not known whether WeChat "
            f"uses it: is it saved in the console? Keep the previous {name}"
        )
        text_zh = f"最近一天没有收到使用新{name_zh}的推送：请确认已在微信后台保存，并保留旧的{name_zh}。"
        return KeyAdvice(previous.kind, False, text, text_zh)
    when, when_zh = (
        (f"was last seen {ago} ago", f"最后一次出现在{ago_zh}前") if ago else ("was never seen", "从未出现")
    )
    text = f"the previous {name} {when}: it may be retired"
    return KeyAdvice(previous.kind, True, text, f"旧的{name_zh}{when_zh}：可以停用。")


def _ago(seen: Seen, now: datetime) -> tuple[str, str]:
    if seen.last_seen_at is None:
        return "", ""
    since = now - seen.last_seen_at
    return span(since), span_zh(since)
