(() => {
  const box = document.getElementById("wx_login");
  if (typeof WxLogin === "function") {
    new WxLogin(JSON.parse(box.dataset.login));
    const frame = box.querySelector("iframe");
    if (frame) frame.title = box.dataset.title;
  } else {
    box.remove();
    document.getElementById("full").className = "button";
  }
})();
