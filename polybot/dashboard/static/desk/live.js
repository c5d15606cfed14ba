/* Live numbers: one socket per page. Quotes and the ladder change in place; when something of ours
   changed, the server says so and the panels concerned are read again from this page's own address. */
(() => {
  "use strict";
  const { all, localise, grow, setSkew } = window.desk;
  const number = (value, places) => value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  const trimmed = (text) => text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
  /* prices come as decimal texts in dollars; a mid may need one more digit than the tick */
  const cents = (dollars, places, extra = 0) => {
    const text = number(Number(dollars) * 100, places + extra);
    return extra && places === 0 ? trimmed(text) : text;
  };
  const size = (shares) => trimmed(number(Number(shares), Number(shares) < 1000 ? 2 : 0));
  const lots = (shares) => Number(shares) >= 100 ? number(Number(shares), 0) : trimmed(number(Number(shares), 1));
  const key = (price) => String(Math.round(Number(price) * 1e6));

  const put = (element, text) => {
    if (element.textContent === text) return;
    element.textContent = text;
    element.classList.remove("hit");
    void element.offsetWidth; /* restarts the flash */
    element.classList.add("hit");
  };

  /* quotes: <… data-q="outcome" data-f="bid" data-places="0"> */
  const quote = (row) => {
    all(`[data-q="${row.id}"]`).forEach((element) => {
      const field = element.dataset.f;
      const places = Number(element.dataset.places || 0);
      if (field === "age") { if (row.confirmed_ms) element.dataset.at = row.confirmed_ms; return; }
      if (row[field] === undefined) return;
      const extra = field === "mid" || field === "spread" ? 1 : 0;
      put(element, row[field] === null ? "–" : cents(row[field], places, extra));
      element.classList.toggle("is-stale", row.status !== "live");
    });
  };

  /* the ladder: its rows are fixed, the nearest level stands next to the spread */
  const own = (cell, mine, bid) => {
    const shown = mine ? size(mine[0]) : "";
    const queue = mine && mine[1] !== null ? `q ${lots(mine[1])}` : "";
    if (cell.dataset.shown === `${shown}|${queue}`) return;
    cell.dataset.shown = `${shown}|${queue}`;
    cell.replaceChildren();
    cell.classList.toggle("mine", Boolean(mine));
    if (!mine) return;
    const span = document.createElement("span");
    span.className = bid ? "up" : "down";
    const small = document.createElement("small");
    small.textContent = queue;
    if (bid) span.append(small, ` ${shown}`); else span.append(`${shown} `, small);
    cell.append(span);
  };
  const side = (rows, levels, ours, bid, largest, places) => rows.forEach((row, index) => {
    const level = levels[index];
    const [left, bids, price, asks, right] = row.cells;
    const amount = bid ? bids : asks;
    put(price.firstElementChild, level ? cents(level[0], places) : "");
    put(amount.querySelector("span"), level ? lots(level[1]) : "");
    const width = level ? Math.min(100, level[1] / largest * 100) : 0;
    const bar = amount.querySelector("rect");
    bar.setAttribute("width", width.toFixed(1));
    bar.setAttribute("x", bid ? (100 - width).toFixed(1) : "0");
    own(bid ? left : right, level && ours[key(level[0])], bid);
  });
  const ladder = (row) => {
    const table = document.querySelector(`table[data-ladder="${row.id}"]`);
    if (!table || !row.bids) return;
    /* the first book of a market nobody watched before: the panel must be made by the server */
    if (table.hidden) { if (row.bids.length || row.asks.length) changed(["orders"]); return; }
    const places = Number(table.dataset.places);
    const ours = JSON.parse(table.dataset.ours || "{}");
    const largest = Math.max(1, ...[...row.bids, ...row.asks].map((level) => Number(level[1])));
    side(all("tr[data-side='bid']", table), row.bids, ours, true, largest, places);
    side(all("tr[data-side='ask']", table).reverse(), row.asks, ours, false, largest, places);
    const line = table.querySelector(".spread td");
    if (!row.bids.length || !row.asks.length) { line.textContent = "one side is empty"; return; }
    const [[bid, bidSize], [ask, askSize]] = [row.bids[0].map(Number), row.asks[0].map(Number)];
    const micro = (bid * askSize + ask * bidSize) / (bidSize + askSize);
    line.textContent = `spread ${cents(row.spread, places)} ¢ · mid ${cents(row.mid, places, 1)} ¢ · microprice ${number(micro * 100, 2)} ¢`;
  };

  /* the tape: the newest trades replace the list */
  const tape = (message) => {
    const body = document.querySelector(`tbody[data-tape="${message.id}"]`);
    if (!body) { if (message.rows.length) changed(["tape"]); return; }
    const places = Number(body.dataset.places);
    const cell = (text, css) => { const td = document.createElement("td"); td.textContent = text; td.className = css || ""; return td; };
    body.replaceChildren(...message.rows.map(([at, taker, price, amount]) => {
      const row = document.createElement("tr");
      const time = document.createElement("time");
      time.dateTime = new Date(at).toISOString();
      time.dataset.form = "time";
      const when = cell(""); when.append(time);
      const who = cell(""); const mark = document.createElement("span");
      mark.className = `side ${taker === "sell" ? "sell" : "buy"}`; mark.textContent = taker.toUpperCase(); who.append(mark);
      row.append(when, who, cell(cents(price / 1e6, places), "r"), cell(size(amount / 1e6), "r"), cell(number(price * amount / 1e12, 2), "r p2"));
      return row;
    }));
    localise(body);
    const newest = document.querySelector("[data-tape-age]");
    if (newest && message.rows.length) newest.dataset.at = message.rows[0][0];
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

  /* the ticket asks the gate while one types; placing asks it again */
  const ticket = document.querySelector("form[data-preview]");
  let typed = 0;
  const preview = async () => {
    const fields = new FormData(ticket);
    ["csrfmiddlewaretoken", "key"].forEach((name) => fields.delete(name));
    const answer = await fetch(`${location.pathname}?${new URLSearchParams(fields)}`, { credentials: "same-origin", headers: { "X-Live": "1" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("preview");
    const shown = document.getElementById("preview");
    const wasOpen = shown.querySelector("details")?.open;
    if (!fresh) return;
    shown.replaceChildren(...fresh.childNodes);
    const details = shown.querySelector("details");
    if (details && wasOpen) details.open = true;
  };
  ticket?.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(() => { preview().catch(() => {}); }, 400); });

  /* the socket: reconnects with growing, jittered pauses and reads everything again after a gap */
  const offline = document.getElementById("offline");
  let socket = null, tries = 0, version = Number(document.body.dataset.version), watched = "", resync = true;
  const everything = () => [...new Set(all("[data-live]").flatMap((panel) => panel.dataset.live.split(" ")))];
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
      } else if (message.type === "tape") {
        tape(message);
      } else if (message.type === "version") {
        /* what happened while the page or the socket was on its way nobody told: read everything */
        if (resync && message.n > version) changed(everything());
        else if (message.topics.length) changed(message.topics);
        version = Math.max(version, message.n);
        resync = false;
      }
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 4401) { location.reload(); return; }
      tries += 1;
      resync = true;
      if (offline && tries > 1) offline.hidden = false;
      setTimeout(connect, Math.min(15000, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
    });
  };
  if (document.querySelector("[data-live], [data-q], [data-ladder]")) connect();
})();
