/*! Sluice: events from a page. <script src=".../sdk/sluice.js" data-topic="clicks" data-key="slt_..."></script>
 *  sluice.track({screen: "home"}) */
(() => {
  const me = document.currentScript, set = me.dataset;
  const url = new URL(set.url || "/v1/collect", me.src);
  const MAX = 48 * 1024, TRIES = 5;
  const id = () => crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now();
  // Not a name of a person: it tells this visit's batches from those of others.
  const client = id();
  let rows = [], bytes = 2, timer = 0, count = 0;

  // A batch has its name from the start: sent twice, it is taken once.
  const address = (name) => {
    const to = new URL(url);
    for (const [key, value] of Object.entries({ topic: set.topic, key: set.key, client, batch_id: name }))
      if (value) to.searchParams.set(key, value);
    return to.href;
  };
  const post = (to, body, tries) => {
    const again = () => tries < TRIES ? setTimeout(post, 1000 * 2 ** tries, to, body, tries + 1)
      : console.warn("sluice: a batch was given up after", TRIES + 1, "tries");
    fetch(to, { method: "POST", body, keepalive: true, credentials: "omit", headers: { "Content-Type": "text/plain" } })
      .then((answer) => {
        if (answer.status === 429 || answer.status >= 500) return again();
        if (answer.ok) return;
        // Sent again it would be refused again: whoever made the page should know why.
        const said = (problem) => console.warn("sluice: a batch was refused:", answer.status, problem.code, problem.detail);
        return answer.json().then(said, () => said({}));
      }, again);
  };
  const flush = (leaving) => {
    clearTimeout(timer);
    timer = 0;
    if (!rows.length) return;
    const body = "[" + rows.join(",") + "]", to = address(client + "-" + count++);
    rows = [];
    bytes = 2;
    // A page that is left may be gone before a fetch has begun.
    if (!(leaving && navigator.sendBeacon && navigator.sendBeacon(to, body))) post(to, body, 0);
  };
  const track = (event) => {
    const row = JSON.stringify(event), size = new Blob([row]).size + 1;
    if (size > MAX) return false;
    if (bytes + size > MAX) flush();
    rows.push(row);
    bytes += size;
    timer = timer || setTimeout(flush, Number(set.every || 3) * 1000);
    return true;
  };
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush(true));
  addEventListener("pagehide", () => flush(true));
  window.sluice = { track, flush, client };
})();
