// The reviewer's hands: keys and buttons, what is in hand, what was decided.

import { desk, flush, newId, pending, pendingIds, post, send } from "./desk.js";
import * as grid from "./grid.js";
import { tell } from "./panel.js";
import * as stage from "./stage.js";

const $ = (id) => document.getElementById(id);
const AHEAD = 8, PAGE = 24, BACK = 50;
const RENEW_MS = (Number(document.querySelector("meta[name=claim-minutes]").content) / 3) * 60_000;

const state = { hand: [], at: 0, done: [], grid: false, opening: false, shownAt: 0, choosing: false, trouble: "", reviewer: localStorage.getItem("deepfield-reviewer") || "" };

const current = () => (state.grid ? grid.focused() : state.hand[state.at]);
const midnight = () => new Date(new Date().setHours(0, 0, 0, 0)).toISOString();

// Sent with each request: who asks, what is in view, how many more frames are wanted.
function fill() {
  const inView = [...new Set([...state.hand.map((card) => card.image_id), ...pendingIds()])];
  const wanted = state.grid ? (grid.open().length ? 0 : PAGE) : AHEAD;
  return { reviewer: state.reviewer, since: midnight(), in_view: inView.slice(0, 200), count: Math.max(0, wanted - state.hand.length) };
}

async function show(pressedAt) {
  const card = state.hand[state.at];
  $("empty").hidden = Boolean(card);
  $("single").hidden = state.grid || !card;
  $("grid").hidden = !state.grid || !card;
  for (const id of ["accept", "reject", "skip"]) $(id).disabled = !card;
  for (const id of ["zoom", "mask", "compare"]) $(id).hidden = state.grid;
  $("accept-rest").hidden = !state.grid;
  $("mode").setAttribute("aria-pressed", String(state.grid));
  if (!card) {
    stage.clear();
    document.body.dataset.shown = "";
    $("empty").textContent = state.trouble || (pending() ? "Saving…" : "Nothing waits for you. Well done.");
    return;
  }
  if (state.grid) return;
  stage.prefetch(state.hand.slice(0, AHEAD + 2).concat(state.hand[state.at]));
  if (!(await stage.show(card))) return;
  tell(card, (at) => stage.compareNext(at));
  requestAnimationFrame(() => {
    state.shownAt = performance.now();
    document.body.dataset.shown = card.image_id;
    if (pressedAt) performance.measure("key-to-frame", { start: pressedAt, end: performance.now() });
  });
}

function decide(action, reasons = [], cards = [current()], pressedAt = 0) {
  cards = cards.filter(Boolean);
  if (!cards.length) return;
  choose(false);
  const ids = cards.map((card) => card.image_id);
  const seconds = (performance.now() - state.shownAt) / 1000 / cards.length;
  state.done.push({ cards, action });
  state.done.splice(0, state.done.length - BACK);
  const body = { request_id: newId(), action, image_ids: ids, reasons, note: $("note").value, seconds: Math.round(seconds * 1000) / 1000 };
  $("note").value = "";
  openNote(false);
  leave(ids);
  if (state.grid) {
    for (const id of ids) grid.mark(id, reasons.length ? `${action}: ${reasons.join(", ").replaceAll("_", " ")}` : action);
    state.shownAt = performance.now();
    grid.focusNext();
  }
  send("/api/say", body, fill);
  show(pressedAt);
}

function leave(ids) {
  state.hand = state.hand.filter((card) => !ids.includes(card.image_id));
  state.at = Math.min(state.at, Math.max(0, state.hand.length - 1));
}

function undo() {
  const last = state.done.pop();
  choose(false);
  if (!last) {
    send("/api/undo", { request_id: newId() }, fill);
    return;
  }
  for (const card of [...last.cards].reverse()) {
    send("/api/undo", { request_id: newId(), image_id: card.image_id }, fill);
    takeBack(card);
  }
  show();
}

function takeBack(card) {
  state.hand = [card, ...state.hand.filter((one) => one.image_id !== card.image_id)];
  state.at = 0;
  if (grid.mark(card.image_id, "") && state.grid) grid.focusOn(card.image_id);
}

desk.onReply = (path, body, reply) => {
  desk.onState(pending(), "");
  const known = new Set([...state.hand.map((card) => card.image_id), ...pendingIds()]);
  const before = state.hand.length;
  const lost = reply.lost.filter((id) => !pendingIds().includes(id));
  const wasShown = state.hand[state.at]?.image_id;
  if (path !== "/api/undo") state.hand = state.hand.filter((card) => !lost.includes(card.image_id));
  const news = reply.items.filter((card) => !known.has(card.image_id));
  if (path === "/api/undo" && !body.image_id) news.filter((card) => card.image_id === reply.undone).forEach(takeBack);
  state.hand.push(...news.filter((card) => !state.hand.includes(card)));
  state.at = Math.max(0, state.hand.findIndex((card) => card.image_id === wasShown));
  counts(reply);
  for (const [id, sentence] of Object.entries(reply.refused || {})) toast(sentence, () => decideAnyway(body, id));
  if (state.grid && !state.opening && !grid.open().length && state.hand.length) {
    grid.fill(state.hand.slice(0, PAGE), openOne);
    state.shownAt = performance.now();
    show();
    grid.focusNext();
  } else if (!before || state.hand[state.at]?.image_id !== wasShown) show();
  else if (!state.grid) stage.prefetch(state.hand.slice(0, AHEAD + 2));
  if (!state.hand.length) show();
};

desk.onRefused = (sentence) => toast(sentence);

desk.onState = (count, trouble) => {
  state.trouble = trouble;
  $("saving").textContent = trouble && count ? `${trouble} ${count} not saved yet; kept here.` : trouble;
  document.body.dataset.pending = String(count);
};

function decideAnyway(body, id) {
  send("/api/say", { ...body, request_id: newId(), image_ids: [id], override: true }, fill);
}

function counts(reply) {
  $("counts").textContent = `${reply.today} today, ${reply.waiting} wait`;
  $("progress").max = Math.max(1, reply.today + reply.waiting);
  $("progress").value = reply.today;
}

let hideToast = 0;
function toast(sentence, onButton) {
  $("toast-text").textContent = sentence;
  $("toast-button").hidden = !onButton;
  $("toast-button").onclick = () => { $("toast").hidden = true; onButton(); };
  $("toast").hidden = false;
  clearTimeout(hideToast);
  hideToast = setTimeout(() => { $("toast").hidden = true; }, 8000);
}

function choose(on) {
  state.choosing = on;
  $("reasons").hidden = !on;
  $("reject").setAttribute("aria-expanded", String(on));
  for (const button of reasonButtons) button.setAttribute("aria-pressed", "false");
  ticked();
}

const reasonButtons = [...document.querySelectorAll("#reasons [data-reason]")];
const tickedReasons = () => reasonButtons.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.reason);

function ticked() {
  $("reject-plain-text").textContent = tickedReasons().length ? "reject" : "no reason";
}

function reason(button, several, pressedAt) {
  if (!several) return decide("reject", [...new Set([...tickedReasons(), button.dataset.reason])], [chosen], pressedAt);
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  ticked();
}

let chosen = null;
function startReject() {
  chosen = current() || (state.grid && tapped) || null;
  choose(Boolean(chosen) && !state.choosing);
}

async function setGrid(on) {
  if (state.grid === on) return;
  state.grid = on;
  choose(false);
  if (on) {
    grid.fill([], openOne);
    state.opening = true; // answers to what was decided before would fill the page with the few frames of that moment
    await refresh();
    state.opening = false;
    grid.fill(state.hand.slice(0, PAGE), openOne);
  }
  show();
  if (on) grid.focusNext();
  else $("stage").focus({ preventScroll: true });
}

function openOne(card) {
  if (!state.hand.includes(card)) return;
  state.at = state.hand.indexOf(card);
  setGrid(false);
}

async function refresh() {
  await flush(fill);
  const reply = await post("/api/take", fill()).catch((error) => { desk.onState(pending(), error.message); return null; });
  if (!reply) setTimeout(refresh, 1000);
  else if (reply.refusal) toast(reply.refusal);
  else desk.onReply("/api/take", {}, reply);
}

function arrow(dx, dy) {
  if (state.grid) return grid.move(dx, dy);
  if (stage.zoomed()) return stage.scroll(dx, dy);
  if (stage.comparing()) return stage.moveDivider(2 * (dx || dy));
  const to = state.at + (dx || dy);
  if (to < 0 || to >= state.hand.length) return;
  state.at = to;
  show();
}

const KEYS = {
  a: (event) => decide("accept", [], [current()], event.timeStamp),
  r: startReject,
  s: (event) => decide("skip", [], [current()], event.timeStamp),
  u: undo,
  z: () => state.grid ? current() && openOne(current()) : stage.toggleZoom(),
  m: () => !state.grid && stage.toggleMask(),
  c: () => !state.grid && stage.compareNext(),
  g: () => setGrid(!state.grid),
  n: () => $("note").focus(),
  "?": () => $("help").showModal(),
  arrowleft: () => arrow(-1, 0), arrowright: () => arrow(1, 0), arrowup: () => arrow(0, -1), arrowdown: () => arrow(0, 1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input:not([type=range])");
  if (typing) {
    if (event.key === "Enter" || event.key === "Escape") { event.preventDefault(); focusBack(); }
    return;
  }
  if (event.repeat && !event.key.startsWith("Arrow")) return; // a key held down decides once
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  if (state.choosing) {
    if (digit) { event.preventDefault(); return reason(reasonButtons[digit - 1], event.shiftKey, event.timeStamp); }
    if (event.key === "Escape") { event.preventDefault(); return choose(false); }
    const onButton = event.target.closest("#reasons");
    if (event.key === "Enter" && !onButton) { event.preventDefault(); return decide("reject", tickedReasons(), [chosen], event.timeStamp); }
  }
  if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  if (event.target.closest("#panel") && /^Arrow(Up|Down)$/.test(event.key)) return; // scrolls
  if (event.shiftKey && event.key === "A" && state.grid) { event.preventDefault(); return acceptRest(); }
  const act = KEYS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act(event);
});

// On a phone the note has no place of its own until it is asked for.
function openNote(on) {
  document.body.classList.toggle("noting", on);
  $("note-button").setAttribute("aria-expanded", String(on));
  if (on) $("note").focus();
}

function focusBack() {
  if (state.grid) grid.focusNext();
  else $("stage").focus({ preventScroll: true });
}

function acceptRest() {
  decide("accept", [], grid.open());
}

const CLICKS = {
  accept: (event) => decide("accept", [], [current() || tapped], event.timeStamp), reject: startReject,
  skip: (event) => decide("skip", [], [current() || tapped], event.timeStamp),
  undo, zoom: KEYS.z, mask: KEYS.m, compare: KEYS.c, mode: KEYS.g, "help-button": KEYS["?"], "accept-rest": acceptRest,
  "reject-plain": (event) => decide("reject", tickedReasons(), [chosen], event.timeStamp), "reject-cancel": () => choose(false),
  "note-button": () => openNote(!document.body.classList.contains("noting")), who: askName,
};
// A click on a tool takes the focus from the tile it is meant for.
let tapped = null;
document.querySelector("footer").addEventListener("pointerdown", () => { tapped = current(); });
for (const [id, act] of Object.entries(CLICKS)) $(id).addEventListener("click", act);
for (const button of reasonButtons) button.addEventListener("click", (event) => reason(button, event.shiftKey, event.timeStamp));

function askName() {
  $("reviewer").value = state.reviewer;
  $("name-dialog").showModal();
}

$("name-dialog").addEventListener("close", () => {
  const name = $("reviewer").value.trim();
  if (!name) return askName();
  const changed = state.reviewer && state.reviewer !== name;
  if (changed) post("/api/release", { reviewer: state.reviewer });
  localStorage.setItem("deepfield-reviewer", name);
  Object.assign(state, { reviewer: name, hand: [], at: 0, done: [] });
  begin();
});

function begin() {
  $("who").textContent = state.reviewer;
  refresh().then(() => show());
}

setInterval(() => { if (!document.hidden) refresh(); }, RENEW_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden && state.reviewer) refresh(); });
addEventListener("pagehide", () => { if (!pending()) post("/api/release", { reviewer: state.reviewer }).catch(() => {}); });
addEventListener("beforeunload", (event) => { if (pending()) event.preventDefault(); });

if (state.reviewer) begin();
else askName();
