(() => {
  const address = document.getElementById("address");
  const button = document.getElementById("copy");
  const mark = () => {
    const range = document.createRange();
    range.selectNodeContents(address);
    const chosen = window.getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
  };
  const done = () => { button.textContent = button.dataset.done; };
  const old = () => { mark(); if (document.execCommand("copy")) done(); };
  button.hidden = false;
  button.addEventListener("click", () => {
    // The clipboard is there on https only; what is left marked can be copied by hand.
    if (navigator.clipboard) navigator.clipboard.writeText(address.textContent).then(done, old);
    else old();
  });
})();
