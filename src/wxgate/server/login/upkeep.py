"""What login asks WeChat about people it knows: unionids of followers, and the openids of a moved account."""

from collections.abc import Mapping, Sequence

from wxgate.login.backfill import AskUnionid
from wxgate.login.openid_import import Convert
from wxgate.login.records import App
from wxgate.server.calls import Calls


def make_ask(calls: Calls) -> AskUnionid:
    """Make what asks for the unionid of a follower, with the token of the app's account."""

    async def ask(app: App, openid: str) -> str | None:
        account = calls.account(app.appid, issuer=app.issuer)
        told = await account.get("/cgi-bin/user/info", {"openid": openid, "lang": "zh_CN"})
        unionid = told.get("unionid") if isinstance(told, dict) and told.get("openid") == openid else None
        return unionid if isinstance(unionid, str) and unionid else None

    return ask


def make_convert(calls: Calls) -> Convert:
    """Make what converts openids, with the token of the account that was moved to."""

    async def convert(from_appid: str, to_appid: str, openids: Sequence[str]) -> Mapping[str, str]:
        wanted = {"from_appid": from_appid, "openid_list": list(openids)}
        told = await calls.account(to_appid).post("/cgi-bin/changeopenid", json=wanted)
        lines = told.get("result_list") if isinstance(told, dict) else None
        return {
            str(line["ori_openid"]): str(line["new_openid"])
            for line in (lines if isinstance(lines, list) else ())
            if isinstance(line, dict) and line.get("ori_openid") and line.get("new_openid")
        }

    return convert
