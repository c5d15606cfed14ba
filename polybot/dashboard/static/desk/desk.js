/* The desk in the browser: theme, clock, ages, times in the viewer's zone, keyboard.
   Every page reads and works without this file; nothing here trades, cancels or changes anything. */
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  /* theme: a cookie, so that the server renders the next page in it */
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const toggleTheme = () => {
    const next = isDark() ? "light" : "dark";
    root.dataset.theme = next;
    document.cookie = `desk-theme=${next}; path=/; max-age=31536000; samesite=lax`;
    all("[data-theme-toggle]").forEach((button) => { button.value = next === "dark" ? "light" : "dark"; });
  };

  /* ages count up here; past its limit an age turns amber and says its limit */
  const age = (seconds) => {
    const s = Math.max(0, seconds);
    if (s < 9.95) return `${s.toFixed(1)} s`;
    if (s < 60) return `${Math.floor(s)} s`;
    const minutes = Math.floor(s / 60);
    if (minutes < 60) return `${minutes} m`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} m` : `${hours} h`;
    return `${Math.floor(hours / 24)} d`;
  };
  let skew = 0; /* server clock minus ours, ms; live.js sets it */
  const grow = () => {
    const now = Date.now() + skew;
    all("[data-at]").forEach((element) => {
      const seconds = (now - Number(element.dataset.at)) / 1000;
      const limit = Number(element.dataset.limit);
      const stale = limit > 0 && seconds > limit;
      const text = stale ? `${age(seconds)}, limit ${age(limit)}` : age(seconds);
      if (element.textContent !== text) element.textContent = text;
      if (element.dataset.limit) element.classList.toggle("stale", stale);
    });
    const clock = document.querySelector("[data-clock]");
    if (clock) clock.firstChild.nodeValue = new Date(now).toLocaleTimeString("en-GB");
  };

  /* times stand in UTC in the page and are shown in the viewer's zone; UTC stays on hover */
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const month = (date) => date.toLocaleDateString("en-GB", { month: "short" });
  const forms = {
    time: (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`,
    ms: (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`,
    day: (d) => `${d.getDate()} ${month(d)}`,
    hm: (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}`,
    full: (d) => `${d.getDate()} ${month(d)} ${pad(d.getHours())}:${pad(d.getMinutes())}`,
  };
  forms.hms = forms.time;
  const localise = (from = document) => all("[data-form]", from).forEach((element) => {
    const date = new Date(element.dateTime || Number(element.dataset.ms));
    if (!Number.isNaN(date.getTime())) element.textContent = forms[element.dataset.form](date);
  });

  /* keyboard: moves, opens, filters, sorts, downloads; never acts */
  const rows = () => all("main .tbl tbody tr").filter((row) => row.querySelector("a"));
  let going = 0;
  const move = (step) => {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.classList.contains("at"));
    const next = list[Math.min(list.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step))];
    list.forEach((row) => row.classList.toggle("at", row === next));
    next.querySelector("a").focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const sortNext = () => {
    const heads = all("main .tbl thead th").filter((head) => head.querySelector("a"));
    if (!heads.length) return;
    const at = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    location.href = heads[(at + 1) % heads.length].querySelector("a").href;
  };
  const openPopover = (id) => document.getElementById(id)?.showPopover?.();
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  const keys = {
    "/": () => { const find = document.getElementById("find"); if (find?.offsetParent) find.focus(); else location.href = "/markets/#filter"; },
    f: () => document.querySelector("main [data-filter]")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    s: sortNext,
    e: () => { const link = document.querySelector("main [data-csv]"); if (link) location.href = link.href; },
    t: toggleTheme,
    "?": () => openPopover("keys"),
    K: () => openPopover("stop"),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typing(event.target)) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.target.closest("[popover]") && event.key !== "Escape") return;
    if (Date.now() - going < 1500) {
      going = 0;
      const link = all(".rail a[data-go]").find((a) => a.dataset.go === event.key);
      if (link) { event.preventDefault(); location.href = link.href; }
      return;
    }
    if (event.key === "g") { going = Date.now(); return; }
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-theme-toggle]");
    if (toggle) { event.preventDefault(); toggleTheme(); return; }
    /* a disabled control stays focusable and says why; it must not submit */
    const disabled = event.target.closest("[aria-disabled='true']");
    if (disabled) { event.preventDefault(); return; }
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy);
  });
  /* one press, one request: a second click while the first is on its way is ignored */
  addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
  addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });

  document.documentElement.classList.add("js");
  const zone = document.querySelector("[data-clock] .u");
  if (zone) zone.textContent = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts().find((part) => part.type === "timeZoneName").value;
  localise();
  grow();
  setInterval(grow, 200);
  window.desk = { localise, grow, all, setSkew: (ms) => { skew = ms; } };
})();
