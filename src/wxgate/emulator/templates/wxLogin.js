// Plays res.wx.qq.com/connect/zh_CN/htmledition/js/wxLogin.js: puts the QR page into a frame.
// The parameters and their order are those of WeChat's script; like it, this one encodes nothing.
(function (window, document) {
  const origin = new URL(document.currentScript.src).origin;

  function WxLogin(given) {
    const redirect = given.self_redirect === true ? "true" : given.self_redirect === false ? "false" : "default";
    let address = origin + "/connect/qrconnect?appid=" + given.appid + "&scope=" + given.scope +
      "&redirect_uri=" + given.redirect_uri + "&state=" + given.state + "&login_type=jssdk&self_redirect=" + redirect +
      "&styletype=" + (given.styletype || "") + "&sizetype=" + (given.sizetype || "") +
      "&bgcolor=" + (given.bgcolor || "") + "&rst=" + (given.rst || "");
    if (given.style) address += "&style=" + given.style;
    if (given.href) address += "&href=" + given.href;
    if (given.lang === "en") address += "&lang=en";
    if (given.stylelite === 1) address += "&stylelite=1";
    if (given.fast_login === 0) address += "&fast_login=0";

    const frame = document.createElement("iframe");
    frame.src = address;
    frame.title = "WeChat";
    frame.setAttribute("frameborder", "0");
    frame.setAttribute("scrolling", "no");
    frame.setAttribute("allow", "local-network-access");
    frame.width = "300px";
    frame.height = "400px";
    if (given.onReady) frame.addEventListener("load", function () { given.onReady(true); });

    const place = document.getElementById(given.id);
    place.innerHTML = "";
    place.appendChild(frame);
  }

  window.WxLogin = WxLogin;
})(window, document);
