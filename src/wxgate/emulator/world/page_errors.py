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


LINK_TEXTS = {
    10003: "redirect_uri域名与后台配置不一致",
    10004: "此公众号被封禁",
    10005: "此公众号并没有这些scope的权限",
    10006: "必须关注此测试号",
    10009: "操作太频繁了，请稍后重试",
    10010: "scope不能为空",
    10011: "redirect_uri不能为空",
    10012: "appid不能为空",
    10013: "state不能为空",
    10015: "公众号未授权第三方平台",
    10016: "不支持微信开放平台的AppID",
    40013: "AppID参数错误",
}
LINK_WORDS = {
    "browser": "请在微信客户端打开链接",
    "form": "授权链接的参数或其顺序不正确，无法访问",
    "state": "state参数过长或含有非法字符",
    "fragment": "授权链接缺少#wechat_redirect",
    "unreachable": "该链接无法访问",
    "expired": "页面已过期，请返回重试",
}


class LinkRefusal(Exception):
    """A page of 网页授权 or 扫码登录 refuses; `word` is WeChat's number or, where it has none, our word.

    `detail` is for whoever tests: what about the link is wrong.
    """

    def __init__(self, word: int | str, detail: str = "") -> None:
        self.word, self.detail = word, detail
        self.text = f"{LINK_TEXTS[word]}，错误码:{word}" if isinstance(word, int) else LINK_WORDS[word]
        super().__init__(f"{word}: {self.text}")
