(() => {
  const box = document.getElementById("scan");
  const { events, redeem } = box.dataset;
  let source = null;
  let tries = 0;
  const stop = () => { if (source) source.close(); source = null; };
  const finish = () => {
    stop();
    tries += 1;
    fetch(redeem, { method: "POST", credentials: "same-origin", headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer)))
      .then((answer) => { location.replace(answer.location); })
      // What was lost or broke on the way is asked for again; an answer that says no is not.
      .catch((why) => {
        const broke = why instanceof TypeError || why.status >= 500 || why.status === 429;
        if (broke && tries < 30) setTimeout(finish, Math.min(tries, 3) * 1000);
        else show("failed");
      });
  };
  const show = (state) => {
    box.dataset.state = state;
    if (state === "confirmed" && !tries) finish();
    else if (state !== "shown" && state !== "scanned") stop();
  };
  const over = () => !["shown", "scanned"].includes(box.dataset.state);
  // Where a proxy keeps streams back, asking now and then does as well.
  const ask = () => {
    if (over()) return;
    fetch(events, { credentials: "same-origin", headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer)))
      .then((answer) => { show(answer.state); })
      .catch(() => {})
      .finally(() => { setTimeout(ask, 2000); });
  };
  // This page's own address makes a new code.
  document.getElementById("again").addEventListener("click", () => { location.reload(); });
  if (typeof EventSource === "function") {
    source = new EventSource(events);
    source.onmessage = (message) => { show(JSON.parse(message.data).state); };
    source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) { stop(); ask(); } };
  } else ask();
})();
