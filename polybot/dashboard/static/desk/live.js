/* Live numbers: one socket per page. Quotes and the ladder change in place; when something of ours
   changed, the server says so and the panels concerned are read again from this page's own address. */
(() => {
  "use strict";
  const { all, localise, grow, setSkew } = window.desk;
  const ONE = 1e6;
  const number = (value, places) => value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  const trimmed = (text) => text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
  const cents = (micro, places, extra = 0) => {
    const text = number(micro * 100 / ONE, places + extra);
    return extra && places === 0 ? trimmed(text) : text;
  };
  const size = (micro) => trimmed(number(micro / ONE, micro < 1000 * ONE ? 2 : 0));

  const put = (element, text) => {
    if (element.textContent === text) return;
    element.textContent = text;
    element.classList.remove("hit");
    void element.offsetWidth; /* restarts the flash */
    element.classList.add("hit");
  };

  /* quotes: <… data-q="outcome" data-f="bid" data-places="0"> */
  const quote = (row) => {
    const at = row.at;
    all(`[data-q="${row.o}"]`).forEach((element) => {
      const field = element.dataset.f;
      const places = Number(element.dataset.places || 0);
      if (field === "age") { element.dataset.at = at; return; }
      const extra = field === "mid" || field === "spread" ? 1 : 0;
      const value = row[field];
      if (value === undefined) return;
      put(element, value === null ? "–" : cents(value, places, extra));
      element.classList.toggle("is-stale", row.status !== "live");
    });
  };

  /* the ladder: rows are fixed, the nearest level stands next to the spread */
  const side = (table, rows, levels, ours, bid, largest, places) => {
    rows.forEach((row, index) => {
      const level = levels[index];
      const [left, bids, price, asks, right] = row.cells;
      const amount = bid ? bids : asks;
      const mine = bid ? left : right;
      const text = amount.querySelector("span");
      const bar = amount.querySelector("rect");
      put(price.firstElementChild, level ? cents(level[0], places) : "");
      put(text, level ? size(level[1]) : "");
      const width = level ? Math.min(100, level[1] / largest * 100) : 0;
      bar.setAttribute("width", width.toFixed(1));
      bar.setAttribute("x", bid ? (100 - width).toFixed(1) : "0");
      const own = level && ours[level[0]];
      const shown = own ? size(own[0]) : "";
      const queue = own && own[1] !== null ? `q ${size(own[1])}` : "";
      if (mine.dataset.shown !== `${shown}|${queue}`) {
        mine.dataset.shown = `${shown}|${queue}`;
        mine.replaceChildren();
        if (own) {
          const span = document.createElement("span");
          span.className = bid ? "up" : "down";
          const small = document.createElement("small");
          small.textContent = queue;
          if (bid) span.append(small, ` ${shown}`); else span.append(`${shown} `, small);
          mine.append(span);
        }
        mine.classList.toggle("mine", Boolean(own));
      }
    });
  };
  const ladder = (row) => {
    const table = document.querySelector(`table[data-ladder="${row.o}"]`);
    if (!table || !row.bids) return;
    const places = Number(table.dataset.places);
    const ours = JSON.parse(table.dataset.ours || "{}");
    const shown = [...row.bids, ...row.asks];
    const largest = Math.max(1, ...shown.map((level) => level[1]));
    const asks = all("tr[data-side='ask']", table).reverse();
    side(table, all("tr[data-side='bid']", table), row.bids, ours, true, largest, places);
    side(table, asks, row.asks, ours, false, largest, places);
    const line = table.querySelector(".spread td");
    if (line && row.bid !== null && row.ask !== null) {
      line.textContent = `spread ${cents(row.ask - row.bid, places)} ¢ · mid ${cents(row.mid, places, 1)} ¢` +
        (row.micro === null ? "" : ` · microprice ${cents(row.micro, 2)} ¢`);
    }
  };

  /* panels whose content changed: read this page again, swap only them, at most every two seconds */
  const dirty = new Set();
  let reading = false, lastRead = 0, waiting = 0;
  const busy = (panel) => panel.matches(":focus-within") && panel.querySelector("input:focus, select:focus, textarea:focus");
  const read = async () => {
    waiting = 0;
    if (document.hidden || !dirty.size) return;
    const topics = new Set(dirty);
    dirty.clear();
    const panels = all("[data-live]").filter((panel) => panel.id && panel.dataset.live.split(" ").some((topic) => topics.has(topic)));
    if (!panels.length) return;
    reading = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Live": "1" } });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.reload(); return; }
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const panel of panels) {
        const next = fresh.getElementById(panel.id);
        if (!next || busy(panel) || panel.matches(":popover-open")) continue;
        panel.replaceChildren(...next.childNodes);
        localise(panel);
      }
      grow();
      watch();
    } catch { /* the socket's own state tells the reader */ } finally {
      reading = false;
      lastRead = Date.now();
      if (dirty.size) schedule();
    }
  };
  const schedule = () => {
    if (reading || waiting) return;
    waiting = setTimeout(read, Math.max(300, lastRead + 2000 - Date.now()));
  };
  const changed = (topics) => {
    topics.forEach((topic) => dirty.add(topic));
    schedule();
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && dirty.size) schedule(); });

  /* the socket: reconnects with growing, jittered pauses and reads everything again after a gap */
  const offline = document.getElementById("offline");
  let socket = null, tries = 0, version = null, watched = "";
  const outcomes = () => [...new Set([...all("[data-q]").map((e) => e.dataset.q), ...all("[data-ladder]").map((e) => e.dataset.ladder)])]
    .map(Number).filter((id) => id > 0).slice(0, 120);
  const watch = () => {
    const wanted = outcomes();
    const books = all("[data-ladder]").map((e) => Number(e.dataset.ladder));
    const text = JSON.stringify({ type: "watch", outcomes: wanted, books });
    if (text === watched || socket?.readyState !== WebSocket.OPEN) return;
    watched = text;
    socket.send(text);
  };
  const connect = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws/desk`);
    socket.addEventListener("open", () => { tries = 0; watched = ""; if (offline) offline.hidden = true; watch(); });
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "ticks") {
        setSkew(message.at - Date.now());
        message.rows.forEach((row) => { quote(row); ladder(row); });
      } else if (message.type === "version") {
        if (version !== null && message.n !== version) changed(message.topics);
        version = message.n;
      }
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 4401) { location.reload(); return; }
      tries += 1;
      if (offline && tries > 1) offline.hidden = false;
      setTimeout(connect, Math.min(15000, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
    });
  };
  if (document.querySelector("[data-live], [data-q], [data-ladder]")) connect();
})();
