// The console works by reload alone. This adds: news as it happens, a running clock, and a pause before a
// button can be pressed, so that nobody signs what has only just appeared under their finger.
"use strict";
(() => {
  const PAUSE = 600;
  const body = document.body;

  // --- a pause after anything appears, changes or moves --------------------------------------------------
  const timers = new WeakMap();
  let sent = false;
  const guard = (form) => {
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    clearTimeout(timers.get(form));
    timers.set(form, setTimeout(() => {
      if (!sent) buttons.forEach((button) => { button.disabled = false; });
    }, PAUSE));
  };
  const guardAll = () => document.querySelectorAll("form[data-guard]").forEach(guard);
  const moved = new ResizeObserver(guardAll);
  const watch = () => document.querySelectorAll("form[data-guard]").forEach((form) => {
    moved.observe(form.parentElement.querySelector(".head") || form.parentElement);
  });
  guardAll();
  watch();
  addEventListener("focus", guardAll);
  addEventListener("pageshow", (event) => { sent = false; if (event.persisted) location.reload(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) guardAll(); });
  document.addEventListener("htmx:afterSettle", () => { guardAll(); watch(); tick(); });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-guard]")) return;
    if (sent) { event.preventDefault(); return; }
    sent = true;
    setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }), 0);
  });

  // --- the clock: seconds for the eye, words for the ear only now and then ---------------------------------
  const left = (seconds) => {
    if (seconds <= 0) return "time is up";
    if (seconds < 120) return `${seconds} s left`;
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h left`;
    return hours ? `${hours} h ${minutes % 60} min left` : `${minutes} min left`;
  };
  const tick = () => document.querySelectorAll("time[data-left]").forEach((clock) => {
    const seconds = Math.floor((Date.parse(clock.dateTime) - Date.now()) / 1000);
    const text = left(seconds);
    if (clock.textContent !== text) clock.textContent = text;
    clock.classList.toggle("soon", seconds < 120);
  });
  tick();
  setInterval(tick, matchMedia("(prefers-reduced-motion: reduce)").matches ? 15000 : 1000);

  // --- news ----------------------------------------------------------------------------------------------------
  const said = document.getElementById("said");
  const say = (text) => { said.textContent = text; };
  const tell = (name, element = body) => element.dispatchEvent(new CustomEvent(name, { bubbles: false }));
  let late;
  const soon = (name) => { clearTimeout(late); late = setTimeout(() => tell(name), 150); };

  const onHold = (event) => {
    const news = JSON.parse(event.data);
    tell("countersign:hold");
    const card = document.getElementById("card");
    if (card && card.dataset.hold === news.hold && card.dataset.open === "yes"
        && Number(card.dataset.version) !== news.row_version) {
      guardAll();
      tell("countersign:this-hold", card);
      say("This call has changed. Look again before you decide.");
    } else if (event.type === "hold.created" && document.getElementById("queue")) {
      say("A new call waits for sign-off.");
    }
  };
  if (body.dataset.follow && "EventSource" in window) {
    const news = new EventSource(body.dataset.follow);
    ["hold.created", "hold.updated", "hold.closed"].forEach((type) => news.addEventListener(type, onHold));
    news.addEventListener("call.changed", () => soon("countersign:call"));
    news.addEventListener("resync", () => {
      tell("countersign:hold");
      tell("countersign:call");
      const card = document.getElementById("card");
      if (card && card.dataset.open === "yes") tell("countersign:this-hold", card);
    });
    addEventListener("pagehide", () => news.close());
  }
  document.addEventListener("htmx:afterSettle", () => {
    const queue = document.getElementById("queue");
    if (!queue) return;
    const count = Number(queue.dataset.count);
    document.title = `${count ? `(${count}) ` : ""}Sign-off · Countersign`;
  });
})();
