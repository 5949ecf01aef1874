"""What the authorization page says when it refuses: the numbers and texts of its own script."""

TEXTS = {
    -1: "系统错误",
    -100: "CODE不合法",
    -101: "授权已经失效，请关闭本页重新发起授权",
    -104: "授权的权限集不合法",
    -105: "授权Ticket已过期",
    -107: "不能授权给多个同类型的非共享公众号服务",
    -108: "对于未全网发布的公众号服务，非白名单公众号不可授权",
    -110: "预授权码已经被授权过，不能重复使用",
    -301: "授权参数错误",
    -302: (
        "请确认授权入口页所在域名，与授权后回调页所在域名相同，并且，此两者都必须与申请第三方平台时填写的"
        "授权发起页域名相同。授权入口页所在域名：{entry}，授权后回调页所在域名：{target}"
    ),
    -305: "ComponentAppID非法",
    -306: "参数缺少componentappid",
    -307: "参数缺少preauthcode",
    -308: "参数缺少redirecturl",
}
NOTHING = "空"


class PageRefusal(Exception):
    """The authorization page refuses; `ret` is its number, `text` what the visitor reads."""

    def __init__(self, ret: int, *, entry: str = "", target: str = "") -> None:
        self.ret = ret
        self.text = TEXTS[ret].format(entry=entry or NOTHING, target=target or NOTHING)
        super().__init__(f"ret {ret}: {self.text}")
