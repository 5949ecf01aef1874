"""What the login pages say, in Chinese and English, side by side."""

from collections.abc import Mapping

LOGIN_TEXTS: Mapping[str, tuple[str, str]] = {
    "login.with": ("登录{name}", "Log in to {name}"),
    "login.again": ("再试一次", "Try again"),
    "login.go_on": ("继续登录", "Carry on"),
    "login.start": ("微信登录", "Log in with WeChat"),
    "login.back": ("返回网站", "Back to the site"),
    "login.close": ("您可以关闭这个页面了。", "You can close this page."),
    # A start by hand.
    "login.tap.asked": (
        "微信会确认您的身份，然后自动返回。",
        "WeChat confirms who you are and brings you back.",
    ),
    "login.tap.logged_out": (
        "您已退出登录，不点击就不会再登录。",
        "You are logged out, and stay so until you tap.",
    ),
    "login.tap.lost": (
        "这次登录不是在这个浏览器里开始的，或者已经过期。请重新开始。",
        "This login was not started in this browser, or has expired. Please start again.",
    ),
    # The QR code on a computer.
    "login.qr.lead": ("请用微信扫描二维码", "Scan the code with WeChat"),
    "login.qr.full": ("二维码没有显示？打开微信的扫码页面", "No code to be seen? Open WeChat's own page"),
    "login.qr.frame": ("微信登录二维码", "WeChat's login QR code"),
    "login.qr.trust": (
        "二维码由微信提供，我们看不到您的微信密码。",
        "The code is WeChat's own; your WeChat password stays with WeChat.",
    ),
    # Where only WeChat can go on.
    "login.open.title": ("请在微信中打开", "Open this in WeChat"),
    "login.open.lead": (
        "{name}用微信登录，需要在微信里继续。",
        "{name} logs you in with WeChat, which goes on inside WeChat.",
    ),
    "login.open.wecom": (
        "企业微信不能代替微信登录，请换到微信里打开。",
        "WeCom cannot stand in for WeChat here. Please open the page in WeChat.",
    ),
    "login.open.step_copy": ("复制下面的地址", "Copy this address"),
    "login.open.step_send": (
        "在微信里发给“文件传输助手”，再点开它",
        "Send it to File Transfer in WeChat and open it there",
    ),
    "login.open.copy": ("复制地址", "Copy the address"),
    "login.open.copied": ("已复制", "Copied"),
    "login.open.qr": ("或者用另一部手机的微信扫一扫", "Or scan it with WeChat on another phone"),
    "login.open.qr_first": ("用微信扫一扫", "Scan it with WeChat"),
    "login.open.or_copy": ("或者复制地址", "Or copy the address"),
    "login.open.qr_alt": ("在微信中打开本页的二维码", "QR code that opens this page in WeChat"),
    # Logging out.
    "login.logout.title": ("退出登录？", "Log out?"),
    "login.logout.lead": (
        "您在{name}的登录将结束，微信不会再自动登录。",
        "Your login at {name} ends, and WeChat does not log you in again by itself.",
    ),
    "login.logout.button": ("退出登录", "Log out"),
    "login.logout.all": ("同时退出我的其他设备", "Also on my other devices"),
    "login.logged_out.title": ("已退出登录", "You are logged out"),
    "login.logged_out.body": (
        "需要时，再点击登录即可。",
        "Whenever you want to come back, tap to log in.",
    ),
    # What ends without a login: title, what it means for the visitor, what the operator does.
    "login.operator": ("给网站运营人员", "For the operator of this site"),
    "login.cancelled.title": ("没有登录", "Not logged in"),
    "login.cancelled.body": (
        "您没有在微信里同意登录。您的任何信息都没有提供给网站。",
        "You did not agree in WeChat. Nothing about you was given to the site.",
    ),
    "login.snapshot.title": ("请使用完整服务", "Please use the full service"),
    "login.snapshot.body": (
        "您正在浏览网页快照，微信在快照里不提供真实身份。请点击屏幕底部的“使用完整服务”，进入后再继续登录。",
        "This is a snapshot of the page, in which WeChat does not say who you are. Tap “使用完整服务” "
        "(use the full service) at the bottom of the screen, then carry on with the login.",
    ),
    "login.loop.title": ("浏览器没有保存登录状态", "Cookies are blocked"),
    "login.loop.body": (
        "登录成功需要 Cookie，但浏览器没有保存它。请允许本站使用 Cookie，或关闭无痕浏览，然后再试一次。",
        "A login needs cookies, and this browser does not keep ours. Allow cookies for this site or leave "
        "private browsing, then try again.",
    ),
    "login.loop.operator": (
        "浏览器在一分钟内两次从微信回来都没有带上 Cookie。请确认 public_base_url 与浏览器地址栏里的"
        "协议和域名完全一致，且反向代理没有去掉 Set-Cookie。",
        "Twice within a minute the browser came back from WeChat without our cookies. Check that "
        "public_base_url is exactly the scheme and host that browsers see, and that no proxy removes "
        "Set-Cookie.",
    ),
    "login.no_app.title": ("这里还不能用微信登录", "No login with WeChat here yet"),
    "login.no_app.body": (
        "网站没有为这种浏览器准备微信登录方式。请换用微信打开，或联系网站。",
        "The site has set up no WeChat login for this kind of browser. Open it in WeChat, or tell the site.",
    ),
    "login.no_app.operator": (
        "登录域 {realm} 没有适合的应用：在微信里需要公众号（official），在电脑上需要网站应用（website）。"
        "用 wxgate login app list 查看，用 wxgate login app add 添加。",
        "The realm {realm} has no app for it: inside WeChat that is an official account (official), on a "
        "computer a website application (website). `wxgate login app list` shows what there is, "
        "`wxgate login app add` adds one.",
    ),
    "login.unknown_app.title": ("没有这个登录入口", "No such login"),
    "login.unknown_app.body": (
        "请检查地址是否完整，或联系给您这个地址的网站。",
        "Check that the address is complete, or tell the site that sent you here.",
    ),
    "login.unknown_app.operator": (
        "用 wxgate login app list 查看已有的应用。",
        "`wxgate login app list` shows the apps there are.",
    ),
    "login.bad_return.title": ("这个返回地址不被允许", "This return address is not allowed"),
    "login.bad_return.body": (
        "为了您的安全，登录没有开始。请联系带您来到这里的网站。",
        "For your safety the login was not started. Tell the site that sent you here.",
    ),
    "login.bad_return.operator": (
        "return_to 必须是本网关的路径，或在登录域 {realm} 的允许列表里（协议、域名、端口都要一致）："
        "wxgate login realm set {realm} --return-to https://…",
        "return_to must be a path of this gateway, or on the list of the realm {realm} (scheme, host and "
        "port alike): `wxgate login realm set {realm} --return-to https://…`.",
    ),
    "login.bad_request.title": ("地址里的参数不对", "This address has a wrong parameter"),
    "login.bad_request.body": (
        "请从网站的登录按钮重新开始，不要修改地址。",
        "Start again from the site's login button, and leave the address as it is.",
    ),
    "login.bad_request.operator": (
        "请求没有被接受：{why}",
        "The request was not taken: {why}",
    ),
    "login.bad_redirect.title": ("这个返回地址没有登记", "This return address is not registered"),
    "login.bad_redirect.body": (
        "为了您的安全，没有继续。请联系带您来到这里的网站。",
        "For your safety nothing was done. Tell the site that sent you here.",
    ),
    "login.bad_redirect.operator": (
        "redirect_uri（退出时是 post_logout_redirect_uri）必须与登记的地址逐字相同："
        "wxgate login client show {client} 显示已登记的地址，"
        "wxgate login client set {client} --redirect-uri https://… 重写这份列表。",
        "redirect_uri (or post_logout_redirect_uri when logging out) must be a registered address letter for "
        "letter: `wxgate login client show {client}` tells what is registered, "
        "`wxgate login client set {client} --redirect-uri https://…` writes the list anew.",
    ),
    "login.no_client.title": ("没有这个应用", "There is no such application"),
    "login.no_client.body": (
        "带您来到这里的网站没有在此登记，没有登录。请联系该网站。",
        "The site that sent you here is not registered here, so you are not logged in. Tell that site.",
    ),
    "login.no_client.operator": (
        "client_id 或 issuer 不对，或该客户端属于另一个登录域：wxgate login client list 显示已有的客户端。",
        "The client_id or the issuer is wrong, or the client belongs to another realm: "
        "`wxgate login client list` shows the clients there are.",
    ),
    "login.prefetch.title": ("尚未开始登录", "Nothing has been started"),
    "login.prefetch.body": (
        "登录只在您打开页面时开始，预加载不会开始登录。",
        "A login starts when you open the page; loading ahead starts nothing.",
    ),
    "login.too_many.title": ("操作太频繁了", "That was a little too often"),
    "login.too_many.body": (
        "请等一分钟再试。您的账号没有任何变化。",
        "Please wait a minute and try again. Nothing has changed for your account.",
    ),
    "login.forged.title": ("请在网页上操作", "Please use the page itself"),
    "login.forged.body": (
        "这个请求不是从本站的页面发出的，没有做任何处理。",
        "The request did not come from a page of this site, so nothing was done.",
    ),
    "login.expired_code.title": ("微信的登录凭证已失效", "WeChat's login code is no longer valid"),
    "login.expired_code.body": (
        "它只能使用一次，几分钟内有效。请重新登录。",
        "It is good for one use within minutes. Please log in again.",
    ),
    "login.app_unavailable.title": ("{name}暂时不能用微信登录", "No login through {name} at present"),
    "login.app_unavailable.body": (
        "这个账号目前没有授权给本服务。请稍后再试，或联系网站。",
        "This account has not authorised this service at present. Try again later, or tell the site.",
    ),
    "login.app_unavailable.operator": (
        "{name}（{appid}）已取消授权，或令牌不可用。"
        "请让账号管理员重新授权；wxgate account show {appid} 显示原因。",
        "{name} ({appid}) has withdrawn its authorization, or its token cannot be had. Let its "
        "administrator authorise again; `wxgate account show {appid}` tells why.",
    ),
    "login.configuration.title": ("微信登录配置未完成", "The WeChat login is not fully set up"),
    "login.configuration.body": ("请联系网站。您没有登录。", "Please tell the site. You are not logged in."),
    "login.configuration.operator": (
        "微信拒绝了 {name}（{appid}）的请求：请检查它的类型和接口权限（网页授权或网站应用），以及密钥。",
        "WeChat refused {name} ({appid}): check its kind, its permissions (web authorisation or website "
        "application), and its secret.",
    ),
    "login.restricted.title": ("微信限制了这个用户", "WeChat restricts this user"),
    "login.restricted.body": (
        "微信没有允许您的账号登录这个网站。请在微信里查看账号状态。",
        "WeChat does not let your account log in here. See the state of your account in WeChat.",
    ),
    "login.not_this_person.title": ("不是同一个人", "This is somebody else"),
    "login.not_this_person.body": (
        "扫码的人和确认的人不是同一个微信账号，没有登录。",
        "Whoever scanned and whoever confirmed are not the same WeChat account, so nobody is logged in.",
    ),
    "login.wrong_account.title": ("微信返回了另一个账号", "WeChat named another account"),
    "login.wrong_account.body": (
        "返回的账号与这次登录的不同，没有登录。请重新开始。",
        "What came back is for another account than this login, so nobody is logged in. Please start again.",
    ),
    "login.stranger.title": ("请重新开始登录", "Please start again"),
    "login.stranger.body": (
        "这次登录不是在这个浏览器里开始的。请回到网站，重新登录。",
        "This login was not started in this browser. Go back to the site and log in again.",
    ),
    "login.unknown.title": ("这次登录已结束", "This login is over"),
    "login.unknown.body": (
        "它已经过期或完成。请回到网站，需要时重新登录。",
        "It has expired or is done. Go back to the site, and log in again if you need to.",
    ),
    "login.busy.title": ("微信暂时繁忙", "WeChat is busy"),
    "login.busy.body": ("请过一会儿再试。", "Please try again in a moment."),
    "login.unreachable.title": ("暂时连接不上微信", "WeChat cannot be reached"),
    "login.unreachable.body": ("请过一会儿再试。", "Please try again in a moment."),
    "login.done.title": ("登录成功", "You are logged in"),
    "login.done.body": ("您可以返回网站继续。", "You can go back to the site and carry on."),
    "login.trouble.title": ("登录没有成功", "The login did not work"),
    "login.trouble.body": (
        "请再试一次；如果一直这样，请联系网站。",
        "Please try again; if it stays like this, tell the site.",
    ),
}
