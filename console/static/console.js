// Keys for the console. Everything works without this file; nothing is fetched.
"use strict";

const typing = (el) => el && (el.isContentEditable || /^(TEXTAREA|SELECT)$/.test(el.tagName) || el.tagName === "INPUT" && el.type !== "checkbox");

// Rows of a list: j and k move, o opens. The focus itself moves, so that a
// screen reader follows and Enter opens.
function move(step) {
  const links = [...document.querySelectorAll("[data-list] [data-item] [data-open]")];
  if (!links.length) return false;
  const at = links.findIndex((a) => a.closest("[data-item]").contains(document.activeElement));
  const to = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step));
  links[to].focus();
  links[to].closest("[data-item]").scrollIntoView({ block: "nearest" });
  return true;
}

// Boxes of the queue: x chooses the row one is in, a all of them, and with
// Shift a click chooses all between. Without a choice nothing can be decided.
const batch = document.querySelector("form[data-batch]");
if (batch) batch.classList.add("js"); // what to decide is shown when something is chosen
const boxes = [...document.querySelectorAll("[data-pick]")];
let lastBox = -1;

function chosen() {
  if (!batch) return;
  const n = boxes.filter((b) => b.checked).length;
  batch.querySelectorAll("button:not([data-never])").forEach((b) => { b.disabled = n === 0; });
  batch.classList.toggle("on", n > 0);
  const all = batch.querySelector("[data-all]");
  all.checked = n > 0 && n === boxes.length;
  all.indeterminate = n > 0 && n < boxes.length;
  if (n > 0) batch.querySelector("[data-chosen]").textContent = n === 1 ? "1 finding chosen" : `${n} findings chosen`;
  else if (lastBox >= 0) batch.querySelector("[data-chosen]").textContent = "No finding chosen";
}

boxes.forEach((box, at) => box.addEventListener("click", (e) => {
  if (e.shiftKey && lastBox >= 0)
    boxes.slice(Math.min(at, lastBox), Math.max(at, lastBox) + 1).forEach((b) => { b.checked = box.checked; });
  lastBox = at;
  chosen();
}));
if (batch) batch.querySelector("[data-all]").addEventListener("change", (e) => {
  boxes.forEach((b) => { b.checked = e.target.checked; });
  lastBox = 0;
  chosen();
});

function pick() {
  const row = document.activeElement && document.activeElement.closest("[data-item]");
  const box = row && row.querySelector("[data-pick]");
  if (box) box.click();
  return Boolean(box);
}

function press(key) {
  if (/^[a-z0-9?]$/.test(key)) {
    const el = document.querySelector(`[data-key="${key}"]`);
    if (el) { el.click(); return true; }
    const field = document.querySelector(`[data-focus="${key}"]`);
    if (field) { field.focus(); return true; }
  }
  switch (key) {
    case "x": return pick();
    case "j": return move(1);
    case "k": return move(-1);
    case "o": {
      const row = document.activeElement && document.activeElement.closest("[data-item]");
      const link = row && row.querySelector("[data-open]");
      if (link) link.click();
      return Boolean(link);
    }
    case "/": {
      const field = document.querySelector("[data-find]");
      if (field) field.focus();
      return Boolean(field);
    }
  }
  return false;
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || e.repeat && !/^[jk]$/.test(e.key)) return;
  if (typing(e.target)) {
    if (e.key === "Escape") e.target.blur();
    return;
  }
  if (press(e.key)) e.preventDefault();
});

// A form is sent once: a second press of a key must not decide twice.
document.addEventListener("submit", (e) => {
  if (e.target.method !== "post") return;
  if (e.target.dataset.sent) { e.preventDefault(); return; }
  e.target.dataset.sent = "1";
  // A download leaves the page as it is, and may be asked for again.
  if ("download" in e.target.dataset) setTimeout(() => delete e.target.dataset.sent, 5000);
});
// ... but a page that comes back from the browser's memory may send again.
addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((f) => delete f.dataset.sent);
  chosen();
});

const auto = document.querySelector("form[data-auto]");
if (auto) auto.requestSubmit();
