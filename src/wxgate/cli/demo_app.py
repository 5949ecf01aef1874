"""The application of `wxgate demo`: what a noodle shop's account answers."""

from datetime import UTC, datetime, timedelta, timezone

from wxgate import Account, Gateway
from wxgate.protocol.messages import SubscribeEvent, TextMessage

BEIJING = timezone(timedelta(hours=8))

gateway = Gateway()


@gateway.on("event.subscribe")
def welcome(message: SubscribeEvent) -> str:
    """Greet a new follower."""
    return "欢迎光临！"


@gateway.on("text")
async def answer(message: TextMessage, account: Account) -> str:
    """Tell followers since when they have been with us, and everybody else what they have said."""
    if "多久" not in message.content:
        return f"收到：{message.content}"
    user = await account.get("cgi-bin/user/info", {"openid": message.openid})
    since = datetime.fromtimestamp(user["subscribe_time"], UTC).astimezone(BEIJING)
    return f"你从 {since:%m月%d日 %H:%M} 起关注我们，谢谢！"
