"""The catalogue of WeChat's error codes: what WeChat says, what is behind it and what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from wxgate.errors import Explanation, IpNotRegistered, WeChatError
from wxgate.protocol.advice import ADVICE, Advice


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code: WeChat's errmsg and Chinese label, and our cause and next step where the code matters."""

    code: int
    errmsg: str = ""
    meaning_zh: str = ""
    cause: str = ""
    action: str = ""
    cause_zh: str = ""
    action_zh: str = ""


def lookup(code: int) -> ErrorCode | None:
    """Look a code up."""
    return _table().get(code)


def errmsg(code: int) -> str:
    """Give the text WeChat sends with a code, as far as known."""
    known = lookup(code)
    return (known.errmsg or known.meaning_zh) if known else ""


def explain(error: WeChatError) -> Explanation:
    """Explain an error that WeChat answered, naming the IP it saw where that is the matter."""
    advice = ADVICE.get(error.errcode) or _unknown(error)
    ip = error.ip if isinstance(error, IpNotRegistered) else ""
    return Explanation(
        cause=advice.cause.replace("{ip}", ip or "this server's egress IP"),
        action=advice.action.replace("{ip}", ip or "this server's egress IP"),
        cause_zh=advice.cause_zh.replace("{ip}", ip or "本服务器的出口 IP"),
        action_zh=advice.action_zh.replace("{ip}", ip or "本服务器的出口 IP"),
    )


def _unknown(error: WeChatError) -> Advice:
    rid = f" {error.rid}" if error.rid else ""
    said = error.errmsg or errmsg(error.errcode) or "nothing is known of it"
    said_zh = error.errmsg or errmsg(error.errcode) or "含义未知"
    return Advice(
        f"WeChat answered errcode {error.errcode}: {said.rstrip('.')}.",
        f"Look the code up on the API's page; WeChat's support can trace the call by its rid{rid}.",
        f"微信返回错误码 {error.errcode}：{said_zh}。",
        f"在该接口的文档页查看此错误码；微信客服可凭 rid{rid} 查询这次调用。",
    )


@cache
def _table() -> Mapping[int, ErrorCode]:
    lines = files("wxgate.protocol").joinpath("data/errcodes.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    table = {int(code): ErrorCode(int(code), *texts) for code, *texts in rows}
    for code, advice in ADVICE.items():
        known = table.get(code) or ErrorCode(code)
        texts = (advice.cause, advice.action, advice.cause_zh, advice.action_zh)
        table[code] = ErrorCode(code, known.errmsg, known.meaning_zh, *texts)
    return table
